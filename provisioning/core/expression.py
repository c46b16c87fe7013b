"""The one expression language: attribute maps, "disabled", SIP URI formulas.

An expression is a name, a text in quotes, a whole number or a call:

    first(displayName, cn)                      lower(before(mail, '@'))
    '{given_name}.{surname}'                    match(proxyAddresses, '^sip:(.+)$')
    bit(userAccountControl, 2)                  replace(login, '[^a-z0-9]', '-')

Every value is text; empty text is "no" and "absent". A name stands for its first value; `match`
and `has` look at all values. In a text, {…} holds an expression; {{ and }} are braces. In patterns,
separators and replacements braces stand for themselves. Patterns are RE2's: they run in linear time
and ignore case. There is no assignment, no loop and no access to anything but the given values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from provisioning.core.errors import InvalidInput
from provisioning.core.expression_functions import FUNCTIONS, Evaluate, Kind, Values

MAX_SOURCE = 500
MAX_RESULT = 1000
MAX_DEPTH = 20
MAX_ARGUMENTS = 10

_TOKEN = re.compile(
    r"\s*(?:(?P<name>[A-Za-z][A-Za-z0-9_;-]*)|(?P<number>-?[0-9]+)"
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


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression: its source, the names it reads (lower case) and how to evaluate it."""

    source: str
    names: frozenset[str]
    _evaluate: Evaluate

    def __call__(self, values: Values) -> str:
        """The value over `values` (lower-case name → its values, possibly none).

        At most 1,000 characters. Raises InvalidInput when a function cannot use a value.
        """
        return self._evaluate(values)[:MAX_RESULT]


def compile_expression(source: str) -> Expression:
    """Compile `source`; raises InvalidInput that quotes the place where it cannot be read."""
    if len(source) > MAX_SOURCE:
        raise InvalidInput(f"The expression is longer than {MAX_SOURCE} characters.")
    if not source.strip():
        raise InvalidInput("The expression is empty.")
    names: set[str] = set()
    evaluate = _Parser(source, names).whole()
    return Expression(source, frozenset(names), evaluate)


class _Parser:
    """Recursive descent over one expression."""

    def __init__(self, source: str, names: set[str], depth: int = 0) -> None:
        self.source, self.names, self.depth, self.at = source, names, depth, 0

    def whole(self) -> Evaluate:
        evaluate = self._expression()
        rest = self.source[self.at :].strip()
        if rest:
            raise self._unexpected(rest[:20])
        return evaluate

    def _expression(self) -> Evaluate:
        token = self._next()
        if token.lastgroup == "text":
            return self._text(token["text"][1:-1])
        if token.lastgroup == "number":
            return _constant(token["number"])
        if token.lastgroup != "name":
            raise self._unexpected(token["mark"])
        if self._peek() == "(":
            return self._call(token["name"])
        return _name(self._read(token["name"]))

    def _call(self, name: str) -> Evaluate:
        function = FUNCTIONS.get(name.lower())
        if function is None:
            known = ", ".join(sorted(FUNCTIONS))
            raise InvalidInput(f"There is no function “{name}”. There are: {known}.")
        self._enter()
        self._next()
        most = MAX_ARGUMENTS if function.repeats else len(function.takes)
        count = f"1 to {most} values" if function.repeats else f"{most} value{'s'[: most - 1]}"
        arity = f"“{name}” takes {count}."
        arguments: list[object] = []
        while self._peek() != ")" or arguments:
            if len(arguments) == most:
                raise InvalidInput(arity)
            kind = function.takes[min(len(arguments), len(function.takes) - 1)]
            arguments.append(self._argument(name, kind))
            if self._peek() != ",":
                break
            self._next()
        if self._peek() != ")":
            raise InvalidInput(f"“{name}(” has no closing bracket in: {self.source}")
        self._next()
        self.depth -= 1
        if len(arguments) < len(function.takes):
            raise InvalidInput(arity)
        return function.make(*arguments)

    def _argument(self, function: str, kind: Kind) -> object:
        if kind is Kind.VALUE:
            return self._expression()
        token = self._next()
        if token.lastgroup != _TOKEN_OF_KIND[kind] or self._peek() not in ",)":
            raise InvalidInput(f"“{function}” needs {kind} where “{token[0].strip()}” stands.")
        if kind is Kind.NAME:
            return self._read(token["name"])
        if kind is Kind.NUMBER:
            return int(token["number"])
        return token["text"][1:-1]

    def _read(self, name: str) -> str:
        key = name.lower()
        self.names.add(key)
        return key

    def _text(self, body: str) -> Evaluate:
        self._enter()
        parts = [part for part in self._parts(body) if part != ""]
        self.depth -= 1
        if all(isinstance(part, str) for part in parts):
            return _constant("".join(part for part in parts if isinstance(part, str)))
        evaluates = [_constant(part) if isinstance(part, str) else part for part in parts]
        return lambda values: "".join([evaluate(values) for evaluate in evaluates])

    def _parts(self, body: str) -> Iterator[str | Evaluate]:
        at = 0
        for found in _BRACES.finditer(body):
            yield self._plain(body[at : found.start()])
            if found[1] is None:
                yield found[0][0]
            elif not found[1].strip():
                raise InvalidInput(f"Nothing stands between the braces in: {self.source}")
            else:
                yield _Parser(found[1], self.names, self.depth).whole()
            at = found.end()
        yield self._plain(body[at:])

    def _plain(self, text: str) -> str:
        if "{" in text or "}" in text:
            raise InvalidInput(f"A brace is left open in: {self.source}")
        return text

    def _enter(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise InvalidInput(f"The expression is nested more than {MAX_DEPTH} deep.")

    def _next(self) -> re.Match[str]:
        token = _TOKEN.match(self.source, self.at)
        if token is None:
            raise self._unexpected(self.source[self.at :].strip()[:20])
        self.at = token.end()
        return token

    def _peek(self) -> str:
        return self.source[self.at :].lstrip()[:1]

    def _unexpected(self, found: str) -> InvalidInput:
        where = f"“{found}”" if found else "its end"
        return InvalidInput(f"The expression cannot be read at {where}: {self.source}")


def _constant(text: str) -> Callable[[Values], str]:
    return lambda values: text


def _name(key: str) -> Evaluate:
    def evaluate(values: Values) -> str:
        found = values.get(key)
        return found[0] if found else ""

    return evaluate
