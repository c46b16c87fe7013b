"""The database of Kamailio servers, made as Debian's package does it."""

import sqlite3
from collections.abc import Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lab.mariadb import Mariadb
from lab.packages import FORKY
from lab.ports import HOST
from lab.postgresql import Postgresql
from lab.suite import Suite

# `standard` makes the table of versions that the others write to.
TABLES = (
    "standard", "auth_db", "alias_db", "usrloc", "domain", "permissions", "dispatcher", "mtree",
    "uac", "dialplan", "htable", "avpops",
)  # fmt: skip
CONSOLE_WRITES = (
    "subscriber", "dbaliases", "domain", "domain_attrs", "address", "dispatcher", "mtree",
    "uacreg", "dialplan", "htable", "usr_preferences",
)  # fmt: skip
CONSOLE_READS = ("version", "location")


@dataclass(frozen=True)
class Release:
    """A version of Kamailio: that of this Debian, or that of another suite."""

    version: str
    suite: Suite | None = None
    # What the console may write and read in its database.
    writes: tuple[str, ...] = CONSOLE_WRITES
    reads: tuple[str, ...] = CONSOLE_READS

    def sequence(self, table: str) -> str:
        """What counts the rows of a table on PostgreSQL."""
        return f"{table}_id_seq"

    @property
    def command(self) -> list[str]:
        """How to run it."""
        if self.suite is None:
            return ["kamailio"]
        modules = self.suite.libraries / "kamailio/modules"
        return [*self.suite.command("usr/sbin/kamailio", "kamailio"), "-L", str(modules)]

    def schema(self, dialect: str, tables: Sequence[str] = TABLES) -> str:
        """The statements that make its tables, such as those of "db_sqlite"."""
        root = Path("/") if self.suite is None else self.suite.tree
        folder = root / "usr/share/kamailio" / dialect
        return "\n".join((folder / f"{name}-create.sql").read_text() for name in tables)


KAMAILIO_5_6 = Release("5.6")
KAMAILIO_6_1 = Release("6.1", FORKY)


class Store(Protocol):
    """The database of one or several Kamailio servers, which are all of one release."""

    backend: str
    dialect: str
    release: Release

    @property
    def server_url(self) -> str:
        """The URL as Kamailio wants it, with its password."""

    def create(self) -> None:
        """Makes the tables, unless they exist."""

    def held_open(self) -> AbstractContextManager[object]:
        """What stays open as long as a server runs."""

    def execute(self, text: str) -> None:
        """Runs SQL statements with every right."""

    def let_console_read(self, table: str) -> None:
        """Lets the console read a further table."""


class SqliteStore:
    """A store in one SQLite file in WAL mode."""

    backend = "WITH_SQLITE"
    dialect = "db_sqlite"

    def __init__(self, file: Path, *, release: Release = KAMAILIO_5_6) -> None:
        self.file = file.absolute()
        self.release = release

    @property
    def server_url(self) -> str:
        return f"sqlite:///{self.file}"

    def create(self) -> None:
        if self.file.exists():
            return
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self.file)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(f"BEGIN; {self.release.schema(self.dialect)} COMMIT;")

    def held_open(self) -> AbstractContextManager[object]:
        """A connection that keeps all others from being the last one.

        The last one locks the file while it closes, and a Kamailio that begins to read just then
        waits for nothing: one of its processes ends, and so does the server.
        """
        connection = sqlite3.connect(self.file, timeout=30, check_same_thread=False)
        connection.execute("SELECT COUNT(*) FROM version").fetchone()
        return closing(connection)

    def execute(self, text: str) -> None:
        with closing(sqlite3.connect(self.file, timeout=30)) as connection:
            connection.executescript(f"BEGIN IMMEDIATE; {text}; COMMIT;")

    def let_console_read(self, table: str) -> None:
        """Whoever may read the file may read each of its tables."""


