"""A store that the console manages, with a real database behind it, and how to look into it."""

from __future__ import annotations

import getpass
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pytest_django import Settings

from lab.authority import Authority
from lab.kamailio import Kamailio
from lab.kamailio_store import KAMAILIO_5_6, MariadbStore, PostgresqlStore, Release, SqliteStore
from lab.mariadb import Mariadb, temporary_mariadb
from lab.ports import HOST
from lab.postgresql import Postgresql, temporary_postgresql
from provisioning.drivers.database.mysql import MysqlConnection
from provisioning.models import ConfigStore, PendingChange, SipServer
from provisioning.services.push.push import push_store
from provisioning.services.push.store_push import PushReport
from tests.factories import make_pool, make_store

Lab = SqliteStore | PostgresqlStore | MariadbStore


@dataclass(frozen=True)
class Site:
    """One store: the console's row and the database itself, which is read with every right."""

    store: ConfigStore
    lab: Lab

    def push(self, **given: Any) -> PushReport:
        return push_store(store_id=self.store.pk, **given)

    def end_backoff(self) -> None:
        """As when enough time has passed for everything to be tried again."""
        ConfigStore.objects.filter(pk=self.store.pk).update(not_before=None)
        self.store.pending.update(not_before=None)

    def pending(self) -> set[str]:
        """Keys of what is still to be pushed, given up or not."""
        return set(self.store.pending.values_list("key", flat=True))

    def change(self, key: str) -> PendingChange:
        return self.store.pending.get(key=key)

    def connect(self) -> sqlite3.Connection | psycopg.Connection[Any] | MysqlConnection:
        """A connection as somebody else has it."""
        if isinstance(self.lab, SqliteStore):
            return sqlite3.connect(self.lab.file, isolation_level=None, timeout=20)
        if isinstance(self.lab, MariadbStore):
            return MysqlConnection(
                unix_socket=str(self.lab.cluster.socket), user=getpass.getuser(),
                database=self.lab.name, charset="utf8mb4", autocommit=True, ssl_disabled=True,
            )  # fmt: skip
        return psycopg.connect(self.lab.cluster.url(self.lab.name), autocommit=True)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with closing(self.connect()) as connection:
            return [tuple(row) for row in connection.execute(query).fetchall()]

    def execute(self, *statements: str) -> None:
        with closing(self.connect()) as connection:
            for statement in statements:
                connection.execute(statement)

    def refuse(self, user: str) -> None:
        """Lets the database refuse every row of this user, in its own words."""
        if isinstance(self.lab, SqliteStore):
            raising = (
                f"WHEN NEW.username = '{user}' BEGIN SELECT RAISE(ABORT, 'no {user} here'); END"
            )
            self.execute(f"CREATE TRIGGER refuse BEFORE INSERT ON subscriber {raising}")
            return
        if isinstance(self.lab, MariadbStore):
            self.execute(
                "CREATE TRIGGER refuse BEFORE INSERT ON subscriber FOR EACH ROW "
                f"IF NEW.username = '{user}' THEN "
                f"SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no {user} here'; END IF"
            )
            return
        self.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN "
            f"IF NEW.username = '{user}' THEN RAISE 'no {user} here'; END IF; RETURN NEW; END$$",
            "CREATE TRIGGER refuse BEFORE INSERT ON subscriber FOR EACH ROW "
            "EXECUTE FUNCTION refuse()",
        )

    def subscribers(self) -> dict[str, str]:
        """HA1 by address-of-record; `!` for one that nobody can register with."""
        found = self.rows("SELECT username, domain, ha1 FROM subscriber")
        return {f"{user}@{domain}": "!" if ha1[0] == "!" else ha1 for user, domain, ha1 in found}

    def aliases(self) -> dict[str, str]:
        """Where each alias leads."""
        columns = "alias_username, alias_domain, username, domain"
        found = self.rows(f"SELECT {columns} FROM dbaliases")  # noqa: S608
        return {f"{alias}@{at}": f"{user}@{domain}" for alias, at, user, domain in found}

    def domains(self) -> set[str]:
        return {domain for (domain,) in self.rows("SELECT domain FROM domain")}


