"""The key of an entry: an identifier that survives renames and moves, in one spelling."""

from __future__ import annotations

import re
from collections.abc import Sequence

# Active Directory's is 16 bytes, its first three fields little-endian ([MS-DTYP] 2.3.4.2).
_BINARY = "objectguid"
_HEX = frozenset("0123456789abcdef")
_CANONICAL = re.compile(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def canonical_guid(attribute: str, values: Sequence[bytes] | None) -> str:
    """The lower-case UUID text of a key attribute's values; `attribute` is its lower-case name.

    Any text of 32 hexadecimal digits counts, whatever its dashes: entryUUID (RFC 4530) and
    389 Directory Server's nsUniqueId. Raises ValueError: the end of a sentence about the attribute.
    """
    if not values:
        raise ValueError("is missing or may not be read")
    value = values[0]
    if attribute == _BINARY:
        if len(value) != 16:
            raise ValueError(f"has {len(value)} bytes instead of 16")
        digits = (value[3::-1] + value[5:3:-1] + value[7:5:-1] + value[8:]).hex()
    elif _CANONICAL.fullmatch(value):  # as OpenLDAP writes them all
        return value.decode("ascii")
    else:
        digits = value.decode("ascii", "replace").replace("-", "").lower()
        if len(digits) != 32 or not _HEX.issuperset(digits):
            raise ValueError("is not a UUID")
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
