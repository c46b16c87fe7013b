"""A MariaDB server of its own."""

import getpass
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.authority import Leaf
from lab.ports import HOST, listening
from lab.process import Counterpart, LabError, Process, executable, run
from lab.state import State

# Debian's package brings this account; as root the server would refuse to run.
ACCOUNT = "mysql"
# Small logs make it quick to create, threads that write need nothing of the kernel that several
# servers could exhaust; a crash of the machine, though not of the server, may lose what was written
# last.
SETTINGS = {
    "innodb-log-file-size": "8M",
    "innodb-flush-log-at-trx-commit": "0",
    "innodb-buffer-pool-size": "64M",
    "innodb-use-native-aio": "OFF",
    "performance-schema": "OFF",
}


class Mariadb(Counterpart):
    """A server on loopback TCP, with a password for every role.

    Its superuser is whoever made it, known by the Unix socket. As root it runs as `mysql`, who must
    be able to enter `directory`. With a `leaf` it offers TLS.
    """

    def __init__(self, directory: Path, *, leaf: Leaf | None = None) -> None:
        self.directory = directory.absolute()
        self.leaf = leaf
        self._state = State(self.directory)
        self.port = self._state.port("mariadb")
        self.data = self.directory / "data"
        self.socket = self.data / "s"
        options = {
            **SETTINGS,
            "bind-address": HOST,
            "port": str(self.port),
            "socket": str(self.socket),
            "pid-file": str(self.data / "pid"),
            "character-set-server": "utf8mb4",
            "log-bin-trust-function-creators": "ON",
            **self._tls(),
        }
        self.process = Process(
            "mariadb",
            ["mariadbd", "--no-defaults", "--skip-name-resolve", f"--datadir={self.data}",
             *(f"--{name}={value}" for name, value in options.items())],
            log=self.directory / "mariadb.log",
            user=ACCOUNT,
            stop_signal=signal.SIGTERM,
        )  # fmt: skip

    def start(self) -> None:
        if not (self.data / "mysql").exists():
            self._create()
        if self.leaf is not None:
            for file in (self.leaf.certificate, self.leaf.key):
                self._hand_over(Path(shutil.copy(file, self.data)))
        self.process.start(lambda: listening(self.port) and self._answers())

    def stop(self) -> None:
        self.process.stop(patience=10)

    def url(self, database: str, *, role: str) -> str:
        """mysql://role:password@host:port/database"""
        return f"mysql://{role}:{self.password(role)}@{HOST}:{self.port}/{database}"

    def password(self, role: str) -> str:
        return self._state.secret(f"role {role}")

    def sql(self, text: str, *, database: str = "mysql") -> str:
        """Runs statements as the superuser; returns rows with tabs between the columns."""
        return run(
            ["mariadb", "--no-defaults", "-BN", f"--user={getpass.getuser()}",
             f"--socket={self.socket}", database],
            text=text,
        )  # fmt: skip

    def create_role(self, role: str) -> None:
        """Makes an account that may sign in, unless it exists."""
        password = self.password(role)
        self.sql(f"CREATE USER IF NOT EXISTS '{role}'@'{HOST}' IDENTIFIED BY '{password}'")

    def create_database(self, name: str, *, character_set: str = "utf8mb4") -> None:
        """Makes an empty database with the character set's own collation."""
        self.sql(f"CREATE DATABASE `{name}` CHARACTER SET {character_set}")

    def drop_database(self, name: str) -> None:
        self.sql(f"DROP DATABASE IF EXISTS `{name}`")

    def _tls(self) -> dict[str, str]:
        if self.leaf is None:
            return {}
        return {
            "ssl-cert": str(self.data / self.leaf.certificate.name),
            "ssl-key": str(self.data / self.leaf.key.name),
        }

    def _answers(self) -> bool:
        try:
            self.sql("SELECT 1")
        except LabError:
            return False
        return True

    def _create(self) -> None:
        self.data.mkdir(mode=0o700, exist_ok=True)
        self._hand_over(self.data)
        settings = (f"--{name}={value}" for name, value in SETTINGS.items())
        run(
            [executable("mariadb-install-db"), "--no-defaults", "--skip-test-db",
             "--skip-name-resolve", "--auth-root-authentication-method=socket",
             f"--auth-root-socket-user={getpass.getuser()}",
             f"--datadir={self.data}", *settings],
            user=ACCOUNT,
        )  # fmt: skip

    def _hand_over(self, path: Path) -> None:
        if os.geteuid() == 0:
            shutil.chown(path, ACCOUNT, ACCOUNT)


@contextmanager
def temporary_mariadb(*, leaf: Leaf | None = None) -> Iterator[Mariadb]:
    """A running server below /tmp that is removed in the end."""
    directory = Path(tempfile.mkdtemp(prefix="rtcadmin-mariadb-"))
    directory.chmod(0o755)
    try:
        with Mariadb(directory, leaf=leaf) as server:
            yield server
    finally:
        shutil.rmtree(directory)
