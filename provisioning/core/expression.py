"""The one expression language: attribute maps, "disabled", SIP URI formulas.

An expression is a name, a text in quotes, a whole number or a call:

    first(displayName, cn)                      lower(before(mail, '@'))
    '{given_name}.{surname}'                    match(proxyAddresses, '^sip:(.+)$')
    bit(userAccountControl, 2)                  replace(login, '[^a-z0-9]', '-')

Every value is text; empty text is "no" and "absent". A name stands for its first value; `match`,
`has` and `join` look at all values. In a text, {…} holds an expression; {{ and }} are braces. In
patterns, separators and replacements braces stand for themselves. Patterns are RE2's: they run in
linear time and ignore case. There is no assignment, no loop and no access to anything but the given
values.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from provisioning.core.errors import InvalidInput
from provisioning.core.expression_functions import FUNCTIONS, REGION, Evaluate, Kind, Values

MAX_SOURCE = 500
MAX_RESULT = 1000
MAX_DEPTH = 20
MAX_ARGUMENTS = 10

_TOKEN = re.compile(
    r"\s*(?:(?P<name>[A-Za-z][A-Za-z0-9_.;-]*)|(?P<number>-?[0-9]+)"
    r"|(?P<text>'[^']*'|\"[^\"]*\")|(?P<mark>[(),]))",
    re.ASCII,
)
_BRACES = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")
_TOKEN_OF_KIND = {
    Kind.TEXT: "text",
    Kind.PATTERN: "text",
    Kind.NAME: "name",
    Kind.NUMBER: "number",
}


class UnreadableExpression(InvalidInput):
    """An expression that cannot be read; `at` is the place, counted from 0, where reading ended."""

    def __init__(self, message: str, at: int = 0) -> None:
        super().__init__(message)
        self.at = at


@dataclass(frozen=True, slots=True)
class Node:
    """A part of an expression: its text, what it does, and the parts that it is made of.

    `function` is empty for names, texts and numbers; `name` is set for names only (lower case).
    """

    text: str
    evaluate: Evaluate
    function: str = ""
    name: str = ""
    parts: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression: its source, the names it reads (lower case) and how to evaluate it.

    `needs_region`: it reads national numbers by the country that the values hold under REGION.
    """

    source: str
    names: frozenset[str]
    needs_region: bool
    root: Node
    _evaluate: Evaluate

    def __call__(self, values: Values) -> str:
        """The value over `values` (lower-case name → its values, possibly none).

        At most 1,000 characters. Raises InvalidInput when a function cannot use a value.
        """
        return self._evaluate(values)[:MAX_RESULT]


def compile_expression(source: str) -> Expression:
    """Compile `source`; raises UnreadableExpression that quotes where it cannot be read."""
    if len(source) > MAX_SOURCE:
        raise UnreadableExpression(
            f"The expression is longer than {MAX_SOURCE} characters.", MAX_SOURCE
        )
    if not source.strip():
        raise UnreadableExpression("The expression is empty.")
    names: set[str] = set()
    root = _Parser(source, names, 0, len(source)).whole()
    return Expression(source, frozenset(names - {REGION}), REGION in names, root, root.evaluate)


