"""A console of its own for a benchmark: its data below /tmp, on SQLite or on PostgreSQL."""

from __future__ import annotations

import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.names import PEOPLE
from lab.ports import HOST, free_port
from lab.postgresql import temporary_postgresql
from lab.process import Process, run

ROOT = Path(__file__).resolve().parent.parent
DATABASES = ("sqlite", "postgresql")
FILL_TIMEOUT = 600.0


class BenchConsole:
    """A migrated console without processes; `database_url` is empty for SQLite.

    `work` are the ids of processes that work for it, such as its database's.
    """

    def __init__(self, directory: Path, database_url: str = "", work: Sequence[int] = ()) -> None:
        self.directory = directory
        self.work = list(work)
        self.port = free_port()
        self.address = f"http://{HOST}:{self.port}"
        self.environment = {
            "DJANGO_SETTINGS_MODULE": "rtcadmin.settings",
            "RTCADMIN_DATA": str(directory / "data"),
            "RTCADMIN_DATABASE_URL": database_url,
            "RTCADMIN_PUBLIC_URL": self.address,
            "RTCADMIN_BROKER_URL": "memory://",
            "RTCADMIN_LOG_LEVEL": "WARNING",
            # What is installed is compiled once, whatever the environment says.
            "PYTHONDONTWRITEBYTECODE": "",
        }
        self.manage("migrate", "--verbosity=0")

    def manage(self, *arguments: str) -> str:
        """Runs a command of manage.py; returns what it printed."""
        return run(
            [sys.executable, str(ROOT / "manage.py"), *arguments],
            environment=self.environment,
            timeout=FILL_TIMEOUT,
        )

    def call(self, statement: str, *modules: str) -> str:
        """Runs one Python statement where Django is set up and `modules` are imported."""
        code = "; ".join([*(f"import {module}" for module in modules), statement])
        return self.manage("shell", "--no-imports", "--command", code)

    def fill(self, count: int = PEOPLE) -> None:
        """Writes the company of bench.names into the empty database."""
        self.call(f"bench.population.fill({count})", "bench.population")

    @contextmanager
    def serving(self, *, workers: int) -> Iterator[int]:
        """The web server answers at `address`; its process id."""
        process = Process(
            "web",
            [sys.executable, "-m", "gunicorn", "rtcadmin.wsgi", f"--bind={HOST}:{self.port}",
             f"--workers={workers}", "--graceful-timeout=2", "--no-control-socket"],
            log=self.directory / "web.log",
            environment=self.environment,
            directory=ROOT,
        )  # fmt: skip
        try:
            process.start(self._answers)
            yield process.pid
        finally:
            process.stop()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.address}/healthz", timeout=5.0):  # noqa: S310
                return True
        except OSError:
            return False


@contextmanager
def bench_console(database: str) -> Iterator[BenchConsole]:
    """A console on "sqlite" or "postgresql" (fsync on), removed in the end."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rtcadmin-bench-")))
        url, work = "", []
        if database == "postgresql":
            cluster = stack.enter_context(temporary_postgresql(durable=True))
            url = cluster.create_database("rtcadmin")
            work = [cluster.process.pid]
        yield BenchConsole(directory, url, work)
