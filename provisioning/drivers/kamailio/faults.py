"""A database's errors told apart: unreachable, refused, one bad row; in words without secrets."""

from __future__ import annotations

import sqlite3

import psycopg
from sqlalchemy import exc as sa_exc

from provisioning.core.errors import ProvisioningError, Rejected, Unreachable
from provisioning.core.records import StoreRecord

# Classes of SQLSTATE (PostgreSQL, appendix A) that a later attempt may find gone: connection,
# rolled back for another's sake, out of resources, cancelled or shutting down, system.
_PASSING = ("08", "40", "53", "57", "58", "55P03")
# Those that one row's content causes: data, integrity, a check option, an exception by a trigger.
_OF_A_ROW = ("22", "23", "44", "P0001")
_SQLITE_PASSING = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_IOERR", "SQLITE_FULL", "SQLITE_PROTOCOL")
_SQLITE_OF_A_ROW = ("SQLITE_CONSTRAINT", "SQLITE_MISMATCH", "SQLITE_TOOBIG")

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


def translated(error: Exception, store: StoreRecord) -> ProvisioningError:
    """The Unreachable or Rejected that stands for a driver's or SQLAlchemy's error."""
    said = words(error, store)
    if _IN_CLEAR in said:
        return Rejected(
            f"Store “{store.name}” asks for the password in clear text, and without TLS it was not "
            "sent. Turn TLS on for the store, or let its pg_hba.conf ask with scram-sha-256."
        )
    if _passing(_origin(error)):
        return Unreachable(f"Store “{store.name}” cannot be used right now: {said}")
    return Rejected(f"Store “{store.name}” refused: {said}")


def concerns_a_row(error: sa_exc.DBAPIError) -> bool:
    """Whether the content of a row is to blame, so that other rows may well be accepted."""
    origin = _origin(error)
    if isinstance(origin, psycopg.Error):
        return (origin.sqlstate or "").startswith(_OF_A_ROW)
    return _sqlite_name(origin).startswith(_SQLITE_OF_A_ROW)


def words(error: Exception, store: StoreRecord) -> str:
    """The server's first line: the lines behind it may quote a row, hence an HA1."""
    origin = _origin(error)
    said = str(origin)
    if isinstance(origin, psycopg.Error) and origin.diag.message_primary:
        said = origin.diag.message_primary
    line = said.strip().partition("\n")[0].removeprefix("connection failed: ") or "no reason given"
    return line.replace(store.secret, "…") if store.secret else line


def _origin(error: Exception) -> Exception:
    if isinstance(error, sa_exc.DBAPIError) and isinstance(error.orig, Exception):
        return error.orig
    return error


def _passing(origin: Exception) -> bool:
    if not isinstance(origin, psycopg.Error):
        return _sqlite_name(origin).startswith(_SQLITE_PASSING)
    if origin.sqlstate:
        return origin.sqlstate.startswith(_PASSING)
    said = str(origin)
    if any(word in said for word in _PASSING_WORDS):
        return True
    return isinstance(origin, psycopg.OperationalError) and not any(
        word in said for word in _REFUSING_WORDS
    )


def _sqlite_name(origin: Exception) -> str:
    return origin.sqlite_errorname if isinstance(origin, sqlite3.Error) else ""
