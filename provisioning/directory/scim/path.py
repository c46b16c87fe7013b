"""Names of attributes in filters and patches (RFC 7644 section 3.10), and what they lead to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from provisioning.directory.scim.schema import CORE, spellings

# An attribute, perhaps of a schema, perhaps with a sub-attribute; or a schema alone.
NAME = r"(?:urn:[A-Za-z0-9._:-]+:)?[A-Za-z$][A-Za-z0-9_$-]*(?:\.[A-Za-z$][A-Za-z0-9_$-]*)?"
_SCHEMA = re.compile(r"urn:.*:[0-9]+\.[0-9]+:[A-Za-z0-9]+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Path:
    """`schema` is empty for the core; `attribute` is empty where a whole extension is meant."""

    schema: str
    attribute: str
    part: str = ""

    def __str__(self) -> str:
        text = ":".join(each for each in (self.schema, self.attribute) if each)
        return f"{text}.{self.part}" if self.part else text


def read_path(text: str) -> Path:
    """The path that a text matched by NAME stands for."""
    known = spellings()
    if _SCHEMA.fullmatch(text):
        urn = known.get(text.lower(), text)
        return Path("" if urn in CORE.values() else urn, "")
    prefix, _, name = text.rpartition(":")
    urn = known.get(prefix.lower(), prefix)
    attribute, _, part = name.partition(".")
    return Path(
        "" if urn in CORE.values() else urn,
        known.get(attribute.lower(), attribute),
        known.get(part.lower(), part),
    )


def find(values: Any, name: str) -> Any:
    """What `values` has under `name`, whatever its case; None where it has nothing."""
    if not isinstance(values, dict):
        return None
    if name in values:
        return values[name]
    lower = name.lower()
    return next((value for key, value in values.items() if key.lower() == lower), None)


def values_at(resource: dict[str, Any], path: Path) -> Iterator[Any]:
    """The values that `path` leads to: every one of several, of complex ones their `value`."""
    start = find(resource, path.schema) if path.schema else resource
    found = find(start, path.attribute) if path.attribute else start
    for each in found if isinstance(found, list) else (found,):
        if isinstance(each, dict):
            yield find(each, path.part or "value") if path.attribute else each
        elif each is not None and not path.part:
            yield each


def is_there(resource: dict[str, Any], path: Path) -> bool:
    """Whether there is anything at `path` that is not empty (the operator pr)."""
    start = find(resource, path.schema) if path.schema else resource
    found = find(start, path.attribute) if path.attribute else start
    if path.part:
        return any(value not in (None, "", [], {}) for value in values_at(resource, path))
    return found not in (None, "", [], {})