class _Parser:
    """Recursive descent over the expression that stands between `at` and `end` of a source."""

    def __init__(self, source: str, names: set[str], at: int, end: int, depth: int = 0) -> None:
        self.source, self.names, self.depth = source, names, depth
        self.at, self.end = at, end

    def whole(self) -> Node:
        node = self._expression()
        if self._peek():
            raise self._unexpected(self._skip())
        return node

    def _expression(self) -> Node:
        start = self._skip()
        token = self._next()
        if token.lastgroup == "text":
            return self._text(token)
        if token.lastgroup == "number":
            return _constant(token["number"], token["number"])
        if token.lastgroup != "name":
            raise self._unexpected(start, start + 1)
        if self._peek() == "(":
            return self._call(token["name"], start)
        return self._read(token["name"])

    def _call(self, name: str, start: int) -> Node:
        function = FUNCTIONS.get(name.lower())
        if function is None:
            raise UnreadableExpression(f"There is no function “{name}”. {_meant(name)}", start)
        self._enter(start)
        self._next()
        least, most = len(function.takes) - function.optional, len(function.takes)
        if function.repeats:
            most = MAX_ARGUMENTS
        count = str(least) if least == most else f"{least} to {most}"
        arity = f"“{name}” takes {count} value{'s'[: most - 1]}."
        arguments: list[object] = []
        parts: list[Node] = []
        while self._peek() != ")" or arguments:
            if len(arguments) == most:
                raise UnreadableExpression(arity, self._skip())
            kind = function.takes[min(len(arguments), len(function.takes) - 1)]
            arguments.append(self._argument(name, kind, parts))
            if self._peek() != ",":
                break
            self._next()
        if self._peek() != ")":
            raise UnreadableExpression(
                f"“{name}(” has no closing bracket in: {self.source}", self._skip()
            )
        if len(arguments) < least:
            raise UnreadableExpression(arity, self._skip())
        self._next()
        self.depth -= 1
        if function.regional and len(arguments) < len(function.takes):
            self.names.add(REGION)
        try:
            evaluate = function.make(*arguments)
        except InvalidInput as error:
            raise UnreadableExpression(error.message, start) from error
        return Node(self.source[start : self.at], evaluate, name.lower(), "", tuple(parts))

    def _argument(self, function: str, kind: Kind, parts: list[Node]) -> object:
        if kind is Kind.VALUE:
            parts.append(self._expression())
            return parts[-1].evaluate
        start = self._skip()
        token = self._next()
        if token.lastgroup != _TOKEN_OF_KIND[kind] or self._peek() not in ",)":
            raise UnreadableExpression(
                f"“{function}” needs {kind} where “{token[0].strip()}” stands.", start
            )
        if kind is Kind.NAME:
            parts.append(self._read(token["name"]))
            return parts[-1].name
        if kind is Kind.NUMBER:
            return int(token["number"])
        return token["text"][1:-1]

    def _read(self, name: str) -> Node:
        key = name.lower()
        self.names.add(key)
        return Node(name, _first_value(key), "", key)

    def _text(self, token: re.Match[str]) -> Node:
        start, end = token.span("text")
        self._enter(start)
        parts = [part for part in self._parts(start + 1, end - 1) if part != ""]
        self.depth -= 1
        written = token["text"]
        if all(isinstance(part, str) for part in parts):
            return _constant("".join(part for part in parts if isinstance(part, str)), written)
        nodes = [_constant(part, part) if isinstance(part, str) else part for part in parts]
        evaluates = [node.evaluate for node in nodes]
        return Node(
            written,
            lambda values: "".join([evaluate(values) for evaluate in evaluates]),
            parts=tuple(part for part in parts if not isinstance(part, str)),
        )

    def _parts(self, start: int, end: int) -> Iterator[str | Node]:
        at = start
        for found in _BRACES.finditer(self.source, start, end):
            yield self._plain(at, found.start())
            if found[1] is None:
                yield found[0][0]
            elif not found[1].strip():
                raise UnreadableExpression(
                    f"Nothing stands between the braces in: {self.source}", found.start()
                )
            else:
                yield _Parser(self.source, self.names, *found.span(1), self.depth).whole()
            at = found.end()
        yield self._plain(at, end)

    def _plain(self, start: int, end: int) -> str:
        text = self.source[start:end]
        brace = re.search("[{}]", text)
        if brace:
            raise UnreadableExpression(
                f"A brace is left open in: {self.source}", start + brace.start()
            )
        return text

    def _enter(self, at: int) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise UnreadableExpression(f"The expression is nested more than {MAX_DEPTH} deep.", at)

    def _next(self) -> re.Match[str]:
        token = _TOKEN.match(self.source, self.at, self.end)
        if token is None:
            raise self._unexpected(self._skip())
        self.at = token.end()
        return token

    def _skip(self) -> int:
        """Where the next thing stands, blanks left out."""
        at = self.at
        while at < self.end and self.source[at].isspace():
            at += 1
        return at

    def _peek(self) -> str:
        at = self._skip()
        return self.source[at] if at < self.end else ""

    def _unexpected(self, at: int, end: int | None = None) -> UnreadableExpression:
        found = self.source[at : min(self.end, end or at + 20)].rstrip()
        where = f"“{found}”" if found else "its end"
        return UnreadableExpression(f"The expression cannot be read at {where}: {self.source}", at)


def _meant(name: str) -> str:
    """What somebody may have meant by the name of a function."""
    close = difflib.get_close_matches(name.lower(), FUNCTIONS, n=1)
    return f"Is it {close[0]}?" if close else f"There are: {', '.join(sorted(FUNCTIONS))}."


def _constant(value: str, text: str) -> Node:
    return Node(text, lambda values: value)


def _first_value(key: str) -> Evaluate:
    def evaluate(values: Values) -> str:
        found = values.get(key)
        return found[0] if found else ""

    return evaluate
