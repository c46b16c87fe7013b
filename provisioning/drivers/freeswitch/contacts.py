"""Live contacts, as `sofia xmlstatus` tells them.

It writes an element a line and does not escape a Call-ID, which a phone chooses and which may hold
`<` and `>`. So this reads lines and is no reader of XML: a line break is what no phone can send.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.sax.saxutils import unescape

from provisioning.core.records import Registration

_LINE = re.compile(r"\s*<([a-z-]+)>(.*)</\1>\s*")
_ADDRESS = re.compile(r"<(sips?:[^>]+)>|(sips?:\S+)")
# Such as Registered(TLS-NAT)(unknown) exp(2026-11-29 10:21:27) expsecs(57).
_TRANSPORT = re.compile(r"\((udp|tcp|tls|wss?)\b", re.IGNORECASE)
_EXPIRES = re.compile(r"expsecs\((-?\d+)\)\s*$")


def profiles_of(told: str) -> list[str]:
    """The names of the SIP profiles in the answer to `sofia xmlstatus`, each once."""
    names: dict[str, None] = {}
    inside = False
    for line in told.splitlines():
        if line.strip() == "<profile>":
            inside = True
        elif inside and (found := _LINE.fullmatch(line)) and found[1] == "name":
            names[found[2]] = None
            inside = False
    return list(names)


def registrations_of(told: str, now: float) -> Iterator[Registration]:
    """The registrations in the answer to `sofia xmlstatus profile NAME user …`."""
    fields: dict[str, str] = {}
    for line in told.splitlines():
        if line.strip() == "<registration>":
            fields = {}
        elif line.strip() == "</registration>":
            yield _registration(fields, now)
        elif found := _LINE.fullmatch(line):
            fields[found[1]] = found[2]


def _registration(fields: dict[str, str], now: float) -> Registration:
    contact = unescape(fields.get("contact", ""), {"&quot;": '"'})
    found = _ADDRESS.search(contact)
    status = fields.get("status", "")
    transport, expires = _TRANSPORT.search(status), _EXPIRES.search(status)
    address = fields.get("network-ip", "")
    port = fields.get("network-port", "")
    return Registration(
        aor=fields.get("user", ""),
        contact=(found[1] or found[2]) if found else contact,
        user_agent=unescape(fields.get("agent", ""), {"&quot;": '"'}),
        transport=transport[1].lower() if transport else "udp",
        expires_at=int(now) + int(expires[1]) if expires else 0,
        since=0,
        received=f"sip:{address}:{port}" if address and port else "",
        key=fields.get("call-id", ""),
    )
