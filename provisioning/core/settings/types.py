"""Types of settings: what a value may be, how it is typed in and how it is shown.

`check` takes a value as it is kept (JSON), `read` what somebody typed; both return the value in
its one form or raise InvalidInput with the reason. `show` tells a value in words, `write` as it is
typed in.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from provisioning.core.errors import InvalidInput
from provisioning.core.text import require_line

Value = bool | int | str | tuple[str, ...]

_YES = frozenset({"on", "yes", "true", "1"})
_NO = frozenset({"off", "no", "false", "0"})
_SHOWN = 60
# Seconds of each unit, the largest first.
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
_DURATION = re.compile(r"(\d{1,9}) ?(d|h|min|s)?", re.ASCII)
_SEPARATOR = re.compile(r"[\s,;]+")


class Type(Protocol):
    """What the values of a setting are."""

    @property
    def hint(self) -> str:
        """What may be typed in, in a few words."""
        ...

    def check(self, value: object) -> Value:
        """`value` in its one form; raises InvalidInput."""
        ...

    def read(self, text: str) -> Value:
        """The value that somebody typed; raises InvalidInput."""
        ...

    def show(self, value: Value) -> str:
        """The value in words."""
        ...

    def write(self, value: Value) -> str:
        """The value as `read` takes it."""
        ...


@dataclass(frozen=True, slots=True)
class Switch:
    """On or off."""

    on: str = "On"
    off: str = "Off"

    @property
    def hint(self) -> str:
        return "on or off"

    def check(self, value: object) -> Value:
        if not isinstance(value, bool):
            raise _unfit(value, self.hint)
        return value

    def read(self, text: str) -> Value:
        word = text.strip().lower()
        if word not in _YES | _NO:
            raise _unfit(text, self.hint)
        return word in _YES

    def show(self, value: Value) -> str:
        return self.on if value else self.off

    def write(self, value: Value) -> str:
        return "on" if value else "off"


@dataclass(frozen=True, slots=True)
class Integer:
    """A whole number of `unit` from `low` to `high`; where zero means no limit, `zero` says so."""

    low: int
    high: int
    unit: str = ""
    zero: str = ""

    @property
    def hint(self) -> str:
        least = f"{self.low:,} to {self.high:,} {self.unit}".rstrip()
        return f"{least}; 0: {self.zero}" if self.zero else least

    def check(self, value: object) -> Value:
        if isinstance(value, bool) or not isinstance(value, int):
            raise _unfit(value, self.hint)
        if not self.low <= value <= self.high and not (self.zero and value == 0):
            raise _unfit(value, self.hint)
        return value

    def read(self, text: str) -> Value:
        digits = text.strip().replace(",", "")
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 12):
            raise _unfit(text, self.hint)
        return self.check(int(digits))

    def show(self, value: Value) -> str:
        if self.zero and value == 0:
            return self.zero.capitalize()
        return f"{value:,} {self.unit}".rstrip()

    def write(self, value: Value) -> str:
        return str(value)


@dataclass(frozen=True, slots=True)
class Duration:
    """Seconds from `low` to `high`, typed and shown with a unit."""

    low: int
    high: int

    @property
    def hint(self) -> str:
        return f"{self.show(self.low)} to {self.show(self.high)}, such as 90 s, 15 min or 2 h"

    def check(self, value: object) -> Value:
        if isinstance(value, bool) or not isinstance(value, int):
            raise _unfit(value, self.hint)
        if not self.low <= value <= self.high:
            raise _unfit(self.show(value), self.hint)
        return value

    def read(self, text: str) -> Value:
        found = _DURATION.fullmatch(text.strip())
        if found is None:
            raise _unfit(text, self.hint)
        return self.check(int(found[1]) * dict(_UNITS)[found[2] or "s"])

    def show(self, value: Value) -> str:
        seconds = int(value) if isinstance(value, int) else 0
        unit, size = next((each for each in _UNITS if seconds % each[1] == 0), _UNITS[-1])
        return f"{seconds // size} {unit}" if seconds else "0 s"

    def write(self, value: Value) -> str:
        return self.show(value)


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some words, each with its label."""

    options: tuple[tuple[str, str], ...]

    @property
    def hint(self) -> str:
        return f"one of {', '.join(word for word, _ in self.options)}"

    def check(self, value: object) -> Value:
        if not isinstance(value, str) or value not in dict(self.options):
            raise _unfit(value, self.hint)
        return value

    def read(self, text: str) -> Value:
        return self.check(text.strip())

    def show(self, value: Value) -> str:
        return dict(self.options).get(str(value), str(value))

    def write(self, value: Value) -> str:
        return str(value)


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Any of some words, each with its label, kept in the order that they have here.

    `every` and `none` say what all of them and none of them mean.
    """

    options: tuple[tuple[str, str], ...]
    every: str
    none: str

    @property
    def hint(self) -> str:
        return f"any of {', '.join(word for word, _ in self.options)}"

    def check(self, value: object) -> Value:
        words = dict(self.options)
        if not isinstance(value, list | tuple):
            raise _unfit(value, self.hint)
        for one in value:
            if not isinstance(one, str) or one not in words:
                raise _unfit(one, self.hint)
        return tuple(word for word in words if word in value)

    def read(self, text: str) -> Value:
        return self.check([one for one in _SEPARATOR.split(text.lower()) if one])

    def show(self, value: Value) -> str:
        labels = [
            label for word, label in self.options if isinstance(value, tuple) and word in value
        ]
        if not labels:
            return self.none
        return self.every if len(labels) == len(self.options) else ", ".join(labels).capitalize()

    def write(self, value: Value) -> str:
        return ", ".join(value) if isinstance(value, tuple) else ""


@dataclass(frozen=True, slots=True)
class Text:
    """One line, brought to its one form by `form`, which raises InvalidInput; or none at all.

    `longest` is what every server and client that holds it has room for.
    """

    form: Callable[[str], str]
    hint: str
    none: str = "None"
    longest: int = 128

    def check(self, value: object) -> Value:
        if not isinstance(value, str):
            raise _unfit(value, self.hint)
        return self.read(value)

    def read(self, text: str) -> Value:
        line = require_line(text.strip(), "The value")
        formed = self.form(line) if line else ""
        if len(formed) > self.longest:
            raise _too_long(len(formed), self.longest)
        return formed

    def show(self, value: Value) -> str:
        return str(value) or self.none

    def write(self, value: Value) -> str:
        return str(value)


@dataclass(frozen=True, slots=True)
class Several:
    """Any number of texts, each brought to its one form by `form`; kept in order, none twice.

    `longest` is what they may come to, with a comma between.
    """

    form: Callable[[str], str]
    hint: str
    none: str = "None"
    longest: int = 128

    def check(self, value: object) -> Value:
        if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
            raise _unfit(value, self.hint)
        return self._formed(value)

    def read(self, text: str) -> Value:
        return self._formed([one for one in _SEPARATOR.split(text) if one])

    def show(self, value: Value) -> str:
        return ", ".join(value) if isinstance(value, tuple) and value else self.none

    def write(self, value: Value) -> str:
        return ", ".join(value) if isinstance(value, tuple) else ""

    def _formed(self, texts: list[str] | tuple[str, ...]) -> tuple[str, ...]:
        formed = tuple(dict.fromkeys(self.form(require_line(one, "The value")) for one in texts))
        length = len(",".join(formed))
        if length > self.longest:
            raise _too_long(length, self.longest)
        return formed


def _unfit(value: object, hint: str) -> InvalidInput:
    shown = str(value)[:_SHOWN]
    return InvalidInput(f"“{shown}” does not fit: {hint}. Nothing was changed.")


def _too_long(length: int, longest: int) -> InvalidInput:
    return InvalidInput(
        f"These are {length} characters; servers hold {longest}. Nothing was changed."
    )
