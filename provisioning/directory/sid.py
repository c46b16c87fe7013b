"""Security identifiers of Active Directory ([MS-DTYP] 2.4.2): as bytes, as text, in a DN."""

from __future__ import annotations

import re

from provisioning.core.records import Entry

# Only these belong to a domain; all others, such as S-1-5-11, mean the same everywhere.
_OF_A_DOMAIN = re.compile(r"cn=(s-1-5-21-[0-9-]+),cn=foreignsecurityprincipals,")


def sid_text(raw: bytes) -> str:
    """`S-1-5-21-…` of the bytes of an objectSid, empty where they are none."""
    if len(raw) < 8 or raw[0] != 1 or len(raw) != 8 + 4 * raw[1]:
        return ""
    parts = (raw[place : place + 4] for place in range(8, len(raw), 4))
    numbers = [int.from_bytes(raw[2:8], "big"), *(int.from_bytes(p, "little") for p in parts)]
    return "S-1-" + "-".join(map(str, numbers))


def sid_of(entry: Entry) -> str:
    """The text of the entry's objectSid, empty where it was not read or is none."""
    values = entry.attributes.get("objectsid")
    return sid_text(values[0]) if values else ""


def primary_group(sid: bytes, primary_group_id: bytes) -> bytes:
    """The objectSid of a user's primary group: that of the user's domain, with the group's number.

    Empty where either value cannot be read ([MS-ADTS] 3.1.1.4.5.11).
    """
    if not sid_text(sid) or not primary_group_id.isdigit() or int(primary_group_id) >= 1 << 32:
        return b""
    return sid[:-4] + int(primary_group_id).to_bytes(4, "little")


def foreign_sid(dn: str) -> str:
    """The SID that a normalised DN of a foreignSecurityPrincipal names; empty for any other DN."""
    found = _OF_A_DOMAIN.match(dn)
    return found[1].upper() if found else ""
