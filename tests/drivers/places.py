"""Every family of SIP servers in one shape: a running server, its store, and both drivers."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from lab.asterisk import Asterisk, AsteriskStore
from lab.authority import Authority
from lab.kamailio import Kamailio
from lab.opensips import ENVIRONMENT, OpenSips
from lab.ports import HOST
from lab.postgresql import Postgresql
from provisioning.core.records import ServerRecord, StoreRecord
from provisioning.drivers import registry
from provisioning.drivers.base import Driver, ServerDriver, StoreDriver
from tests.drivers.conftest import Backend
from tests.drivers.opensips.recorded import RecordedOpenSips
from tests.drivers.rows import DOMAIN


@dataclass
class Place(ABC):
    """One server with its store; `digests` are what its servers are set up to verify."""

    name: str
    driver: Driver
    store_record: StoreRecord
    server_record: ServerRecord
    sip_port: int

    @abstractmethod
    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What somebody with every right reads."""

    @abstractmethod
    def execute(self, statement: str) -> None:
        """What somebody with every right does."""

    @property
    @abstractmethod
    def tables(self) -> tuple[str, ...]:
        """The tables that accounts and numbers are in."""

    @abstractmethod
    def add_foreign(self, user: str) -> None:
        """An account that somebody else made, with a digest of its own."""

    def content(self) -> dict[str, list[str]]:
        """Everything that stands in those tables, as text."""
        return {
            table: sorted(map(repr, self.rows(f"SELECT * FROM {table}")))  # noqa: S608
            for table in self.tables
        }

    @contextmanager
    def open_store(self, **changed: Any) -> Iterator[StoreDriver]:
        from_record = StoreRecord(**{**_fields(self.store_record), **changed})
        with closing(self.driver.store(from_record)) as store:
            yield store

    @contextmanager
    def open_server(self, **changed: Any) -> Iterator[ServerDriver]:
        from_record = ServerRecord(**{**_fields(self.server_record), **changed})
        with closing(self.driver.server(from_record)) as server:
            yield server


class KamailioPlace(Place):
    """A Kamailio on one of its databases."""

    backend: Backend
    tables = ("subscriber", "dbaliases")

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.backend.rows(query)

    def execute(self, statement: str) -> None:
        self.backend.execute(statement)

    def add_foreign(self, user: str) -> None:
        row = {"username": user, "domain": DOMAIN, "ha1": "c" * 32, "password": "theirs"}
        self.backend.insert("subscriber", row)


class OpenSipsPlace(KamailioPlace):
    """An OpenSIPS, or what answers as one did, on one of its databases."""


class AsteriskPlace(Place):
    """An Asterisk on PostgreSQL."""

    lab: AsteriskStore
    tables = ("ps_endpoints", "ps_auths", "ps_aors", "extensions")

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.lab.cluster.url(self.lab.name)) as connection:
            return [tuple(row) for row in connection.execute(query.encode()).fetchall()]

    def execute(self, statement: str) -> None:
        self.lab.execute(statement)

    def add_foreign(self, user: str) -> None:
        key = f"{user}@{DOMAIN}"
        self.execute(
            f"INSERT INTO ps_endpoints (id, auth, aors) VALUES ('{key}', '{key}', '{key}');"  # noqa: S608
            f"INSERT INTO ps_auths (id, username, realm, password_digest) "
            f"VALUES ('{key}', '{user}', '{DOMAIN}', 'MD5:{'c' * 32}');"
            f"INSERT INTO ps_aors (id) VALUES ('{key}')"
        )


@contextmanager
def kamailio_place(
    backend: Backend, directory: Path, authority: Authority
) -> Iterator[KamailioPlace]:
    """A running Kamailio 5.6."""
    with Kamailio(directory, authority, backend.lab) as server:
        record = ServerRecord(
            "Test server", "kamailio", server.rpc_url, server.rpc_secret, "", total_timeout=5.0
        )
        place = KamailioPlace(
            f"kamailio on {backend.record.dialect}", registry.DRIVERS["kamailio"], backend.record,
            record, server.sip_port,
        )  # fmt: skip
        place.backend = backend
        yield place


def either_opensips(
    backend: Backend, directory: Path, algorithms: str
) -> OpenSips | RecordedOpenSips:
    """The real one where the environment names it, or what answers as one did."""
    if os.environ.get(ENVIRONMENT):
        return OpenSips(directory, backend.lab, algorithms=algorithms)
    return RecordedOpenSips(backend, algorithms)


@contextmanager
def opensips_place(backend: Backend, server: OpenSips | RecordedOpenSips) -> Iterator[Place]:
    """A running OpenSIPS that offers MD5 and SHA-256, or what answers as one did."""
    with server:
        record = ServerRecord(
            "Test server", "opensips", server.rpc_url, server.rpc_secret, "", total_timeout=5.0
        )
        place = OpenSipsPlace(
            "opensips", registry.DRIVERS["opensips"], backend.record, record, server.sip_port
        )
        place.backend = backend
        yield place


@contextmanager
def asterisk_place(
    cluster: Postgresql, directory: Path, authority: Authority, name: str = "asterisk"
) -> Iterator[AsteriskPlace]:
    """A running Asterisk 22."""
    lab = AsteriskStore(cluster, name)
    with Asterisk(directory, authority, lab, domains=(DOMAIN,)) as server:
        record = ServerRecord(
            "Test server", "asterisk", server.control_url, server.control_secret, "",
            total_timeout=5.0,
        )  # fmt: skip
        place = AsteriskPlace(
            "asterisk", registry.DRIVERS["asterisk"], asterisk_record(lab), record, server.sip_port
        )
        place.lab = lab
        yield place


def asterisk_record(lab: AsteriskStore) -> StoreRecord:
    """An Asterisk database as the console sees it."""
    return StoreRecord(
        name="Test store",
        driver="asterisk",
        dialect="postgresql",
        host=HOST,
        port=lab.cluster.port,
        database=lab.name,
        user=lab.console_role,
        secret=lab.cluster.password(lab.console_role),
        tls=False,
        ca_pem="",
        connect_timeout=2.0,
        statement_timeout=5.0,
    )


NewBackend = Callable[[str], Backend]


def _fields(record: StoreRecord | ServerRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__dataclass_fields__}
