"""Countries by their two letters (ISO 3166-1), as directories name them in any language."""

from __future__ import annotations

from functools import cache
from importlib import util
from pathlib import Path

import phonenumbers

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
    names = _names()
    for code in sorted(names):
        if code in phonenumbers.SUPPORTED_REGIONS:
            for name in names[code].values():
                # A star stands before the code of the language that has the same name.
                if not name.startswith("*"):
                    found.setdefault(fold(name), code)
    return found | _ALSO


def _names() -> dict[str, dict[str, str]]:
    """Code → language → name. Its package would load every town of the world: 110 MB, a second."""
    name = "phonenumbers.geodata.locale"
    file = Path(phonenumbers.__file__).parent / "geodata" / "locale.py"
    spec = util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is missing.", name=name)
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    names: dict[str, dict[str, str]] = module.LOCALE_DATA
    return names
