"""Resources as the entries of a directory: what the attribute map reads of them.

`userName` and `name.familyName` are named as in SCIM; of several values `emails` are all, the
preferred one first, and `emails.work` those of a type; parts follow: `addresses.work.country`. An
extension has the name before its version: `enterprise.department`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import lru_cache
from typing import Any

from provisioning.directory.attributes import MAX_SHOWN
from provisioning.directory.scim.resource import Body

_EXTENSION = re.compile(r"(?:.*:)?([^:]+):[0-9.]+:[^:]+")
_UNNAMED = re.compile(r"[^A-Za-z0-9_-]+")
# Names for which a value stands in that refers to somebody else.
_REFERENCES = frozenset({"enterprise.manager"})


def dn_of(uid: str) -> str:
    """What stands in for a DN: members and managers are named by it."""
    return f"id={uid}"


def uid_of(dn: str) -> str:
    """The uid of which `dn_of` made `dn`."""
    return dn.removeprefix("id=")


def attributes_of(uid: str, body: Body, wanted: Collection[str]) -> dict[str, list[bytes]]:
    """The values of the `wanted` attributes (lower case) that a resource has."""
    found: dict[str, list[bytes]] = {}
    for name, value in _values(uid, body):
        lower = _lower(name)
        if lower in wanted:
            found.setdefault(lower, []).append(value.encode())
    return found


def every_attribute(uid: str, body: Body) -> dict[str, list[str]]:
    """Every attribute of a resource that a map can read, by its name as the map writes it."""
    found: dict[str, list[str]] = {}
    for name, value in _values(uid, body):
        found.setdefault(name, []).append(value[:MAX_SHOWN])
    return found


def _values(uid: str, body: Body) -> Iterator[tuple[str, str]]:
    yield "id", uid
    for name, value in body.items():
        if name.startswith("urn:"):
            yield from _inside(_extension(name), value)
        else:
            yield from _at(name, value)


@lru_cache(maxsize=1024)
def _extension(urn: str) -> str:
    found = _EXTENSION.fullmatch(urn)
    return _UNNAMED.sub("-", found[1] if found else urn)


@lru_cache(maxsize=4096)
def _lower(name: str) -> str:
    return name.lower()


def _inside(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for part, each in value.items():
            yield from _at(f"{name}.{part}", each)


def _at(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, list):
        preferred = sorted(value, key=lambda each: not _is_primary(each))
        for each in preferred:
            yield from _one_of_several(name, each)
    elif isinstance(value, dict):
        if "value" in value:
            text = _text(value["value"])
            yield name, dn_of(text.lower()) if name in _REFERENCES else text
        yield from _inside(name, value)
    else:
        yield name, _text(value)


def _one_of_several(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if not isinstance(value, dict):
        yield name, _text(value)
        return
    kind = value.get("type")
    named = f"{name}.{_UNNAMED.sub('-', kind)}" if isinstance(kind, str) and kind else ""
    for part, each in value.items():
        if part in ("type", "primary", "display", "$ref") or isinstance(each, dict | list):
            continue
        text = _text(each)
        for start in filter(None, (name, named)):
            yield start if part == "value" else f"{start}.{part}", text


def _is_primary(value: Any) -> bool:
    return isinstance(value, dict) and value.get("primary") is True


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
