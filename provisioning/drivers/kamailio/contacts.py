"""Live contacts: rows of table `location`, answers of ul.lookup, as registrations."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from provisioning.core.records import Registration

_TRANSPORT = re.compile(r";transport=(\w+)", re.IGNORECASE)
_TRANSPORTS = frozenset({"udp", "tcp", "tls", "sctp", "ws", "wss"})
_WEBSOCKETS = frozenset({"ws", "wss"})

# db_sqlite keeps Julian days in UTC; usrloc with expires_type=1 keeps Unix seconds.
_UNIX_EPOCH_AS_JULIAN_DAY = 2440587.5
_LARGEST_JULIAN_DAY = 5_373_484.5
_SECONDS_PER_DAY = 86_400

# What Kamailio writes for a header that was not there.
_NOT_KNOWN = frozenset({"n/a", "[not set]"})

# What ul.lookup says of contacts that are not live.
_ENDED = frozenset({"deleted", "expired"})


def registration_from_row(
    utc_offset: int,
    ruid: str,
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
        user_agent=_known(user_agent),
        transport=transport_of(contact, received or "", socket or ""),
        expires_at=unix_seconds(expires, utc_offset),
        since=unix_seconds(modified, utc_offset),
        received=received or "",
        key=ruid,
        socket=socket or "",
    )


def registrations_from_lookup(answer: object, now: float) -> list[Registration]:
    """The live contacts in the answer to ul.lookup, which counts seconds from `now`."""
    if not isinstance(answer, Mapping):
        return []
    aor = str(answer.get("AoR", ""))
    contacts = (each.get("Contact", {}) for each in answer.get("Contacts", ()))
    return [
        Registration(
            aor=aor,
            contact=_text(contact, "Address"),
            user_agent=_text(contact, "User-Agent"),
            transport=transport_of(
                _text(contact, "Address"), _text(contact, "Received"), _text(contact, "Socket")
            ),
            expires_at=_expiry(contact.get("Expires"), now),
            since=int(contact.get("Last-Modified", 0)),
            received=_text(contact, "Received"),
            key=_text(contact, "Ruid"),
            socket=_text(contact, "Socket"),
        )
        for contact in contacts
        if contact.get("Expires") not in _ENDED
    ]


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


def _text(contact: Mapping[str, Any], name: str) -> str:
    return _known(str(contact.get(name, "")))


def _known(value: str) -> str:
    return "" if value in _NOT_KNOWN else value


def _expiry(expires: object, now: float) -> int:
    return int(now + expires) if isinstance(expires, int | float) else 0
