"""Live contacts: answers of ul.lookup as registrations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from provisioning.core.records import Registration
from provisioning.drivers.database.contacts import known, transport_of

# What ul.lookup says of contacts that are not live.
_ENDED = frozenset({"deleted", "expired"})


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


def _text(contact: Mapping[str, Any], name: str) -> str:
    return known(str(contact.get(name, "")))


def _expiry(expires: object, now: float) -> int:
    return int(now + expires) if isinstance(expires, int | float) else 0
