"""Live contacts: answers of ul_show_contact as registrations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from provisioning.core.records import Registration
from provisioning.drivers.database.contacts import known, transport_of

# What it says of contacts that are not live.
_ENDED = frozenset({"deleted", "expired"})


def registrations_from_answer(answer: object, now: float) -> list[Registration]:
    """The live contacts in the answer, which counts seconds from `now`; it says no beginning."""
    if not isinstance(answer, Mapping):
        return []
    aor = str(answer.get("AOR", ""))
    return [
        Registration(
            aor=aor,
            contact=_text(contact, "Contact"),
            user_agent=_text(contact, "User-agent"),
            transport=transport_of(
                _text(contact, "Contact"), _text(contact, "Received"), _text(contact, "Socket")
            ),
            expires_at=_expiry(contact.get("Expires"), now),
            since=0,
            received=_text(contact, "Received"),
            key=_text(contact, "ContactID"),
            socket=_text(contact, "Socket"),
        )
        for contact in answer.get("Contacts", ())
        if contact.get("Expires") not in _ENDED
    ]


def _text(contact: Mapping[str, Any], name: str) -> str:
    return known(str(contact.get(name, "")))


def _expiry(expires: object, now: float) -> int:
    return int(now + expires) if isinstance(expires, int | float) else 0
