"""Filters (RFC 7644 section 3.4.2.2): read once, asked of any number of resources."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from provisioning.directory.scim.errors import invalid_filter
from provisioning.directory.scim.path import NAME, Path, find, is_there, read_path, values_at

MAX_LENGTH = 4000
MAX_DEPTH = 20
OPERATORS = ("eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le")
# Compared as they are written (RFC 7643 section 2.2: caseExact).
_EXACT = frozenset({"id", "externalId", "$ref"})
_TOKEN = re.compile(
    rf'\s*(?:(?P<name>{NAME})|(?P<text>"(?:[^"\\]|\\.)*")|(?P<number>-?[0-9]+(?:\.[0-9]+)?)'
    r"|(?P<mark>[()\[\]]))"
)
_LITERALS = {"true": True, "false": False, "null": None}


class Filter(ABC):
    """A condition on a resource."""

    @abstractmethod
    def matches(self, resource: dict[str, Any]) -> bool:
        """Whether it holds for `resource`."""


@dataclass(frozen=True, slots=True)
class Comparison(Filter):
    """An attribute, an operator and a value; true where any of several values fits."""

    path: Path
    operator: str
    value: str | float | bool | None

    def matches(self, resource: dict[str, Any]) -> bool:
        """Whether it holds; `ne` is the opposite of `eq`, and null stands for nothing there."""
        if self.value is None:
            return is_there(resource, self.path) is (self.operator == "ne")
        if self.operator == "ne":
            return not any(self._fits("eq", each) for each in values_at(resource, self.path))
        return any(self._fits(self.operator, each) for each in values_at(resource, self.path))

    def _fits(self, operator: str, found: Any) -> bool:
        wanted: Any = self.value
        if isinstance(found, bool) or isinstance(wanted, bool):
            return operator == "eq" and found is wanted
        if isinstance(found, str) and isinstance(wanted, str):
            if self.path.attribute not in _EXACT:
                found, wanted = found.casefold(), wanted.casefold()
            if operator in _ORDERED:
                found, wanted = _moments(found, wanted)
        elif operator in _OF_TEXTS or not _are_numbers(found, wanted):
            return False
        return _COMPARE[operator](found, wanted)


@dataclass(frozen=True, slots=True)
class Present(Filter):
    """There is something."""

    path: Path

    def matches(self, resource: dict[str, Any]) -> bool:
        """Whether there is."""
        return is_there(resource, self.path)


@dataclass(frozen=True, slots=True)
class Not(Filter):
    """The opposite."""

    inner: Filter

    def matches(self, resource: dict[str, Any]) -> bool:
        """Whether the inner one does not hold."""
        return not self.inner.matches(resource)


@dataclass(frozen=True, slots=True)
class AllOf(Filter):
    """Every one."""

    parts: tuple[Filter, ...]

    def matches(self, resource: dict[str, Any]) -> bool:
        """Whether all hold."""
        return all(each.matches(resource) for each in self.parts)


@dataclass(frozen=True, slots=True)
class AnyOf(Filter):
    """At least one."""

    parts: tuple[Filter, ...]

    def matches(self, resource: dict[str, Any]) -> bool:
        """Whether one holds."""
        return any(each.matches(resource) for each in self.parts)


@dataclass(frozen=True, slots=True)
class Within(Filter):
    """One of several values for which a filter holds: `emails[type eq "work"]`."""

    path: Path
    inner: Filter

    def matches(self, resource: dict[str, Any]) -> bool:
        """Whether there is such a value."""
        return any(self.inner.matches(each) for each in elements(resource, self.path))


def elements(resource: dict[str, Any], path: Path) -> list[dict[str, Any]]:
    """The complex values at `path`, as resources of their own."""
    found = find(find(resource, path.schema) if path.schema else resource, path.attribute)
    several = found if isinstance(found, list) else [found]
    return [each for each in several if isinstance(each, dict)]


def read_filter(text: str) -> Filter:
    """The filter that `text` says; raises ScimRefused (invalidFilter) with the place otherwise."""
    if len(text) > MAX_LENGTH:
        raise invalid_filter(f"The filter is longer than {MAX_LENGTH:,} characters.")
    parser = _Parser(text)
    found = parser.either(0)
    if parser.token is not None or not parser.at_end:
        raise parser.unexpected()
    return found


class _Parser:
    """Recursive descent: `or` binds least, then `and`, then `not`."""

    def __init__(self, text: str) -> None:
        self._text, self._at, self._start = text, 0, 0
        self.token: re.Match[str] | None = None
        self._advance()

    @property
    def at_end(self) -> bool:
        """Whether nothing is left."""
        return not self._text[self._at :].strip()

    def either(self, depth: int) -> Filter:
        parts = [self._both(depth)]
        while self._take_word("or"):
            parts.append(self._both(depth))
        return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))

    def unexpected(self) -> Exception:
        rest = self._text[self._start :].strip()
        where = f"at “{rest[:40]}”" if rest else "at its end"
        return invalid_filter(f"The filter cannot be read {where} (character {self._start + 1}).")

    def _both(self, depth: int) -> Filter:
        parts = [self._one(depth)]
        while self._take_word("and"):
            parts.append(self._one(depth))
        return parts[0] if len(parts) == 1 else AllOf(tuple(parts))

    def _one(self, depth: int) -> Filter:
        if depth > MAX_DEPTH:
            raise invalid_filter(f"The filter has more than {MAX_DEPTH} brackets in each other.")
        if self._is_word("not") and self._text[self._at :].lstrip().startswith("("):
            self._advance()
            return Not(self._group(depth))
        if self.token is not None and self.token["mark"] == "(":
            return self._group(depth)
        if self.token is None or self.token["name"] is None:
            raise self.unexpected()
        path = read_path(self.token["name"])
        self._advance()
        if self._take_mark("["):
            inner = self.either(depth + 1)
            self._expect("]")
            return Within(path, inner)
        return self._comparison(path)

    def _group(self, depth: int) -> Filter:
        self._expect("(")
        inner = self.either(depth + 1)
        self._expect(")")
        return inner

    def _comparison(self, path: Path) -> Filter:
        if self._take_word("pr"):
            return Present(path)
        operator = self.token["name"].lower() if self.token and self.token["name"] else ""
        if operator not in OPERATORS:
            raise self.unexpected()
        self._advance()
        value = self._value()
        ordered = operator in (*_ORDERED, *_OF_TEXTS)
        if ordered and (value is None or isinstance(value, bool)):
            raise invalid_filter(f"“{operator}” cannot compare with true, false or null.")
        return Comparison(path, operator, value)

    def _value(self) -> str | float | bool | None:
        token = self.token
        value: str | float | bool | None
        if token is not None and token["text"] is not None:
            try:
                value = json.loads(token["text"])
            except ValueError as error:
                raise self.unexpected() from error
        elif token is not None and token["number"] is not None:
            value = float(token["number"]) if "." in token["number"] else int(token["number"])
        elif token is not None and token["name"] and token["name"].lower() in _LITERALS:
            value = _LITERALS[token["name"].lower()]
        else:
            raise self.unexpected()
        self._advance()
        return value

    def _advance(self) -> None:
        self._start = self._at
        self.token = _TOKEN.match(self._text, self._at)
        if self.token is not None:
            self._at = self.token.end()

    def _is_word(self, word: str) -> bool:
        return self.token is not None and (self.token["name"] or "").lower() == word

    def _take_word(self, word: str) -> bool:
        if not self._is_word(word):
            return False
        self._advance()
        return True

    def _take_mark(self, mark: str) -> bool:
        if self.token is None or self.token["mark"] != mark:
            return False
        self._advance()
        return True

    def _expect(self, mark: str) -> None:
        if not self._take_mark(mark):
            raise self.unexpected()


def _moments(found: str, wanted: str) -> tuple[Any, Any]:
    """Both as moments where both are; otherwise the texts themselves."""
    try:
        moments = datetime.fromisoformat(found), datetime.fromisoformat(wanted)
    except ValueError:
        return found, wanted
    return moments if all(each.tzinfo for each in moments) else (found, wanted)


def _are_numbers(*values: Any) -> bool:
    return all(isinstance(each, int | float) for each in values)


_ORDERED = ("gt", "ge", "lt", "le")
_OF_TEXTS = ("co", "sw", "ew")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda found, wanted: found == wanted,
    "co": lambda found, wanted: wanted in found,
    "sw": lambda found, wanted: found.startswith(wanted),
    "ew": lambda found, wanted: found.endswith(wanted),
    "gt": lambda found, wanted: found > wanted,
    "ge": lambda found, wanted: found >= wanted,
    "lt": lambda found, wanted: found < wanted,
    "le": lambda found, wanted: found <= wanted,
}
