"""The functions of the expression language: checked arguments in, an evaluation out."""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, cast

import re2

from provisioning.core import moments
from provisioning.core.countries import country_code
from provisioning.core.errors import InvalidInput
from provisioning.core.telephone import normalise
from provisioning.core.text import ascii_fold

Values = Mapping[str, Sequence[str]]
Evaluate = Callable[[Values], str]

# Where the values hold the country (ISO 3166) in whose notation numbers are; no name is spelled so.
REGION = "@region"

# What `replace` looks at: enough for any attribute, and it bounds what a replacement can blow up.
MAX_REPLACED = 1000

_INTEGER = re.compile(r"-?[0-9]{1,20}", re.ASCII)
_REFERENCE = re.compile(r"\\(.?)", re.DOTALL)


class Kind(StrEnum):
    """What a function wants in one place; the text completes “needs …” in messages."""

    VALUE = "an expression"
    NAME = "the name of an attribute"
    TEXT = "a text in quotes"
    PATTERN = "a pattern in quotes"
    NUMBER = "a whole number such as 2"


@dataclass(frozen=True, slots=True)
class Function:
    """`make` gets one argument per entry of `takes`; `repeats`: the last entry stands for many.

    So many of the last entries are `optional`; `regional`: without those, REGION is read.
    """

    make: Callable[..., Evaluate]
    takes: tuple[Kind, ...]
    repeats: bool = False
    optional: int = 0
    regional: bool = False


class _Match(Protocol):
    def group(self, group: int) -> str | None: ...


class _Pattern(Protocol):
    @property
    def groups(self) -> int: ...
    def search(self, text: str) -> _Match | None: ...
    def sub(self, repl: Callable[[_Match], str], text: str) -> str: ...


def _compile(pattern: str) -> _Pattern:
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    try:
        return cast(_Pattern, re2.compile(pattern, options=options))
    except re2.error as error:
        reason = error.args[0] if error.args else "unknown reason"
        if isinstance(reason, bytes):
            reason = reason.decode(errors="replace")
        raise InvalidInput(f"The pattern '{pattern}' cannot be read: {reason}.") from error


def _first(*evaluates: Evaluate) -> Evaluate:
    def evaluate(values: Values) -> str:
        for each in evaluates:
            found = each(values)
            if found:
                return found
        return ""

    return evaluate


def _all(*evaluates: Evaluate) -> Evaluate:
    return lambda values: "true" if all(each(values) for each in evaluates) else ""


def _not(evaluate: Evaluate) -> Evaluate:
    return lambda values: "" if evaluate(values) else "true"


def _changed(change: Callable[[str], str]) -> Callable[[Evaluate], Evaluate]:
    return lambda evaluate: lambda values: change(evaluate(values))


def _cut(part: int) -> Callable[[Evaluate, str], Evaluate]:
    def make(evaluate: Evaluate, separator: str) -> Evaluate:
        if not separator:
            raise InvalidInput("The separator must not be empty.")
        return lambda values: evaluate(values).partition(separator)[part]

    return make


def _equals(left: Evaluate, right: Evaluate) -> Evaluate:
    return lambda values: "true" if left(values).casefold() == right(values).casefold() else ""


def _if(condition: Evaluate, then: Evaluate, otherwise: Evaluate | None = None) -> Evaluate:
    if otherwise is None:
        return lambda values: then(values) if condition(values) else ""
    return lambda values: then(values) if condition(values) else otherwise(values)


def _left(evaluate: Evaluate, count: int) -> Evaluate:
    _check_count(count)
    return lambda values: evaluate(values)[:count]


def _right(evaluate: Evaluate, count: int) -> Evaluate:
    _check_count(count)
    return lambda values: evaluate(values)[-count:]


def _check_count(count: int) -> None:
    if count < 1:
        raise InvalidInput("Say how many characters to take: 1 or more.")


def _join(name: str, separator: str) -> Evaluate:
    """join(name, ', '): all values, in the order of the alphabet, for directories keep none."""
    return lambda values: separator.join(sorted(values.get(name, ())))


def _e164(evaluate: Evaluate, country: Evaluate | None = None) -> Evaluate:
    """e164(value): the number as E.164, empty where it is none in the notation of the country."""

    def change(values: Values) -> str:
        text = evaluate(values)
        if not text:
            return ""
        try:
            return normalise(text, region_of(values) if country is None else country(values))
        except InvalidInput:
            return ""

    return change


def region_of(values: Values) -> str:
    """The country in whose notation the numbers of `values` are; empty where nobody knows."""
    found = values.get(REGION)
    return found[0] if found else ""