class PostgresqlStore:
    """A store in a PostgreSQL database, copied from a template that is made once per cluster.

    The servers sign in as `kamailio`; the console as `rtcadmin`, who may write what it manages,
    read the registrations, and nothing else.
    """

    backend = "WITH_POSTGRES"
    dialect = "postgres"
    server_role = "kamailio"
    console_role = "rtcadmin"

    def __init__(
        self, cluster: Postgresql, name: str = "kamailio", *, release: Release = KAMAILIO_5_6
    ) -> None:
        self.cluster = cluster
        self.name = name
        self.release = release
        self.template = f"kamailio_template_{release.version}"

    @property
    def server_url(self) -> str:
        url = self.cluster.url(self.name, role=self.server_role)
        return url.replace("postgresql:", "postgres:", 1)

    @property
    def console_url(self) -> str:
        """The URL for the console, with its password."""
        return self.cluster.url(self.name, role=self.console_role)

    def create(self) -> None:
        if self.cluster.has_database(self.name):
            return
        if not self.cluster.has_database(self.template):
            self._create_template()
        self.cluster.create_database(self.name, template=self.template)

    def held_open(self) -> AbstractContextManager[object]:
        """Nothing: the database's server goes on by itself."""
        return nullcontext()

    def drop(self) -> None:
        self.cluster.drop_database(self.name)

    def execute(self, text: str) -> None:
        self.cluster.sql(text, database=self.name)

    def let_console_read(self, table: str) -> None:
        self.execute(f"GRANT SELECT ON {table} TO {self.console_role}")

    def _create_template(self) -> None:
        for role in (self.server_role, self.console_role):
            self.cluster.create_role(role)
        self.cluster.create_database(self.template)
        everything = "ALL TABLES IN SCHEMA public"
        sequences = ", ".join(map(self.release.sequence, self.release.writes))
        self.cluster.sql(
            f"{self.release.schema(self.dialect)}"
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON {everything} TO {self.server_role};"
            f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {self.server_role};"
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON {', '.join(self.release.writes)} "
            f"TO {self.console_role};"
            f"GRANT SELECT ON {', '.join(self.release.reads)} TO {self.console_role};"
            f"GRANT USAGE ON {sequences} TO {self.console_role};",
            database=self.template,
        )


class MariadbStore:
    """A store in a MariaDB database; roles as on PostgreSQL.

    By default its texts are latin1, as those of most Kamailio databases that grew old.
    """

    backend = "WITH_MYSQL"
    dialect = "mysql"
    server_role = PostgresqlStore.server_role
    console_role = PostgresqlStore.console_role

    def __init__(
        self,
        cluster: Mariadb,
        name: str = "kamailio",
        *,
        character_set: str = "latin1",
        release: Release = KAMAILIO_5_6,
    ) -> None:
        self.cluster = cluster
        self.name = name
        self.release = release
        self.character_set = character_set

    @property
    def server_url(self) -> str:
        return self.cluster.url(self.name, role=self.server_role)

    def create(self) -> None:
        if self.name in self.cluster.sql("SHOW DATABASES").splitlines():
            return
        for role in (self.server_role, self.console_role):
            self.cluster.create_role(role)
        self.cluster.create_database(self.name, character_set=self.character_set)
        rights = {
            self.server_role: {"*": "SELECT, INSERT, UPDATE, DELETE"},
            self.console_role: {
                **dict.fromkeys(self.release.writes, "SELECT, INSERT, UPDATE, DELETE"),
                **dict.fromkeys(self.release.reads, "SELECT"),
            },
        }
        grants = (
            f"GRANT {given} ON `{self.name}`.{table} TO '{role}'@'{HOST}';"
            for role, tables in rights.items()
            for table, given in tables.items()
        )
        self.execute(f"{self.release.schema(self.dialect)} {' '.join(grants)}")

    def held_open(self) -> AbstractContextManager[object]:
        """Nothing: the database's server goes on by itself."""
        return nullcontext()

    def drop(self) -> None:
        self.cluster.drop_database(self.name)

    def execute(self, text: str) -> None:
        self.cluster.sql(text, database=self.name)

    def let_console_read(self, table: str) -> None:
        self.execute(f"GRANT SELECT ON `{self.name}`.{table} TO '{self.console_role}'@'{HOST}'")
