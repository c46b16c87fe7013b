"""A database's errors told apart: unreachable, refused, one bad row; in words without secrets."""

from __future__ import annotations

import sqlite3

import psycopg

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


class RowRefused(Rejected):
    """The content of a row is to blame, so other rows may well be accepted; `said` is why."""

    def __init__(self, message: str, said: str) -> None:
        super().__init__(message)
        self.said = said


def translated(error: Exception, store: StoreRecord) -> ProvisioningError:
    """The Unreachable or Rejected that stands for an error of psycopg or sqlite3."""
    said = _words(error, store)
    if _IN_CLEAR in said:
        return Rejected(
            f"Store “{store.name}” asks for the password in clear text, and without TLS it was not "
            "sent. Turn TLS on for the store, or let its pg_hba.conf ask with scram-sha-256."
        )
    if _passing(error):
        return Unreachable(f"Store “{store.name}” cannot be used right now: {said}")
    message = f"Store “{store.name}” refused: {said}"
    return RowRefused(message, said) if _concerns_a_row(error) else Rejected(message)


def _concerns_a_row(error: Exception) -> bool:
    if isinstance(error, psycopg.Error):
        return (error.sqlstate or "").startswith(_OF_A_ROW)
    return _sqlite_name(error).startswith(_SQLITE_OF_A_ROW)


def _words(error: Exception, store: StoreRecord) -> str:
    """The server's first line: the lines behind it may quote a row, hence an HA1."""
    said = str(error)
    if isinstance(error, psycopg.Error) and error.diag.message_primary:
        said = error.diag.message_primary
    line = said.strip().partition("\n")[0].removeprefix("connection failed: ") or "no reason given"
    return line.replace(store.secret, "…") if store.secret else line


def _passing(error: Exception) -> bool:
    if not isinstance(error, psycopg.Error):
        return _sqlite_name(error).startswith(_SQLITE_PASSING)
    if error.sqlstate:
        return error.sqlstate.startswith(_PASSING)
    said = str(error)
    if any(word in said for word in _PASSING_WORDS):
        return True
    return isinstance(error, psycopg.OperationalError) and not any(
        word in said for word in _REFUSING_WORDS
    )


def _sqlite_name(error: Exception) -> str:
    return error.sqlite_errorname if isinstance(error, sqlite3.Error) else ""
