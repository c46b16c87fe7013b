"""Real Celery workers that are killed, woken twice or not at all: faults 16 to 22.

On SQLite with the filesystem broker, as on one machine, and on PostgreSQL with Redis.
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from lab.kamailio import PostgresqlStore
from lab.postgresql import Postgresql
from lab.process import Process, run, wait_until
from lab.proxy import Delay, Pass, Proxy
from lab.redis import Redis
from tests.push_site import Lab, place_of

ROOT = Path(__file__).resolve().parents[2]
KILLS = 5
EFFECTS = """
CREATE TABLE effects (username text, op text);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
'BEGIN INSERT INTO effects VALUES (NEW.username, TG_OP); RETURN NEW; END';
CREATE TRIGGER note AFTER INSERT OR UPDATE ON subscriber FOR EACH ROW EXECUTE FUNCTION note();
"""


class Console:
    """A console with processes of its own, and the store that it pushes to through a proxy."""

    def __init__(
        self,
        directory: Path,
        lab: PostgresqlStore,
        proxy: Proxy,
        environment: dict[str, str],
        redis: Redis | None,
    ) -> None:
        self.lab = lab
        self.redis = redis
        self.proxy = proxy
        self.data = directory
        self.environment = {
            "DJANGO_SETTINGS_MODULE": "rtcadmin.settings",
            "RTCADMIN_DATA": str(directory),
            "RTCADMIN_ALLOW_LOOPBACK": "1",
            "RTCADMIN_PUSH_LEASE": "1.5",
            "RTCADMIN_PUSH_BACKOFF": "0.2",
            "RTCADMIN_SWEEP_EVERY": "1",
            "RTCADMIN_HEALTH_EVERY": "3600",
            "RTCADMIN_SERVER_TOTAL_TIMEOUT": "2",
            **environment,
        }
        self.worker = self._celery("worker", "--concurrency=2", "--without-mingle",
                                   "--without-gossip")  # fmt: skip
        self.beat = self._celery("beat", "--pidfile=")
        place = {**place_of(lab), "port": proxy.port}
        self.scene("prepare", json.dumps(place), lab.cluster.password(lab.console_role))

    def scene(self, *arguments: str, accept: tuple[int, ...] = (0,)) -> str:
        command = [sys.executable, "-m", "tests.faults.scene", *arguments]
        return run(command, environment=self.environment, accept=accept)

    def start_scene(self, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.faults.scene", *arguments]
        return subprocess.Popen(command, env={**os.environ, **self.environment}, cwd=ROOT)  # noqa: S603

    def start(self) -> None:
        for process in (self.beat, self.worker):
            process.start(lambda process=process: process.running)  # type: ignore[misc]

    def stop(self) -> None:
        for process in (self.beat, self.worker):
            process.kill()

    def _celery(self, name: str, *arguments: str) -> Process:
        command = [sys.executable, "-m", "celery", "--app=rtcadmin", "--quiet", name, *arguments]
        log = self.data / f"{name}.log"
        return Process(name, command, log=log, environment=self.environment, directory=ROOT)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of the console's database."""
        url = self.environment.get("RTCADMIN_DATABASE_URL")
        if url:
            with closing(psycopg.connect(url, autocommit=True)) as connection:
                return [tuple(row) for row in connection.execute(sql).fetchall()]
        file = self.data / "rtcadmin.sqlite3"
        with closing(sqlite3.connect(file, timeout=20)) as connection:
            return [tuple(row) for row in connection.execute(sql).fetchall()]

    def is_pushing(self) -> bool:
        return bool(self.query("SELECT 1 FROM provisioning_configstore WHERE lease_owner <> ''"))

    def pending(self) -> int:
        return int(self.query("SELECT count(*) FROM provisioning_pendingchange")[0][0])

    def wait_until_done(self, timeout: float = 20) -> None:
        wait_until(lambda: self.pending() == 0, timeout=timeout, what="everything is pushed")

    def effects(self) -> list[str]:
        """`username op` of every write that the store saw."""
        text = self.lab.cluster.sql("SELECT username, op FROM effects", database=self.lab.name)
        return sorted(line.replace("|", " ") for line in text.splitlines())


@pytest.fixture(params=["one machine", "several machines"])
def console(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    cluster: Postgresql,
    new_lab: Callable[[str], Lab],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Console]:
    lab = new_lab("postgresql")
    assert isinstance(lab, PostgresqlStore)
    lab.execute(EFFECTS)
    # Nothing of the test's own console.
    for name in [name for name in os.environ if name.startswith("RTCADMIN_")]:
        monkeypatch.delenv(name)
    environment = {}
    redis = None
    with ExitStack() as started:
        if request.param == "several machines":
            name = f"console_{lab.name}"
            environment["RTCADMIN_DATABASE_URL"] = cluster.create_database(name)
            (tmp_path / "redis").mkdir()
            redis = started.enter_context(Redis(tmp_path / "redis"))
            environment["RTCADMIN_BROKER_URL"] = redis.url
        proxy = started.enter_context(Proxy(cluster.port))
        console = Console(tmp_path, lab, proxy, environment, redis)
        yield console
        console.stop()


def test_workers_killed_in_mid_push_lose_nothing_and_do_nothing_twice(console: Console) -> None:
    count = 40
    console.proxy.set(Delay(0.05))
    arrivals = console.start_scene("arrive", "0", str(count), "0.2")
    chance = random.Random(16)  # noqa: S311
    for _ in range(KILLS):
        console.start()
        wait_until(console.is_pushing, timeout=20, what="a worker pushes")
        time.sleep(chance.uniform(0, 0.6))
        console.worker.kill()
    assert arrivals.wait(30) == 0
    console.proxy.set(Pass())
    console.start()
    console.wait_until_done()
    assert console.effects() == [f"user{number:03} INSERT" for number in range(count)]


@pytest.mark.parametrize("console", ["one machine"], indirect=True)
def test_messages_that_come_twenty_times_or_never_have_the_same_effect(console: Console) -> None:
    console.scene("arrive", "0", "3", "0")
    console.scene("repeat_messages", "20")
    console.scene("crash_before_the_message", accept=(9,))
    console.start()
    console.wait_until_done()
    assert console.effects() == [f"user{number} INSERT" for number in ("000", "001", "002", "900")]


@pytest.mark.parametrize("console", ["several machines"], indirect=True)
def test_a_save_succeeds_while_the_broker_is_down_and_is_pushed_when_it_is_back(
    console: Console,
) -> None:
    assert console.redis is not None
    console.start()
    console.redis.stop()
    console.scene("arrive", "0", "2", "0")
    assert console.pending() == 2
    console.redis.start()
    console.wait_until_done(30)
    assert console.effects() == ["user000 INSERT", "user001 INSERT"]
