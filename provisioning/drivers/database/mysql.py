"""Connections to MySQL and MariaDB: punctual, verified, and never with a password in clear."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from typing import Any, NoReturn

from pymysql.connections import Connection
from pymysql.constants import CR
from pymysql.cursors import Cursor
from pymysql.err import OperationalError

from provisioning.core.records import StoreRecord

# How much longer the console waits than the server may work, so that the server's words arrive.
_GRACE_SECONDS = 1.0
# Nothing is cut off or replaced without an error, and nobody's own mode changes what is meant.
_SQL_MODE = "STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION"
# As little as possible is locked between the keys. MariaDB alone ends statements that write.
_ISOLATION = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"
_TIMEOUTS = "SET innodb_lock_wait_timeout = {whole} /*M!100100 , max_statement_time = {seconds} */"
# Ways of signing in that hand the password to whoever is, or claims to be, the server.
_NEVER_IN_CLEAR = ("caching_sha2_password", "dialog", "mysql_clear_password", "sha256_password")
ASKS_IN_CLEAR = "asks for the password itself"


class _NotInClear:
    """Stands for a way of signing in that is not taken without TLS."""

    def __init__(self, connection: object) -> None:
        pass

    def authenticate(self, packet: object) -> NoReturn:
        raise OperationalError(CR.CR_AUTH_PLUGIN_ERR, ASKS_IN_CLEAR)


class MysqlConnection(Connection):
    """One connection, used as those of the other databases are."""

    def execute(self, statement: str, values: Mapping[str, Any] | None = None) -> Cursor:
        """Runs a statement and returns its answer, which is wholly here."""
        cursor = self.cursor()
        cursor.execute(statement, values)
        return cursor

    def be_patient(self, seconds: float) -> None:
        """Waits so long for an answer from now on; signing in has less time."""
        self._read_timeout = seconds


def connect(store: StoreRecord) -> MysqlConnection:
    """Signs in within the store's connect time-out; raises an error of pymysql or OSError."""
    patience = store.statement_timeout + _GRACE_SECONDS
    connection = MysqlConnection(
        host=store.host,
        port=store.port,
        user=store.user,
        password=store.secret.encode(),
        database=store.database,
        charset="utf8mb4",
        sql_mode=_SQL_MODE,
        init_command=_ISOLATION,
        autocommit=True,  # transactions are opened and closed by statements of their own
        ssl=ssl.create_default_context(cadata=store.ca_pem or None) if store.tls else None,
        ssl_disabled=not store.tls,
        auth_plugin_map={} if store.tls else dict.fromkeys(_NEVER_IN_CLEAR, _NotInClear),
        read_timeout=store.connect_timeout,
        write_timeout=patience,
        program_name="rtcadmin",
        defer_connect=True,
    )
    connection.connect(_reached(store))
    connection.be_patient(patience)
    seconds = store.statement_timeout
    connection.execute(_TIMEOUTS.format(whole=max(1, round(seconds)), seconds=seconds))
    return connection


def _reached(store: StoreRecord) -> socket.socket:
    """A connection to the first of the addresses that answers."""
    *others, last = store.addresses or (store.host,)
    for address in others:
        try:
            return socket.create_connection((address, store.port), store.connect_timeout)
        except OSError:
            continue
    return socket.create_connection((last, store.port), store.connect_timeout)
