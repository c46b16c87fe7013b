"""A Celery worker for a benchmark's console."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from bench.console import ROOT, BenchConsole
from lab.process import Process
from lab.redis import Redis


@contextmanager
def worker_of(console: BenchConsole, database: str, *, slots: int = 4) -> Iterator[None]:
    """Works at `slots` tasks at a time: with files as messages beside SQLite, else with Redis."""
    with ExitStack() as stack:
        broker = "filesystem://"
        if database == "postgresql":
            directory = console.directory / "redis"
            directory.mkdir(exist_ok=True)
            broker = stack.enter_context(Redis(directory)).url
        console.environment["RTCADMIN_BROKER_URL"] = broker
        worker = Process(
            "worker",
            [sys.executable, "-m", "celery", "--app=rtcadmin", "--quiet", "worker",
             "--without-mingle", "--without-gossip", f"--concurrency={slots}"],
            log=console.directory / "worker.log",
            environment=console.environment,
            directory=ROOT,
        )  # fmt: skip
        stack.callback(worker.stop)
        worker.start(lambda: worker.running)
        yield
