"""Live contacts as rows of a table `location`, which Kamailio and OpenSIPS have alike."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select, text

from provisioning.core.records import Registration

_TRANSPORT = re.compile(r";transport=(\w+)", re.IGNORECASE)
_TRANSPORTS = frozenset({"udp", "tcp", "tls", "sctp", "ws", "wss"})
_WEBSOCKETS = frozenset({"ws", "wss"})

# db_sqlite keeps Julian days in UTC; usrloc with expires_type=1 keeps Unix seconds.
_UNIX_EPOCH_AS_JULIAN_DAY = 2440587.5
_LARGEST_JULIAN_DAY = 5_373_484.5
_SECONDS_PER_DAY = 86_400

_SECONDS: ColumnElement[str] = func.strftime("%s", "now")
_LOCAL_SECONDS: ColumnElement[str] = func.strftime("%s", "now", "localtime")
# Seconds that the servers' local time is ahead of UTC, as far as the database knows.
UTC_OFFSETS: Mapping[str, Select[Any]] = MappingProxyType(
    {
        "mysql": select(func.timestampdiff(text("SECOND"), func.utc_timestamp(), func.now())),
        "postgresql": select(func.date_part("timezone", func.now())),
        "sqlite": select(_LOCAL_SECONDS - _SECONDS),
    }
)

# What the servers write for a header that was not there.
_NOT_KNOWN = frozenset({"n/a", "[not set]"})


def live(rows: Iterable[tuple[Any, ...]], utc_offset: int) -> Iterator[Registration]:
    """The registrations in those rows of `location` that have not expired."""
    now = time.time()
    for values in rows:
        registration = registration_from_row(utc_offset, *values)
        if registration.expires_at == 0 or registration.expires_at > now:
            yield registration


def registration_from_row(
    utc_offset: int,
    key: str | int,
    user: str,
    domain: str | None,
    contact: str,
    received: str | None,
    user_agent: str,
    socket: str | None,
    expires: object,
    modified: object,
) -> Registration:
    """The registration in a row of `location`; `utc_offset` in seconds is that of its timestamps.

    Where usrloc runs with use_domain=0 a row has no domain, and its address is the bare user.
    """
    return Registration(
        aor=f"{user}@{domain}" if domain else user,
        contact=contact,
        user_agent=known(user_agent),
        transport=transport_of(contact, received or "", socket or ""),
        expires_at=unix_seconds(expires, utc_offset),
        since=unix_seconds(modified, utc_offset),
        received=received or "",
        key=str(key),
        socket=socket or "",
    )


def transport_of(contact: str, received: str, socket: str) -> str:
    """How the contact is reached: the server's own socket knows, save for WebSocket."""
    declared = _TRANSPORT.search(contact) or _TRANSPORT.search(received)
    name = declared[1].lower() if declared else ""
    over = socket.partition(":")[0].lower()
    if name not in _WEBSOCKETS and over in _TRANSPORTS:
        return over
    return name or ("tls" if contact.startswith("sips:") else "udp")


def unix_seconds(value: object, utc_offset: int) -> int:
    """Unix seconds of what the column holds; 0 for no time, and for a contact that never ends."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        return max(0, int((value - datetime(1970, 1, 1)).total_seconds()) - utc_offset)  # noqa: DTZ001
    if not isinstance(value, int | float):
        return 0
    if value < _LARGEST_JULIAN_DAY:
        value = (value - _UNIX_EPOCH_AS_JULIAN_DAY) * _SECONDS_PER_DAY
    return max(0, round(value))


def known(value: str) -> str:
    """A header's value; empty where there was none."""
    return "" if value in _NOT_KNOWN else value
