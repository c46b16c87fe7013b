"""A console with processes of its own, on each of the brokers, and what it did to a store."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from kombu import Connection, Queue

from lab.kamailio_store import PostgresqlStore
from lab.postgresql import Postgresql
from lab.process import Process, run, wait_until
from lab.proxy import Proxy
from lab.rabbitmq import Rabbitmq
from lab.redis import Redis
from tests.push_site import Lab, place_of

ROOT = Path(__file__).resolve().parents[2]
EFFECTS = """
CREATE TABLE effects (username text, op text);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
'BEGIN INSERT INTO effects VALUES (NEW.username, TG_OP); RETURN NEW; END';
CREATE TRIGGER note AFTER INSERT OR UPDATE ON subscriber FOR EACH ROW EXECUTE FUNCTION note();
"""

SETTINGS = {
    "DJANGO_SETTINGS_MODULE": "rtcadmin.settings",
    "RTCADMIN_ALLOW_LOOPBACK": "1",
    "RTCADMIN_PUSH_LEASE": "1.5",
    "RTCADMIN_PUSH_BACKOFF": "0.2",
    "RTCADMIN_SWEEP_EVERY": "1",
    "RTCADMIN_ROLLOUT_EVERY": "0.3",
    "RTCADMIN_ROLLOUT_LEASE": "1.5",
    "RTCADMIN_HEALTH_EVERY": "3600",
    "RTCADMIN_SERVER_TOTAL_TIMEOUT": "2",
}


def scene(environment: dict[str, str], *arguments: str, accept: tuple[int, ...] = (0,)) -> str:
    """Does something inside a console; what it printed."""
    command = [sys.executable, "-m", "tests.faults.scene", *arguments]
    return run(command, environment=environment, accept=accept)


@contextmanager
def own_settings() -> Iterator[None]:
    """Meanwhile started processes inherit nothing of the test's own console."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("RTCADMIN_")]:
            patch.delenv(name)
        yield


class Console:
    """A console with processes of its own, and the store that it pushes to through a proxy."""

    def __init__(
        self,
        directory: Path,
        lab: PostgresqlStore,
        proxy: Proxy,
        environment: dict[str, str],
        broker: Redis | Rabbitmq | None,
    ) -> None:
        self.lab = lab
        self.broker = broker
        self.proxy = proxy
        self.data = directory
        self.environment = {**SETTINGS, "RTCADMIN_DATA": str(directory), **environment}
        self.worker = self.new_worker("worker")
        self.beat = self._celery("beat", "beat", "--pidfile=")
        place = {**place_of(lab), "port": proxy.port}
        self.scene("prepare", json.dumps(place), lab.cluster.password(lab.console_role))

    def scene(self, *arguments: str, accept: tuple[int, ...] = (0,)) -> str:
        return scene(self.environment, *arguments, accept=accept)

    def start_scene(self, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.faults.scene", *arguments]
        return subprocess.Popen(command, env={**os.environ, **self.environment}, cwd=ROOT)  # noqa: S603

    def start(self) -> None:
        for process in (self.beat, self.worker):
            process.start(lambda process=process: process.running)  # type: ignore[misc]

    def stop(self) -> None:
        for process in (self.beat, self.worker):
            process.kill()

    def new_worker(self, name: str) -> Process:
        """A worker of its own name, not started yet."""
        options = ["--concurrency=2", "--without-mingle", "--without-gossip"]
        return self._celery(name, "worker", f"--hostname={name}@localhost", *options)

    def _celery(self, name: str, *arguments: str) -> Process:
        command = [sys.executable, "-m", "celery", "--app=rtcadmin", "--quiet", *arguments]
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

    def wait_until_done(self, timeout: float = 120) -> None:
        wait_until(lambda: self.pending() == 0, timeout=timeout, what="everything is pushed")

    def effects(self) -> list[str]:
        """`username op` of every write that the store saw."""
        text = self.lab.cluster.sql("SELECT username, op FROM effects", database=self.lab.name)
        return sorted(line.replace("|", " ") for line in text.splitlines())


@pytest.fixture(scope="session")
def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rabbitmq]:
    """A RabbitMQ of this worker, which takes its time to start; tests leave it running."""
    with Rabbitmq(tmp_path_factory.mktemp("rabbitmq")) as server:
        yield server


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A console's database on SQLite, as a migration leaves it."""
    folder = tmp_path_factory.mktemp("migrated")
    with own_settings():
        scene({**SETTINGS, "RTCADMIN_DATA": str(folder)}, "migrate")
    return folder / "rtcadmin.sqlite3"


@pytest.fixture(scope="session")
def migrated_template(cluster: Postgresql, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of such a database on PostgreSQL, to make copies of."""
    url = cluster.create_database("console_template")
    folder = str(tmp_path_factory.mktemp("migrated"))
    with own_settings():
        scene({**SETTINGS, "RTCADMIN_DATA": folder, "RTCADMIN_DATABASE_URL": url}, "migrate")
    return "console_template"


@pytest.fixture(params=["one machine", "redis", "rabbitmq"])
def console(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    cluster: Postgresql,
    new_lab: Callable[[str], Lab],
) -> Iterator[Console]:
    """Not started yet: with SQLite and a broker of files, or with PostgreSQL and a real one."""
    lab = new_lab("postgresql")
    assert isinstance(lab, PostgresqlStore)
    lab.execute(EFFECTS)
    environment = {}
    broker: Redis | Rabbitmq | None = None
    with ExitStack() as started:
        if request.param == "redis":
            (tmp_path / "redis").mkdir()
            broker = started.enter_context(Redis(tmp_path / "redis"))
        elif request.param == "rabbitmq":
            rabbitmq: Rabbitmq = request.getfixturevalue("rabbitmq")
            forget_messages(rabbitmq)
            broker = rabbitmq
        if broker is None:
            shutil.copy(request.getfixturevalue("migrated_file"), tmp_path)
        else:
            template = request.getfixturevalue("migrated_template")
            url = cluster.create_database(f"console_{lab.name}", template=template)
            environment["RTCADMIN_DATABASE_URL"] = url
            environment["RTCADMIN_BROKER_URL"] = broker.url
        proxy = started.enter_context(Proxy(cluster.port))
        started.enter_context(own_settings())
        console = Console(tmp_path, lab, proxy, environment, broker)
        yield console
        console.stop()


def forget_messages(broker: Rabbitmq) -> None:
    """What the console of an earlier test left in the queue."""
    with Connection(broker.url) as connection:
        Queue("celery", channel=connection.default_channel).delete()


def assert_settled(console: Console, *users: str) -> None:
    """What was asked for was done, each once, reads back as it is wanted; and nobody holds a lease.

    Read-back is part of every push: a change that does not read back stays pending.
    """
    assert console.effects() == [f"{user} INSERT" for user in users]
    assert console.query("SELECT count(*) FROM provisioning_pendingchange") == [(0,)]
    wait_until(lambda: not console.is_pushing(), timeout=30, what="the lease is given back")
    stands = console.lab.cluster.sql("SELECT username FROM subscriber", database=console.lab.name)
    assert sorted(stands.split()) == list(users)
    held = "SELECT count(*) FROM provisioning_ownedrow WHERE kind = 'subscriber'"
    assert console.query(held) == [(len(users),)]


def users(count: int) -> list[str]:
    return [f"user{number:03}" for number in range(count)]
