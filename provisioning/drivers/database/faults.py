"""A database's errors told apart: unreachable, refused, one bad row; in words without secrets."""

from __future__ import annotations

import re
import sqlite3
import ssl

import psycopg
import pymysql
from pymysql.constants import CR, ER

from provisioning.core.errors import ProvisioningError, Rejected, Unreachable
from provisioning.core.records import StoreRecord
from provisioning.drivers.database.mysql import ASKS_IN_CLEAR

# Classes of SQLSTATE (PostgreSQL, appendix A) that a later attempt may find gone: connection,
# rolled back for another's sake, out of resources, cancelled or shutting down, system.
_PASSING = ("08", "40", "53", "57", "58", "55P03")
# Those that one row's content causes: data, integrity, a check option, an exception by a trigger.
_OF_A_ROW = ("22", "23", "44", "P0001")
# What one table lacks: itself, a column, a right.
_OF_A_TABLE = ("42P01", "42703", "42501")
_SQLITE_OF_A_TABLE = ("no such table", "no such column", "has no column")
_SQLITE_PASSING = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_IOERR", "SQLITE_FULL", "SQLITE_PROTOCOL")
# In WAL mode a full disk is an I/O error: its index has to grow.
_SQLITE_NO_ROOM = ("SQLITE_FULL", "SQLITE_IOERR")
_SQLITE_OF_A_ROW = ("SQLITE_CONSTRAINT", "SQLITE_MISMATCH", "SQLITE_TOOBIG")

_STATEMENT_TIME = 1969  # MariaDB's max_statement_time
_MYSQL_PASSING = frozenset(
    {
        CR.CR_CONN_HOST_ERROR, CR.CR_SERVER_GONE_ERROR, CR.CR_SERVER_LOST, ER.CON_COUNT_ERROR,
        ER.DISK_FULL, ER.LOCK_DEADLOCK, ER.LOCK_WAIT_TIMEOUT, ER.QUERY_INTERRUPTED,
        ER.RECORD_FILE_FULL, ER.SERVER_SHUTDOWN, ER.TOO_MANY_USER_CONNECTIONS,
        ER.USER_LIMIT_REACHED, _STATEMENT_TIME,
    }
)  # fmt: skip
# Beside DB-API's errors of data and integrity: a trigger's SIGNAL, a check of MariaDB, of MySQL;
# and that it was too much at once, which fewer rows are not.
_MYSQL_OF_A_ROW = frozenset({1644, 4025, 3819, ER.NET_PACKET_TOO_LARGE})
_MYSQL_OF_A_TABLE = frozenset({ER.NO_SUCH_TABLE, ER.BAD_FIELD_ERROR, ER.TABLEACCESS_DENIED_ERROR})
_ANOTHER_WRITING = (
    " (a row of somebody else stands there; the column's collation takes another writing for the "
    "same)"
)
# A value that the column's character set has not may be a password.
_QUOTED_VALUE = re.compile(r"value: '.*?' (?=for column)")

# What PostgreSQL says at connect carries no SQLSTATE, only words.
_PASSING_WORDS = (
    "starting up",
    "shutting down",
    "recovery mode",
    "too many",
    "connection slots",
)
# libpq's own, of a server that asks for the password as it is.
_IN_CLEAR = 'requirement "!password" failed'
_REFUSING_WORDS = (
    _IN_CLEAR,
    "FATAL",
    "certificate",
    "does not support SSL",
    "SSL error",
    "sslrootcert",
)


class RowRefused(Rejected):
    """The content of a row is to blame, so other rows may well be accepted; `said` is why."""

    def __init__(self, message: str, said: str) -> None:
        super().__init__(message)
        self.said = said


class TableRefused(Rejected):
    """A table is missing, or lacks a column or a right, so other tables may well be usable."""


def translated(error: Exception, store: StoreRecord) -> ProvisioningError:
    """The Unreachable or Rejected that stands for an error of a database's library."""
    said = _words(error, store)
    if _IN_CLEAR in said or ASKS_IN_CLEAR in said:
        return Rejected(
            f"Store “{store.name}” asks for the password in clear text, and without TLS it was not "
            "sent. Turn TLS on for the store, or let the database ask in a way that keeps it: "
            "scram-sha-256 in pg_hba.conf, mysql_native_password on MySQL and MariaDB."
        )
    if _passing(error):
        return Unreachable(f"Store “{store.name}” cannot be used right now: {said}")
    message = f"Store “{store.name}” refused: {said}"
    if _concerns_a_row(error):
        return RowRefused(message, said)
    return TableRefused(message) if _concerns_a_table(error) else Rejected(message)


def _concerns_a_row(error: Exception) -> bool:
    match error:
        case psycopg.Error():
            return (error.sqlstate or "").startswith(_OF_A_ROW)
        case pymysql.DataError() | pymysql.IntegrityError():
            return True
        case pymysql.Error():
            return _mysql_number(error) in _MYSQL_OF_A_ROW
        case _:
            return _sqlite_name(error).startswith(_SQLITE_OF_A_ROW)


def _concerns_a_table(error: Exception) -> bool:
    match error:
        case psycopg.Error():
            return (error.sqlstate or "").startswith(_OF_A_TABLE)
        case pymysql.Error():
            return _mysql_number(error) in _MYSQL_OF_A_TABLE
        case _:
            return any(words in str(error) for words in _SQLITE_OF_A_TABLE)


def _words(error: Exception, store: StoreRecord) -> str:
    """The server's first line: the lines behind it may quote a row, hence an HA1."""
    said = str(error)
    match error:
        case psycopg.Error() if error.diag.message_primary:
            said = error.diag.message_primary
        case pymysql.Error(args=[_, words]):
            said = _QUOTED_VALUE.sub("value ", str(words))
            if _mysql_number(error) == ER.DUP_ENTRY:
                said += _ANOTHER_WRITING
        case OSError(strerror=words) if words:
            said = words
        case sqlite3.Error() if _sqlite_name(error).startswith(_SQLITE_NO_ROOM):
            said = f"{error} (perhaps its disk is full)"
    line = said.strip().partition("\n")[0].removeprefix("connection failed: ") or "no reason given"
    return line.replace(store.secret, "…") if store.secret else line


def _passing(error: Exception) -> bool:
    match error:
        case psycopg.Error(sqlstate=None):
            return _passing_at_connect(error)
        case psycopg.Error():
            return (error.sqlstate or "").startswith(_PASSING)
        case pymysql.InterfaceError():
            return True
        case pymysql.Error():
            broken = getattr(error, "original_exception", None)
            return _mysql_number(error) in _MYSQL_PASSING and not isinstance(broken, ssl.SSLError)
        case OSError():
            return not isinstance(error, ssl.SSLError)
        case _:
            return _sqlite_name(error).startswith(_SQLITE_PASSING)


def _passing_at_connect(error: psycopg.Error) -> bool:
    said = str(error)
    if any(word in said for word in _PASSING_WORDS):
        return True
    return isinstance(error, psycopg.OperationalError) and not any(
        word in said for word in _REFUSING_WORDS
    )


def _mysql_number(error: pymysql.Error) -> int:
    return error.args[0] if error.args and isinstance(error.args[0], int) else 0


def _sqlite_name(error: Exception) -> str:
    return error.sqlite_errorname if isinstance(error, sqlite3.Error) else ""
