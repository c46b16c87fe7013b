"""Ids of rows as they come from a browser."""

from __future__ import annotations

import re

# Both databases keep ids in 64 bits; Python refuses to read thousands of digits at all.
_ID = re.compile(r"[0-9]{1,18}", re.ASCII)


def row_id(text: str) -> int | None:
    """The id that `text` is, or None where it cannot be one."""
    return int(text) if _ID.fullmatch(text) else None
