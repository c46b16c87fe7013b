"""Live contacts: rows of ps_contacts, and what the server says of them, as registrations."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from provisioning.core.records import Registration

_TRANSPORT = re.compile(r";transport=(\w+)", re.IGNORECASE)


def registration_from_row(values: Sequence[Any]) -> Registration:
    """The registration in address-of-record, id, uri, user agent and end of a contact's row."""
    aor, key, uri, user_agent, expires_at = values
    return _registration(aor, _plain(key), _plain(uri or ""), user_agent or "", expires_at or 0)


def registration_from_event(aor: str, event: Mapping[str, str]) -> Registration:
    """The registration in a ContactStatusDetail of the manager interface."""
    expires = event.get("RegExpire", "")
    return _registration(
        aor, event.get("ID", ""), event.get("URI", ""), event.get("UserAgent", ""),
        int(expires) if expires.isdecimal() else 0,
    )  # fmt: skip


def _registration(
    aor: str, key: str, contact: str, user_agent: str, expires_at: int
) -> Registration:
    declared = _TRANSPORT.search(contact)
    transport = "tls" if contact.startswith("sips:") else "udp"
    return Registration(
        aor=aor,
        contact=contact,
        user_agent=user_agent,
        transport=declared[1].lower() if declared else transport,
        expires_at=expires_at,
        since=0,
        key=key,
    )


def _plain(stored: str) -> str:
    """Realtime keeps `;` as ^3B and `^` as ^5E."""
    return stored.replace("^3B", ";").replace("^5E", "^")
