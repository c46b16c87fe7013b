"""What every account has, whoever makes it: its derived columns and its first secret."""

from __future__ import annotations

import os

from provisioning.core.text import fold, search_key

# For each byte one of 32 characters, all of them equally often.
_TYPEABLE = b"abcdefghijklmnopqrstuvwxyz234567" * 8


def new_secret() -> str:
    """A random clear text, fit to be read out and typed: 24 of a to z and 2 to 7 (120 bits)."""
    return os.urandom(24).translate(_TYPEABLE).decode()


def account_name_key(name: str) -> str:
    """What accounts are sorted by."""
    return fold(name)[:200]


def account_search_key(name: str, aor: str, number: str) -> str:
    """What the search box finds an account by: name, SIP URI, number with its `+`."""
    return search_key(name, aor, number)
