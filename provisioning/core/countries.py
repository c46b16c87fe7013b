"""Countries by their two letters (ISO 3166-1), as directories name them in any language."""

from __future__ import annotations

from functools import cache

import phonenumbers
from phonenumbers.geodata.locale import LOCALE_DATA

from provisioning.core.text import fold

# What directories hold besides codes and names.
_ALSO = {"uk": "GB", "usa": "US", "england": "GB", "great britain": "GB", "scotland": "GB",
         "united states of america": "US", "holland": "NL", "czech republic": "CZ"}  # fmt: skip


def country_code(text: str) -> str:
    """The two letters of a country given by them or by its name; empty where it is not known."""
    code = text.strip().upper()
    if len(code) == 2 and code in phonenumbers.SUPPORTED_REGIONS:
        return code
    return _by_name().get(fold(text), "")


@cache
def _by_name() -> dict[str, str]:
    found: dict[str, str] = {}
    for code in sorted(LOCALE_DATA):
        if code in phonenumbers.SUPPORTED_REGIONS:
            for name in LOCALE_DATA[code].values():
                # A star stands before the code of the language that has the same name.
                if not name.startswith("*"):
                    found.setdefault(fold(name), code)
    return found | _ALSO
