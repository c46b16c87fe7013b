"""Real databases with Kamailio's own schema, real Kamailio servers, and how to look behind both."""

from __future__ import annotations

import getpass
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import psycopg
import pytest

from lab.authority import Authority
from lab.kamailio import Kamailio
from lab.kamailio_store import (
    KAMAILIO_5_6,
    KAMAILIO_6_1,
    MariadbStore,
    PostgresqlStore,
    Release,
    SqliteStore,
)
from lab.mariadb import Mariadb, temporary_mariadb
from lab.ports import HOST
from lab.postgresql import Postgresql, temporary_postgresql
from provisioning.core.records import ServerRecord, StoreRecord
from provisioning.drivers.database.mysql import MysqlConnection
from provisioning.drivers.kamailio.server import KamailioServer
from provisioning.drivers.kamailio.store import KamailioStore

DIALECTS = ("sqlite", "postgresql", "mysql")
# Where the contract of a store is kept, and where a server runs: databases of either release.
SCHEMAS = [(dialect, KAMAILIO_5_6) for dialect in DIALECTS] + [("postgresql", KAMAILIO_6_1)]
SITES = [(dialect, release) for release in (KAMAILIO_5_6, KAMAILIO_6_1) for dialect in DIALECTS]
Lab = SqliteStore | PostgresqlStore | MariadbStore
# A connection with every right; all three run statements by `execute`.
Connection = sqlite3.Connection | psycopg.Connection[Any] | MysqlConnection


@dataclass(frozen=True)
class Backend:
    """A database with Kamailio's schema: as the console sees it, and with every right."""

    record: StoreRecord
    lab: Lab

    def connect(self) -> Connection:
        """A connection with every right, for what somebody else does."""
        if isinstance(self.lab, SqliteStore):
            return sqlite3.connect(self.lab.file, isolation_level=None)
        if isinstance(self.lab, MariadbStore):
            return MysqlConnection(
                unix_socket=str(self.lab.cluster.socket), user=getpass.getuser(),
                database=self.lab.name, charset="utf8mb4", autocommit=True, ssl_disabled=True,
            )  # fmt: skip
        return psycopg.connect(self.lab.cluster.url(self.lab.name), autocommit=True)

    def execute(self, statement: str) -> None:
        with closing(self.connect()) as connection:
            connection.execute(statement)

    def insert(self, table: str, *rows: dict[str, str]) -> None:
        """Adds rows as somebody else would."""
        for row in rows:
            values = ", ".join(f"'{value}'" for value in row.values())
            self.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({values})")  # noqa: S608

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with closing(self.connect()) as connection:
            return [tuple(row) for row in connection.execute(query).fetchall()]


def _record(lab: Lab) -> StoreRecord:
    on_sqlite = StoreRecord(
        name="Test store",
        driver="opensips" if lab.release.version.startswith("opensips") else "kamailio",
        dialect="sqlite",
        host="",
        port=0,
        database=str(lab.file) if isinstance(lab, SqliteStore) else lab.name,
        user="",
        secret="",
        tls=False,
        ca_pem="",
        connect_timeout=2.0,
        statement_timeout=5.0,
    )
    if isinstance(lab, SqliteStore):
        return on_sqlite
    return replace(
        on_sqlite,
        dialect="mysql" if isinstance(lab, MariadbStore) else "postgresql",
        host=HOST,
        port=lab.cluster.port,
        user=lab.console_role,
        secret=lab.cluster.password(lab.console_role),
    )


def backend_of(lab: Lab) -> Backend:
    """The database that a lab made, as the console and others see it."""
    return Backend(_record(lab), lab)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Postgresql]:
    """A PostgreSQL cluster of this worker."""
    with temporary_postgresql() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def mariadb() -> Iterator[Mariadb]:
    """A MariaDB server of this worker."""
    with temporary_mariadb() as server:
        yield server


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate authority of this worker."""
    return Authority(tmp_path_factory.mktemp("authority"))


class NewBackend(Protocol):
    """Makes a fresh database of the dialect asked for, with the tables of a release."""

    def __call__(self, dialect: str, release: Release = KAMAILIO_5_6) -> Backend: ...


@pytest.fixture(scope="session")
def new_backend(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> NewBackend:
    numbers = count()

    def make(dialect: str, release: Release = KAMAILIO_5_6) -> Backend:
        lab: Lab
        name = f"kamailio_{next(numbers)}"
        if dialect == "sqlite":
            lab = SqliteStore(tmp_path_factory.mktemp("store") / "kamailio.db", release=release)
        elif dialect == "postgresql":
            lab = PostgresqlStore(request.getfixturevalue("cluster"), name, release=release)
        else:
            lab = MariadbStore(request.getfixturevalue("mariadb"), name, release=release)
        lab.create()
        return backend_of(lab)

    return make


def _named(place: object) -> str:
    dialect, release = place if isinstance(place, tuple) else (place, KAMAILIO_5_6)
    return f"{dialect}-{release.version}"


@pytest.fixture(params=SCHEMAS, ids=_named)
def backend(request: pytest.FixtureRequest, new_backend: NewBackend) -> Backend:
    """A fresh database with Kamailio's schema, on each of the databases."""
    return new_backend(*request.param)


@pytest.fixture
def postgresql(new_backend: NewBackend) -> Backend:
    """A fresh PostgreSQL database with Kamailio's schema."""
    return new_backend("postgresql")


@pytest.fixture
def mysql(new_backend: NewBackend) -> Backend:
    """A fresh MariaDB database with Kamailio's schema."""
    return new_backend("mysql")


@pytest.fixture(params=["postgresql", "mysql"])
def served(request: pytest.FixtureRequest, new_backend: NewBackend) -> Backend:
    """A fresh database that is reached over the network."""
    return new_backend(request.param)


@pytest.fixture
def sqlite(new_backend: NewBackend) -> Backend:
    """A fresh SQLite file with Kamailio's schema."""
    return new_backend("sqlite")


@pytest.fixture
def open_store() -> Iterator[Callable[..., KamailioStore]]:
    """Opens a store as recorded, with some fields changed; closed after the test."""
    opened: list[KamailioStore] = []

    def opening(backend: Backend, **changed: Any) -> KamailioStore:
        opened.append(KamailioStore(replace(backend.record, **changed)))
        return opened[-1]

    yield opening
    for store in opened:
        store.close()


@pytest.fixture
def store(backend: Backend, open_store: Callable[..., KamailioStore]) -> KamailioStore:
    """The store that is tested, on the fresh database."""
    return open_store(backend)


@dataclass(frozen=True)
class Site:
    """A running Kamailio with its database, and the drivers of both."""

    kamailio: Kamailio
    backend: Backend
    store: KamailioStore
    server: KamailioServer


@pytest.fixture(scope="session", params=SITES, ids=_named)
def site(
    request: pytest.FixtureRequest,
    new_backend: NewBackend,
    authority: Authority,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    """A real Kamailio of this worker; tests use addresses of their own."""
    backend = new_backend(*request.param)
    directory: Path = tmp_path_factory.mktemp("kamailio")
    with Kamailio(directory, authority, backend.lab) as kamailio:
        store = KamailioStore(backend.record)
        server = KamailioServer(
            ServerRecord("Test server", "kamailio", kamailio.rpc_url, kamailio.rpc_secret, "")
        )
        yield Site(kamailio, backend, store, server)
        store.close()
        server.close()
