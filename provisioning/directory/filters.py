"""Filters as RFC 4515 writes them: what is wrong with one, and at which character."""

from __future__ import annotations

import re
from dataclasses import dataclass

# A description (RFC 4512 section 2.5): a name or an object identifier, with options.
_ATTRIBUTE = re.compile(r"(?:[A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)*)(?:;[A-Za-z0-9-]+)*")
_RULE = re.compile(r"(?::dn)?(?::[A-Za-z0-9.-]+)?", re.IGNORECASE)
_OPERATOR = re.compile(r"[~<>:]?=")
_ESCAPE = re.compile(r"\\[0-9A-Fa-f]{2}")
_DEEPEST = 50


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a filter, as a sentence, and the index of the first wrong character."""

    place: int
    message: str


def find_fault(text: str) -> Fault | None:
    """The first fault of a filter; None where it can be read."""
    try:
        end = _filter(text, 0, 0)
    except _Wrong as wrong:
        return Fault(min(wrong.place, len(text)), wrong.message)
    if end == len(text):
        return None
    return Fault(end, "The filter ended before this. Join two with (&(…)(…)) or (|(…)(…)).")


class _Wrong(Exception):
    def __init__(self, place: int, message: str) -> None:
        super().__init__(message)
        self.place, self.message = place, message


def _filter(text: str, place: int, depth: int) -> int:
    """The index after the filter that begins at `place`."""
    if depth > _DEEPEST:
        raise _Wrong(place, f"Brackets go deeper than {_DEEPEST}.")
    if text[place : place + 1] != "(":
        raise _Wrong(place, "A filter begins with an opening bracket.")
    after = place + 1
    if text[after : after + 1] in ("&", "|"):
        after += 1
        while text[after : after + 1] == "(":
            after = _filter(text, after, depth + 1)
    elif text[after : after + 1] == "!":
        after = _filter(text, after + 1, depth + 1)
    else:
        after = _comparison(text, after)
    if text[after : after + 1] != ")":
        raise _Wrong(after, "A closing bracket is missing here.")
    return after + 1


def _comparison(text: str, place: int) -> int:
    attribute = _ATTRIBUTE.match(text, place)
    after = attribute.end() if attribute else place
    rule = _RULE.match(text, after)
    if rule is not None and text[rule.end() : rule.end() + 2] == ":=":
        after = rule.end()
    if after == place:
        raise _Wrong(place, "The name of an attribute is expected here, such as mail.")
    operator = _OPERATOR.match(text, after)
    if operator is None:
        raise _Wrong(after, "A comparison is expected here: =, >=, <= or ~=.")
    return _value(text, operator.end())


def _value(text: str, place: int) -> int:
    while place < len(text) and text[place] != ")":
        character = text[place]
        if character == "(":
            raise _Wrong(place, "A bracket inside a value is written \\28.")
        if character == "\0":
            raise _Wrong(place, "The character NUL is written \\00.")
        if character == "\\":
            if not _ESCAPE.match(text, place):
                raise _Wrong(place, "After a backslash come two hexadecimal digits, such as \\2a.")
            place += 2
        place += 1
    return place
