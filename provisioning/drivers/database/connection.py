"""Connections to a SIP server's database: time-outs that hold, transactions, plain errors."""

from __future__ import annotations

import hashlib
import math
import os
import sqlite3
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import psycopg
import pymysql
from psycopg.abc import PQGen
from pymysql.cursors import Cursor as MysqlCursor
from sqlalchemy import ClauseElement, make_url
from sqlalchemy.dialects import mysql, sqlite

from provisioning.core.records import StoreRecord
from provisioning.drivers.database.faults import translated
from provisioning.drivers.database.mysql import MysqlConnection
from provisioning.drivers.database.mysql import connect as connect_mysql

Parameters = dict[str, Any]
Answer = TypeVar("Answer")

# How much longer the console waits than the server may work, so that the server's words arrive.
_GRACE_SECONDS = 1.0
# Whom libpq lets in without TLS: a server that asks for the password itself is refused.
_NEVER_IN_CLEAR = "!password"
_DIALECTS = {
    "mysql": mysql.dialect(paramstyle="pyformat"),
    "sqlite": sqlite.dialect(paramstyle="named"),
    "postgresql": make_url("postgresql+psycopg://").get_dialect()(),
}
# Keys are looked up in an index, page after page: hashing the whole table for each would grow with
# the square of the accounts, and to the planner it looks as cheap while the table is in memory.
_OPENING = b"BEGIN; SET LOCAL statement_timeout = %d; SET LOCAL random_page_cost = 1"
_ERRORS = (psycopg.Error, pymysql.Error, sqlite3.Error, OSError)


@dataclass(frozen=True, slots=True)
class Rendered:
    """A statement in the words of one dialect, with the parameters that are always the same."""

    text: str
    parameters: Parameters


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def render(statement: ClauseElement, dialect: str) -> Rendered:
    """What `statement` is in one dialect of _DIALECTS; worth keeping where it is used again."""
    compiled = statement.compile(
        dialect=_DIALECTS[dialect], compile_kwargs={"render_postcompile": True}
    )
    return Rendered(str(compiled), dict(compiled.params or {}))


class Transaction:
    """One transaction; every statement is answered within the store's statement time-out."""

    def __init__(self, connection: Connection, dialect: str) -> None:
        self._connection = connection
        self._dialect = dialect

    def rows(
        self, statement: ClauseElement | Rendered, parameters: Parameters | None = None
    ) -> list[tuple[Any, ...]]:
        """Every row of the answer."""
        return list(self._run(statement, parameters).fetchall())

    def execute(
        self, statement: ClauseElement | Rendered, parameters: Parameters | None = None
    ) -> None:
        self._run(statement, parameters)

    def columns(self, statement: ClauseElement) -> list[str]:
        """The names of the columns of the answer."""
        return [column[0] for column in self._run(statement, None).description or ()]

    def _run(self, statement: ClauseElement | Rendered, parameters: Parameters | None) -> Cursor:
        if not isinstance(statement, Rendered):
            statement = render(statement, self._dialect)
        values = {**statement.parameters, **(parameters or {})}
        if isinstance(self._connection, PunctualConnection):
            return self._connection.execute(statement.text.encode(), values)
        return self._connection.execute(statement.text, values)


class PunctualConnection(psycopg.Connection[Any]):
    """Gives up on a server that stays silent and fires no time-out itself."""

    patience = math.inf

    def wait(
        self, gen: PQGen[Answer], interval: float = 0.1, timeout: float | None = None
    ) -> Answer:
        return super().wait(gen, interval, self.patience if timeout is None else timeout)


Connection = sqlite3.Connection | PunctualConnection | MysqlConnection
Cursor = sqlite3.Cursor | psycopg.Cursor[Any] | MysqlCursor


class Database:
    """A SIP server's database as a StoreRecord describes it; connects at first use.

    One connection, which is kept; after an error that it does not survive the next use gets a new
    one.
    """

    def __init__(self, store: StoreRecord) -> None:
        self._store = store
        self._ca_file: Path | None = None
        self._connection: Connection | None = None

    @contextmanager
    def transaction(self, *, write: bool = False) -> Iterator[Transaction]:
        """Committed at the end of the block; raises Unreachable or Rejected, nothing else."""
        try:
            connection = self._connected()
            for statement in self._opening(write=write):
                connection.execute(statement)
            yield Transaction(connection, self._store.dialect)
            connection.execute("COMMIT")
        except _ERRORS as error:
            self._undo()
            # Without the original, whose text may quote a whole row, in what a log prints.
            raise translated(error, self._store) from None
        except BaseException:
            self._undo()
            raise

    def close(self) -> None:
        self._disconnect()
        if self._ca_file is not None:
            self._ca_file.unlink(missing_ok=True)
            self._ca_file = None

    def _connected(self) -> Connection:
        if self._connection is None:
            match self._store.dialect:
                case "mysql":
                    self._connection = connect_mysql(self._store)
                case "postgresql":
                    self._connection = self._connect_postgresql()
                case "sqlite":
                    self._connection = self._connect_sqlite()
        return self._connection

    def _undo(self) -> None:
        try:
            if self._connection is not None:
                self._connection.execute("ROLLBACK")
        except _ERRORS:
            # Nothing was begun, or nobody listens: a new connection is right for both.
            self._disconnect()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _opening(self, *, write: bool) -> list[Any]:
        if self._store.dialect == "sqlite":
            # Servers do not wait for a lock: only WAL lets them read while the console writes.
            return ["PRAGMA journal_mode = WAL", "BEGIN IMMEDIATE"] if write else ["BEGIN"]
        if self._store.dialect == "mysql":
            return ["START TRANSACTION"]
        # Here and not in the start-up packet, which PgBouncer refuses to take it from.
        milliseconds = int(self._store.statement_timeout * 1000)
        return [_OPENING % milliseconds]

    def _connect_sqlite(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"file:{quote(self._store.database)}?mode=rw",
            uri=True,
            timeout=self._store.statement_timeout,
            isolation_level=None,
            check_same_thread=False,
        )
        connection.create_function("sha256", 1, _sha256, deterministic=True)
        return connection

    def _connect_postgresql(self) -> PunctualConnection:
        store = self._store
        connection = PunctualConnection.connect(
            # libpq takes as many names as addresses: the names are for the certificate.
            host=",".join([store.host] * max(len(store.addresses), 1)),
            hostaddr=",".join(store.addresses) or None,
            port=store.port,
            dbname=store.database,
            user=store.user,
            password=store.secret,
            connect_timeout=math.ceil(store.connect_timeout),
            sslmode="verify-full" if store.tls else "disable",
            sslrootcert=self._authorities() if store.tls else None,
            gssencmode="disable",
            require_auth=None if store.tls else _NEVER_IN_CLEAR,
            application_name="rtcadmin",
            autocommit=True,  # transactions are opened above, in one round trip with their time-out
            prepare_threshold=None,
        )
        connection.patience = store.statement_timeout + _GRACE_SECONDS
        return connection

    def _authorities(self) -> str:
        if not self._store.ca_pem:
            return ssl.get_default_verify_paths().cafile or "system"
        if self._ca_file is None:
            descriptor, name = tempfile.mkstemp(prefix="rtcadmin-ca-", suffix=".pem")
            with os.fdopen(descriptor, "w") as file:
                file.write(self._store.ca_pem)
            self._ca_file = Path(name)
        return str(self._ca_file)
