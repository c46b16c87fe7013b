"""A PostgreSQL cluster of its own."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from lab.ports import HOST, listening
from lab.process import Counterpart, LabError, Process, executable, run
from lab.state import State, write_private

# Debian keeps each version's programs out of PATH.
VERSIONS = Path("/usr/lib/postgresql")
SUPERUSER = "postgres"
# PostgreSQL refuses to run as root; Debian's package brings this account.
ACCOUNT = "postgres"
# sun_path holds 108 bytes with its end (unix(7)), and the socket's own name takes 20.
LONGEST_SOCKET_DIRECTORY = 87
STOP = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}
FAST_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class Postgresql(Counterpart):
    """A cluster on a Unix socket and on loopback TCP, with a password for every role.

    As root it runs as `postgres`, who must be able to enter `directory`. Without `durable` a
    crash of the machine, though not of the server, may lose data.
    """

    def __init__(self, directory: Path, *, durable: bool = False) -> None:
        self.directory = directory.absolute()
        self.durable = durable
        self._state = State(self.directory)
        self.port = self._state.port("postgresql")
        self.data = self.directory / "data"
        sockets = str(self.data) if len(str(self.data)) <= LONGEST_SOCKET_DIRECTORY else ""
        settings = {
            "listen_addresses": HOST,
            "port": str(self.port),
            "unix_socket_directories": sockets,
            "max_connections": "200",
            **({} if durable else FAST_SETTINGS),
        }
        flags = [part for item in settings.items() for part in ("-c", "=".join(item))]
        self.process = Process(
            "postgresql",
            [_program("postgres"), "-D", str(self.data), *flags],
            log=self.directory / "postgresql.log",
            user=ACCOUNT,
            stop_signal=STOP["fast"],
        )

    def start(self) -> None:
        if not (self.data / "PG_VERSION").exists():
            self._create()
        self.process.start(lambda: listening(self.port) and self._answers())

    def stop(self, mode: Literal["smart", "fast", "immediate"] = "fast") -> None:
        """Stops as pg_ctl does: smart waits for clients, immediate leaves a recovery to do."""
        self.process.send(STOP[mode])
        self.process.stop()

    def restart(self) -> None:
        self.stop()
        self.start()

    def url(self, database: str, *, role: str = SUPERUSER) -> str:
        """postgresql://role:password@host:port/database"""
        return f"postgresql://{role}:{self.password(role)}@{HOST}:{self.port}/{database}"

    def password(self, role: str) -> str:
        return self._state.secret(f"role {role}")

    def sql(self, text: str, *, database: str = "postgres") -> str:
        """Runs statements in one transaction as the superuser; returns rows as `a|b` lines."""
        return self._psql(["-1"], text, database)

    def create_role(self, role: str) -> None:
        """Makes a role that may sign in, unless it exists."""
        if role not in self.sql("SELECT rolname FROM pg_roles").splitlines():
            self.sql(f"CREATE ROLE {role} LOGIN PASSWORD '{self.password(role)}'")

    def has_database(self, name: str) -> bool:
        return name in self.sql("SELECT datname FROM pg_database").splitlines()

    def create_database(self, name: str, *, template: str = "template0") -> str:
        """Makes a database, as a copy of another where one is named; returns its URL."""
        self._psql([], f'CREATE DATABASE "{name}" TEMPLATE "{template}"', "postgres")
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Drops a database and ends whoever is connected to it."""
        self._psql([], f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)', "postgres")

    def _psql(self, flags: list[str], text: str, database: str) -> str:
        return run(
            [_program("psql"), "-XqAt", "-v", "ON_ERROR_STOP=1", *flags, "-f", "-",
             "-h", HOST, "-p", str(self.port), "-U", SUPERUSER, database],
            text=text,
            environment={"PGPASSWORD": self.password(SUPERUSER), "PGCONNECT_TIMEOUT": "30"},
        )  # fmt: skip

    def _answers(self) -> bool:
        try:
            self.sql("SELECT 1")
        except LabError:
            return False
        return True

    def _create(self) -> None:
        self.data.mkdir(mode=0o700, exist_ok=True)
        password = self.directory / "password"
        write_private(password, self.password(SUPERUSER))
        if os.geteuid() == 0:
            for path in (self.data, password):
                shutil.chown(path, ACCOUNT)
        try:
            run(
                [_program("initdb"), "-D", str(self.data), "-U", SUPERUSER, "--no-sync",
                 "-A", "scram-sha-256", "--pwfile", str(password),
                 "-E", "UTF8", "--locale=C.UTF-8"],
                user=ACCOUNT,
            )  # fmt: skip
        finally:
            password.unlink()


@contextmanager
def temporary_postgresql(*, durable: bool = False) -> Iterator[Postgresql]:
    """A running cluster below /tmp that is removed in the end."""
    directory = Path(tempfile.mkdtemp(prefix="rtcadmin-postgresql-"))
    directory.chmod(0o755)
    try:
        with Postgresql(directory, durable=durable) as cluster:
            yield cluster
    finally:
        shutil.rmtree(directory)


def _program(name: str) -> str:
    versions = sorted(VERSIONS.glob("*/bin"), key=lambda path: float(path.parent.name))
    return executable(str(versions[-1] / name) if versions else name)
