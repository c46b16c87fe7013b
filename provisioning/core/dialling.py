"""Dial rules: what becomes of a number as it was dialled, before it is routed.

A set of rules is a text of lines, `PATTERN -> TRANSLATION`. The first whose pattern is the whole
number wins; \\1 to \\9 in its translation are the groups of its pattern. Patterns are those parts
of regular expressions that RE2, which bounds the time they take, and PCRE, which SIP servers use,
understand alike.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import re2

from provisioning.core.errors import InvalidInput

_ARROW = "->"
# Digits and what stands for several of them: no look-around, no back reference, no anchors.
_PATTERN = re.compile(
    r"(?:[0-9*#.|()?]|\\\+|\\\*|\\d|\[[0-9-]+\]|\{[0-9]{1,2}(?:,[0-9]{0,2})?\}|\+)+"
)
_TRANSLATION = re.compile(r"(?:[+0-9*#]|\\[1-9])+", re.ASCII)
_REFERENCE = re.compile(r"\\([1-9])")
# As wide as the columns of Kamailio's table, the anchors within.
_LONGEST_PATTERN, _LONGEST_TRANSLATION, _MOST = 58, 64, 200


class _Match(Protocol):
    def group(self, group: int) -> str | None: ...


class _Compiled(Protocol):
    @property
    def groups(self) -> int: ...
    def fullmatch(self, text: str) -> _Match | None: ...


@dataclass(frozen=True, slots=True)
class DialRule:
    """One rule: numbers that are wholly `pattern` become `translation`."""

    pattern: str
    translation: str

    def __str__(self) -> str:
        return f"{self.pattern} {_ARROW} {self.translation}"

    def applied(self, number: str) -> str | None:
        """What becomes of the number; None where the rule is not about it."""
        match = _compile(self.pattern).fullmatch(number)
        if match is None:
            return None
        return _REFERENCE.sub(lambda found: match.group(int(found[1])) or "", self.translation)


@dataclass(frozen=True, slots=True)
class Translated:
    """What became of a number; `place` is that of the rule, from 1, or None without any."""

    number: str
    place: int | None = None


def read_rules(text: str) -> list[DialRule]:
    """The rules of a text; raises InvalidInput that names the line and what is wrong with it."""
    rules = []
    for place, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            try:
                rules.append(_rule(line))
            except InvalidInput as error:
                raise InvalidInput(f"Line {place}: {error.message}") from error
    if len(rules) > _MOST:
        raise InvalidInput(f"There are {len(rules)} rules; at most {_MOST} are possible.")
    return rules


def translate(rules: Sequence[DialRule], dialled: str) -> Translated:
    """What becomes of a number by the first rule that is about it."""
    for place, rule in enumerate(rules, start=1):
        number = rule.applied(dialled)
        if number is not None:
            return Translated(number, place)
    return Translated(dialled)


def _rule(line: str) -> DialRule:
    pattern, arrow, translation = (part.strip() for part in line.partition(_ARROW))
    if not arrow:
        raise InvalidInput(r"write it as a pattern, “->” and a translation: 0([1-9]\d+) -> +44\1.")
    pattern = pattern.removeprefix("^").removesuffix("$")
    if not _PATTERN.fullmatch(pattern):
        raise InvalidInput(
            rf"“{pattern[:40]}” is no pattern of digits. Use digits, *, #, \+, \d, [1-9], ( ), ?, "
            r"|, {2,4} and +."
        )
    if len(pattern) > _LONGEST_PATTERN:
        raise InvalidInput(f"the pattern is longer than {_LONGEST_PATTERN} characters.")
    if not _TRANSLATION.fullmatch(translation) or len(translation) > _LONGEST_TRANSLATION:
        raise InvalidInput(
            rf"“{translation[:40]}” is no translation. Use digits, +, *, # and \1 to \9."
        )
    groups = _compile(pattern).groups
    missing = [n for n in _REFERENCE.findall(translation) if int(n) > groups]
    if missing:
        raise InvalidInput(f"\\{missing[0]} has no group ( ) in the pattern.")
    return DialRule(pattern, translation)


def _compile(pattern: str) -> _Compiled:
    options = re2.Options()
    options.log_errors = False
    try:
        return cast(_Compiled, re2.compile(pattern, options=options))
    except re2.error as error:
        raise InvalidInput(f"the pattern “{pattern[:40]}” cannot be read.") from error
