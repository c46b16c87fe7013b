"""User agents as clients name themselves, brought to the family that a list is filtered by."""

from __future__ import annotations

import re

from provisioning.core.text import clean_line

LONGEST = 60
# Where the name ends and the build begins: a slash, a bracket, or a word that is a version.
_END = re.compile(r"[/(;,]|\s+(?:v|rv|ver|version|build|release)?[ .]?\d[\w.]*\.", re.IGNORECASE)
_LAST_VERSION = re.compile(r"\s+(?:v|rv)?\d[\w.]*$", re.IGNORECASE)


def family_of(user_agent: str) -> str:
    """The client without its version: "Yealink SIP-T46U" of "Yealink SIP-T46U 108.86.0.45".

    Empty where the client does not name itself.
    """
    name = clean_line(user_agent)
    end = _END.search(name)
    if end is not None and end.start() > 0:
        name = name[: end.start()]
    return _LAST_VERSION.sub("", name).strip()[:LONGEST]
