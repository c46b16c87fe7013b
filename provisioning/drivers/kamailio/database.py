"""Connections to Kamailio's database: time-outs that hold, transactions, errors in plain words."""

from __future__ import annotations

import math
import os
import socket
import sqlite3
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Timer
from typing import Any
from urllib.parse import quote

import psycopg
from sqlalchemy import Connection, Executable, QueuePool, create_engine, text
from sqlalchemy import exc as sa_exc

from provisioning.core.records import StoreRecord
from provisioning.drivers.kamailio.faults import translated

Parameters = dict[str, Any]

# How much longer the console waits than the server may work, so that the server's words arrive.
_GRACE_SECONDS = 1.0
# Whom libpq lets in without TLS: a server that asks for the password itself is refused.
_NEVER_IN_CLEAR = "!password"


class Transaction:
    """One transaction; every statement is answered within the store's statement time-out."""

    def __init__(self, connection: Connection, store: StoreRecord) -> None:
        self.connection = connection
        self._store = store

    def rows(self, statement: Executable, parameters: Parameters | None = None) -> list[Any]:
        """Every row of the answer, as tuples."""
        with self._answered():
            return list(self.connection.execute(statement, parameters or {}).fetchall())

    def execute(self, statement: Executable, parameters: Parameters | None = None) -> None:
        with self._answered():
            self.connection.execute(statement, parameters or {})

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """What happens within is undone when it raises; the transaction goes on."""
        with self._answered():
            savepoint = self.connection.begin_nested()
        try:
            yield
        except sa_exc.DBAPIError as error:
            if not error.connection_invalidated:
                with self._answered():
                    savepoint.rollback()
            raise
        with self._answered():
            savepoint.commit()

    def commit(self) -> None:
        with self._answered():
            self.connection.commit()

    @contextmanager
    def _answered(self) -> Iterator[None]:
        """Breaks the connection of a server that stays silent and fires no time-out itself."""
        raw = self.connection.connection.driver_connection
        if not isinstance(raw, psycopg.Connection):
            yield
            return
        # A duplicate, so that the timer can never hit a descriptor that was closed and reused.
        with socket.socket(fileno=os.dup(raw.fileno())) as line:
            timer = Timer(self._store.statement_timeout + _GRACE_SECONDS, _hang_up, (line,))
            timer.daemon = True
            timer.start()
            try:
                yield
            finally:
                timer.cancel()


class Database:
    """Kamailio's database as a StoreRecord describes it; connects at first use."""

    def __init__(self, store: StoreRecord) -> None:
        self._store = store
        self._ca_file: Path | None = None
        connect = self._connect_sqlite if store.dialect == "sqlite" else self._connect_postgresql
        self.engine = create_engine(
            "sqlite://" if store.dialect == "sqlite" else "postgresql+psycopg://",
            creator=connect,
            poolclass=QueuePool,
            pool_size=1,
            hide_parameters=True,  # they hold HA1s
        )

    @contextmanager
    def transaction(self, *, write: bool = False) -> Iterator[Transaction]:
        """Committed at the end of the block; raises Unreachable or Rejected, nothing else."""
        try:
            with self.engine.connect() as connection:
                transaction = Transaction(connection, self._store)
                for statement in self._opening(write=write):
                    transaction.execute(text(statement))
                yield transaction
                transaction.commit()
        except (sa_exc.DBAPIError, psycopg.Error, sqlite3.Error) as error:
            # Without the original, whose text may quote a whole row, in what a log prints.
            raise translated(error, self._store) from None

    def close(self) -> None:
        self.engine.dispose()
        if self._ca_file is not None:
            self._ca_file.unlink(missing_ok=True)
            self._ca_file = None

    def _opening(self, *, write: bool) -> list[str]:
        if self._store.dialect == "sqlite":
            # Kamailio never waits for a lock: only WAL lets it read while the console writes.
            return ["PRAGMA journal_mode = WAL", "BEGIN IMMEDIATE"] if write else ["BEGIN"]
        # Here and not in the start-up packet, which PgBouncer refuses to take it from.
        return [f"SET LOCAL statement_timeout = {int(self._store.statement_timeout * 1000)}"]

    def _connect_sqlite(self) -> sqlite3.Connection:
        return sqlite3.connect(
            f"file:{quote(self._store.database)}?mode=rw",
            uri=True,
            timeout=self._store.statement_timeout,
            isolation_level=None,
            check_same_thread=False,
        )

    def _connect_postgresql(self) -> psycopg.Connection[Any]:
        store = self._store
        return psycopg.connect(
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
            prepare_threshold=None,
        )

    def _authorities(self) -> str:
        if not self._store.ca_pem:
            return ssl.get_default_verify_paths().cafile or "system"
        if self._ca_file is None:
            descriptor, name = tempfile.mkstemp(prefix="rtcadmin-ca-", suffix=".pem")
            with os.fdopen(descriptor, "w") as file:
                file.write(self._store.ca_pem)
            self._ca_file = Path(name)
        return str(self._ca_file)


def _hang_up(line: socket.socket) -> None:
    # The other side, or the end of the wait, may have been quicker.
    with suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)