def _timed(read: Callable[[str], str]) -> Callable[[Evaluate], Evaluate]:
    def make(evaluate: Evaluate) -> Evaluate:
        def change(values: Values) -> str:
            text = evaluate(values)
            return read(text) if text else ""

        return change

    return make


def _bit(name: str, *masks: int) -> Evaluate:
    """bit(name, 2, …): whether the whole number has one of the bits; no value is "no"."""
    if not all(masks):
        raise InvalidInput("bit() with 0 is never true; name the bit, such as 2.")
    mask = functools.reduce(operator.or_, masks)

    def evaluate(values: Values) -> str:
        found = values.get(name)
        if not found or not found[0]:
            return ""
        if not _INTEGER.fullmatch(found[0]):
            raise InvalidInput(f"{name} is “{found[0][:40]}”, which is not a whole number.")
        return "true" if int(found[0]) & mask else ""

    return evaluate


def _match(name: str, source: str) -> Evaluate:
    """match(name, 'pattern'): group 1, or all without a group, of the first value that matches."""
    pattern = _compile(source)
    group = 1 if pattern.groups else 0

    def evaluate(values: Values) -> str:
        for value in values.get(name, ()):
            found = pattern.search(value)
            if found is not None:
                return found.group(group) or ""
        return ""

    return evaluate


def _has(name: str, value: str) -> Evaluate:
    """has(name, 'value'): whether one of the values is that one, whatever its case."""
    wanted = value.casefold()
    return lambda values: (
        "true" if any(each.casefold() == wanted for each in values.get(name, ())) else ""
    )


def _replace(evaluate: Evaluate, source: str, replacement: str) -> Evaluate:
    r"""replace(value, 'pattern', 'new'): every match becomes new; \1 to \9 are groups, \\ is \."""
    pattern = _compile(source)
    pieces = _pieces(replacement, pattern.groups)

    def fill(match: _Match) -> str:
        return "".join([p if isinstance(p, str) else match.group(p) or "" for p in pieces])

    return lambda values: pattern.sub(fill, evaluate(values)[:MAX_REPLACED])


def _pieces(replacement: str, groups: int) -> list[str | int]:
    pieces: list[str | int] = []
    at = 0
    for found in _REFERENCE.finditer(replacement):
        pieces.append(replacement[at : found.start()])
        at, after = found.end(), found[1]
        if after == "\\":
            pieces.append(after)
        elif after in "123456789" and after and int(after) <= groups:
            pieces.append(int(after))
        else:
            raise InvalidInput(
                f"“\\{after}” in the replacement '{replacement}' means nothing: "
                f"the pattern has {groups} groups, and a backslash is written \\\\."
            )
    pieces.append(replacement[at:])
    return pieces


FUNCTIONS: dict[str, Function] = {
    "first": Function(_first, (Kind.VALUE,), repeats=True),
    "if": Function(_if, (Kind.VALUE, Kind.VALUE, Kind.VALUE), optional=1),
    "all": Function(_all, (Kind.VALUE,), repeats=True),
    "not": Function(_not, (Kind.VALUE,)),
    "lower": Function(_changed(str.lower), (Kind.VALUE,)),
    "upper": Function(_changed(str.upper), (Kind.VALUE,)),
    "trim": Function(_changed(str.strip), (Kind.VALUE,)),
    "ascii": Function(_changed(ascii_fold), (Kind.VALUE,)),
    "before": Function(_cut(0), (Kind.VALUE, Kind.TEXT)),
    "after": Function(_cut(2), (Kind.VALUE, Kind.TEXT)),
    "left": Function(_left, (Kind.VALUE, Kind.NUMBER)),
    "right": Function(_right, (Kind.VALUE, Kind.NUMBER)),
    "equals": Function(_equals, (Kind.VALUE, Kind.VALUE)),
    "bit": Function(_bit, (Kind.NAME, Kind.NUMBER), repeats=True),
    "match": Function(_match, (Kind.NAME, Kind.PATTERN)),
    "has": Function(_has, (Kind.NAME, Kind.TEXT)),
    "join": Function(_join, (Kind.NAME, Kind.TEXT)),
    "replace": Function(_replace, (Kind.VALUE, Kind.PATTERN, Kind.TEXT)),
    "e164": Function(_e164, (Kind.VALUE, Kind.VALUE), optional=1, regional=True),
    "country": Function(_changed(country_code), (Kind.VALUE,)),
    "filetime": Function(_timed(moments.from_filetime), (Kind.VALUE,)),
    "ldaptime": Function(_timed(moments.from_generalized), (Kind.VALUE,)),
    "unixday": Function(_timed(moments.from_unix_day), (Kind.VALUE,)),
}