@pytest.fixture(scope="session")
def cluster() -> Iterator[Postgresql]:
    """A PostgreSQL cluster of this worker, for SIP servers' databases."""
    with temporary_postgresql() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def mariadb() -> Iterator[Mariadb]:
    """A MariaDB server of this worker, for SIP servers' databases."""
    with temporary_mariadb() as server:
        yield server


@pytest.fixture(scope="session")
def new_lab(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Lab]:
    """Makes a fresh database with Kamailio's schema, of the dialect and release asked for."""
    numbers = count()
    empty = SqliteStore(tmp_path_factory.mktemp("schema") / "kamailio.db")
    empty.create()

    def make(dialect: str, release: Release = KAMAILIO_5_6) -> Lab:
        if dialect == "sqlite":
            lab = SqliteStore(tmp_path_factory.mktemp("store") / "kamailio.db")
            shutil.copy(empty.file, lab.file)
            return lab
        name = f"push_{next(numbers)}"
        store: Lab
        if dialect == "mysql":
            store = MariadbStore(request.getfixturevalue("mariadb"), name, release=release)
        else:
            store = PostgresqlStore(request.getfixturevalue("cluster"), name, release=release)
        store.create()
        return store

    return make


@pytest.fixture
def new_site(new_lab: Callable[..., Lab], db: None) -> Callable[..., Site]:
    """Makes a managed store on a fresh database; `values` are those of its row."""

    def make(dialect: str = "sqlite", *, release: Release = KAMAILIO_5_6, **values: Any) -> Site:
        lab = new_lab(dialect, release)
        site = Site(make_store(**{**place_of(lab), **values}), lab)
        if not isinstance(lab, SqliteStore):
            site.store.set_secret(lab.cluster.password(lab.console_role))
            site.store.save()
        return site

    return make


def place_of(lab: Lab) -> dict[str, Any]:
    """Where a database is, as the columns of a store."""
    if isinstance(lab, SqliteStore):
        return {"dialect": "sqlite", "database": str(lab.file), "tls": False}
    dialect = "mysql" if isinstance(lab, MariadbStore) else "postgresql"
    return {"dialect": dialect, "host": HOST, "port": lab.cluster.port, "tls": False,
            "database": lab.name, "user": lab.console_role}  # fmt: skip


@pytest.fixture
def site(new_site: Callable[..., Site]) -> Site:
    """A store in an SQLite file."""
    return new_site()


@pytest.fixture(params=["sqlite", "postgresql", "mysql"])
def either_site(request: pytest.FixtureRequest, new_site: Callable[..., Site]) -> Site:
    """A store in an SQLite file, one on PostgreSQL, and one on MariaDB."""
    return new_site(request.param)


@pytest.fixture(autouse=True)
def quick(settings: Settings) -> None:
    """Back-offs that are longer than any test, and end when it says so."""
    settings.PUSH_BACKOFF = 300


@pytest.fixture
def new_kamailio(
    authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Kamailio]]:
    """Starts a real Kamailio on the database of a site; stopped after the test."""
    started: list[Kamailio] = []

    def make(site: Site, **given: Any) -> Kamailio:
        directory: Path = tmp_path_factory.mktemp("kamailio")
        kamailio = Kamailio(directory, authority, site.lab, server_id=len(started) + 1, **given)
        started.append(kamailio)
        kamailio.start()
        return kamailio

    yield make
    for kamailio in started:
        kamailio.stop()


def make_server(site: Site, kamailio: Kamailio, *, port: int | None = None) -> SipServer:
    """The console's row of a Kamailio; `port` is that of a proxy before its control address."""
    server = SipServer.objects.create(
        name=f"sip{kamailio.server_id}-{site.store.pk}",
        pool=make_pool(),
        store=site.store,
        sip_host=HOST,
        rpc_url=f"http://{HOST}:{port or kamailio.rpc_port}/RPC",
    )
    server.set_rpc_secret(kamailio.rpc_secret)
    server.save()
    return server
