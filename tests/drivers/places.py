"""Every family of SIP servers in one shape: a running server, its store, and both drivers."""

from __future__ import annotations

import os
import sqlite3
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import psycopg
import pytest

from lab.asterisk import Asterisk, AsteriskStore
from lab.authority import Authority
from lab.freeswitch import FreeSwitch, prefix
from lab.freeswitch_stand_in import StandIn
from lab.kamailio import Kamailio
from lab.opensips import ENVIRONMENT, OpenSips
from lab.ports import HOST
from lab.postgresql import Postgresql
from lab.sip import Login, SipClient
from provisioning.core.records import Dialect, ServerRecord, StoreRecord
from provisioning.drivers import registry
from provisioning.drivers.base import Driver, ServerDriver, StoreDriver
from provisioning.drivers.freeswitch.directory import PATH
from provisioning.drivers.freeswitch.store import FreeSwitchStore
from provisioning.drivers.freeswitch.tables import TABLES, schema
from tests.drivers.conftest import Backend, Connection
from tests.drivers.opensips.recorded import RecordedOpenSips
from tests.drivers.rows import DOMAIN

# An offer of one voice stream (RFC 4566), for servers that take no call without.
SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 40000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
)


@dataclass
class Place(ABC):
    """One server with its store; `digests` are what its servers are set up to verify."""

    name: str
    driver: Driver
    store_record: StoreRecord
    server_record: ServerRecord
    sip_port: int
    refusal: int = field(default=401, init=False)
    """What somebody with a wrong password is answered."""

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

    def reach(self, client: SipClient, login: Login, number: str) -> str:
        """Asks for whoever has the number; the first line of what then arrives at the client."""
        client.message(login, f"sip:{number}@{login.domain}", "hello")
        return client.wait_for_request()

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


class FreeSwitchPlace(Place):
    """A FreeSWITCH, or what stands in for it, that asks a store of the console's own."""

    refusal = 403
    connect: Callable[[], Connection]
    tables = tuple(table.name for table in TABLES)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with closing(self.connect()) as connection:
            return [tuple(row) for row in connection.execute(query).fetchall()]

    def execute(self, statement: str) -> None:
        with closing(self.connect()) as connection:
            connection.execute(statement)

    def add_foreign(self, user: str) -> None:
        self.execute(
            "INSERT INTO freeswitch_users (username, domain, a1_hash) "  # noqa: S608
            f"VALUES ('{user}', '{DOMAIN}', '{'c' * 32}')"
        )

    def reach(self, client: SipClient, login: Login, number: str) -> str:
        # Messages to numbers take a dialplan for messages.
        uri = f"sip:{number}@{login.domain}"
        headers = {"Contact": f"<{login.aor}>", "Content-Type": "application/sdp"}
        client.timeout = 2.0
        with suppress(TimeoutError):
            client.request("INVITE", uri, uri, login, headers, SDP)
        return client.wait_for_request()


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


def own_database(
    dialect: Dialect, request: pytest.FixtureRequest, directory: Path
) -> tuple[StoreRecord, Callable[[], Connection]]:
    """A database with nothing in it, and a way into it with every right."""
    record = StoreRecord(
        name="Test store", driver="freeswitch", dialect=dialect, host="", port=0,
        database=str(directory / "store.db"), user="", secret="", tls=False, ca_pem="",
        connect_timeout=2.0, statement_timeout=5.0, served=True,
    )  # fmt: skip
    if dialect == "sqlite":
        return record, lambda: sqlite3.connect(record.database, isolation_level=None)
    cluster: Postgresql = request.getfixturevalue("cluster")
    name, role = directory.name, "freeswitch_console"
    cluster.create_role(role)
    cluster.create_database(name)
    cluster.sql(
        f"ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO {role};"
        f"ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO {role};",
        database=name,
    )
    of_cluster = replace(
        record, host=HOST, port=cluster.port, database=name, user=role,
        secret=cluster.password(role),
    )  # fmt: skip
    return of_cluster, lambda: psycopg.connect(cluster.url(name), autocommit=True)


@contextmanager
def freeswitch_place(
    record: StoreRecord, connect: Callable[[], Connection], directory: Path, algorithms: str
) -> Iterator[FreeSwitchPlace]:
    """A FreeSWITCH where this machine has one, or what stands in for it."""
    with closing(connect()) as connection:
        for statement in schema(record.dialect).split(";"):
            connection.execute(statement)
    family = FreeSwitch if prefix() else StandIn
    with answering(record) as ask, family(directory, ask, algorithms=algorithms) as server:
        controlled = ServerRecord(
            "Test server", "freeswitch", server.control_url, server.control_secret, "",
            total_timeout=5.0,
        )  # fmt: skip
        place = FreeSwitchPlace(
            "freeswitch", registry.DRIVERS["freeswitch"], record, controlled, server.sip_port
        )
        place.connect = connect
        yield place


@contextmanager
def answering(record: StoreRecord) -> Iterator[str]:
    """Where the rows of a store are asked for, as the console answers; only the rows matter."""

    class Question(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = self.rfile.read(int(self.headers["Content-Length"])).decode()
            asked = dict(parse_qsl(form, keep_blank_values=True))
            with closing(FreeSwitchStore(record)) as store:
                answer = store.answer(self.path.removeprefix("/"), asked)
            body = answer.body.encode() if answer else b""
            self.send_response(200 if answer else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *values: object) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer((HOST, 0), Question) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://{HOST}:{server.server_port}/{PATH}"
        server.shutdown()


NewBackend = Callable[[str], Backend]


def _fields(record: StoreRecord | ServerRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__dataclass_fields__}
