"""The one expression language: attribute maps, "disabled", SIP URI formulas.

An expression is a name, a text in quotes or a call:

    first(displayName, cn)                      lower(before(mail, '@'))
    '{given_name}.{surname}'                    match(proxyAddresses, '^sip:(.+)$')
    bit(userAccountControl, 2)                  replace(login, '[^a-z0-9]', '-')

Every value is text; empty text is "no" and "absent". A name stands for its first value; `match` and `has`
look at all values. In a text, {…} holds an expression; {{ and }} are braces. Regular expressions are RE2's,
which run in linear time. There is no assignment, no loop and no access to anything but the given values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import re2

from provisioning.core.errors import InvalidInput
from provisioning.core.text import ascii_fold

Values = Mapping[str, Sequence[str]]
Evaluate = Callable[[Values], str]

MAX_SOURCE = 500
MAX_RESULT = 1000
_TOKEN = re.compile(r"\s*(?:(?P<name>[A-Za-z][A-Za-z0-9_;-]*)|(?P<text>'[^']*'|\"[^\"]*\")|(?P<mark>[(),]))")


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression: its source, the names it reads (lower case) and how to evaluate it."""

    source: str
    names: frozenset[str]
    _evaluate: Evaluate

    def __call__(self, values: Values) -> str:
        """The value over `values` (lower-case name → its values, possibly none); at most 1,000 characters."""
        return self._evaluate(values)[:MAX_RESULT]


def compile_expression(source: str) -> Expression:
    """Compile `source`; raises InvalidInput that quotes the place where it cannot be read."""
    if len(source) > MAX_SOURCE:
        raise InvalidInput(f"The expression is longer than {MAX_SOURCE} characters.")
    names: set[str] = set()
    parser = _Parser(source, names)
    evaluate = parser.expression()
    parser.end()
    return Expression(source, frozenset(names), evaluate)


class _Parser:
    """Recursive descent over one expression."""

    def __init__(self, source: str, names: set[str], depth: int = 0) -> None:
        if depth > 20:
            raise InvalidInput("The expression is nested more than 20 deep.")
        self.source, self.names, self.depth, self.at = source, names, depth, 0

    def expression(self) -> Evaluate:
        token = self._next()
        if token.lastgroup == "text":
            return _text(token["text"][1:-1], self.names, self.depth)
        if token.lastgroup != "name":
            raise self._unexpected(token[0].strip())
        name = token["name"]
        if self._peek() == "(":
            return self._call(name)
        key = name.lower()
        self.names.add(key)
        return _name(key)

    def end(self) -> None:
        if self.source[self.at :].strip():
            raise self._unexpected(self.source[self.at :].strip()[:20])

    def _call(self, name: str) -> Evaluate:
        self._next()
        arguments: list[tuple[str, Evaluate]] = []
        if self._peek() != ")":
            while True:
                start = self.at
                inner = _Parser(self.source, self.names, self.depth + 1)
                inner.at = start
                evaluate = inner.expression()
                self.at = inner.at
                arguments.append((self.source[start : self.at].strip(), evaluate))
                if self._peek() != ",":
                    break
                self._next()
        if self._peek() != ")":
            raise InvalidInput(f"“{name}(” has no closing bracket in: {self.source}")
        self._next()
        try:
            make, least, most = _FUNCTIONS[name.lower()]
        except KeyError:
            known = ", ".join(sorted(_FUNCTIONS))
            raise InvalidInput(f"There is no function “{name}”. There are: {known}.") from None
        if not least <= len(arguments) <= most:
            raise InvalidInput(f"“{name}” takes {least}{f' to {most}' if most != least else ''} values.")
        return make(arguments)

    def _next(self) -> re.Match[str]:
        token = _TOKEN.match(self.source, self.at)
        if token is None:
            raise self._unexpected(self.source[self.at :].strip()[:20])
        self.at = token.end()
        return token

    def _peek(self) -> str:
        rest = self.source[self.at :].lstrip()
        return rest[:1]

    def _unexpected(self, found: str) -> InvalidInput:
        where = f"“{found}”" if found else "its end"
        return InvalidInput(f"The expression cannot be read at {where}: {self.source}")


def _name(key: str) -> Evaluate:
    def evaluate(values: Values) -> str:
        found = values.get(key)
        return found[0] if found else ""

    return evaluate


def _text(body: str, names: set[str], depth: int) -> Evaluate:
    parts = [*_pieces(body, names, depth)]
    if all(isinstance(part, str) for part in parts):
        constant = "".join(part for part in parts if isinstance(part, str))
        return lambda values: constant
    return lambda values: "".join(part if isinstance(part, str) else part(values) for part in parts)


def _pieces(body: str, names: set[str], depth: int) -> Iterator[str | Evaluate]:
    at = 0
    for found in re.finditer(r"\{\{|\}\}|\{([^{}]*)\}", body):
        yield body[at : found.start()]
        if found[0] in ("{{", "}}"):
            yield found[0][0]
        else:
            inner = _Parser(found[1], names, depth + 1)
            evaluate = inner.expression()
            inner.end()
            yield evaluate
        at = found.end()
    rest = body[at:]
    if "{" in rest or "}" in rest:
        raise InvalidInput(f"A brace is left open in the text: {body}")
    yield rest


Arguments = list[tuple[str, Evaluate]]


def _constant(argument: tuple[str, Evaluate], what: str) -> str:
    source, evaluate = argument
    if source[:1] not in "'\"" or "{" in source:
        raise InvalidInput(f"{what} must be a plain text in quotes, not {source}.")
    return evaluate({})


def _pattern(argument: tuple[str, Evaluate]) -> re2._Regexp[str]:
    source = argument[0]
    if source[:1] not in "'\"":
        raise InvalidInput(f"A pattern must be a text in quotes, not {source}.")
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    try:
        return re2.compile(source[1:-1], options=options)
    except re2.error as error:
        raise InvalidInput(f"The pattern {source} cannot be read: {error}.") from error


def _first(arguments: Arguments) -> Evaluate:
    evaluates = [evaluate for _, evaluate in arguments]

    def evaluate(values: Values) -> str:
        for each in evaluates:
            found = each(values)
            if found:
                return found
        return ""

    return evaluate


def _all(arguments: Arguments) -> Evaluate:
    evaluates = [evaluate for _, evaluate in arguments]
    return lambda values: "true" if all(each(values) for each in evaluates) else ""


def _not(arguments: Arguments) -> Evaluate:
    evaluate = arguments[0][1]
    return lambda values: "" if evaluate(values) else "true"


def _mapped(change: Callable[[str], str]) -> Callable[[Arguments], Evaluate]:
    def make(arguments: Arguments) -> Evaluate:
        evaluate = arguments[0][1]
        return lambda values: change(evaluate(values))

    return make


def _cut(take: Callable[[str, str], str]) -> Callable[[Arguments], Evaluate]:
    def make(arguments: Arguments) -> Evaluate:
        evaluate, separator = arguments[0][1], _constant(arguments[1], "The separator")
        if not separator:
            raise InvalidInput("The separator must not be empty.")
        return lambda values: take(evaluate(values), separator)

    return make


def _equals(arguments: Arguments) -> Evaluate:
    left, right = arguments[0][1], arguments[1][1]
    return lambda values: "true" if left(values).casefold() == right(values).casefold() else ""


def _bit(arguments: Arguments) -> Evaluate:
    """bit(name, n): whether the integer value has bit n set; a text that is no integer raises InvalidInput."""
    source, evaluate = arguments[0]
    text = _constant(arguments[1], "The bit") if arguments[1][0][:1] in "'\"" else arguments[1][0]
    try:
        mask = int(text)
    except ValueError:
        raise InvalidInput(f"bit() takes a number such as 2, not {text}.") from None

    def has_bit(values: Values) -> str:
        value = evaluate(values)
        try:
            return "true" if value and int(value) & mask else ""
        except ValueError:
            raise InvalidInput(f"{source} is “{value[:40]}”, which is not a number.") from None

    return has_bit


def _match(arguments: Arguments) -> Evaluate:
    """match(name, 'pattern'): group 1 (or all) of the first value that matches."""
    source, pattern = arguments[0][0].lower(), _pattern(arguments[1])

    def evaluate(values: Values) -> str:
        for value in values.get(source, ()):
            found = pattern.search(value)
            if found:
                return (found.group(1) if pattern.groups else found.group(0)) or ""
        return ""

    return evaluate


def _has(arguments: Arguments) -> Evaluate:
    """has(name, 'value'): whether one of the values is that one, whatever its case."""
    source, wanted = arguments[0][0].lower(), _constant(arguments[1], "The value").casefold()
    return lambda values: "true" if any(v.casefold() == wanted for v in values.get(source, ())) else ""


def _replace(arguments: Arguments) -> Evaluate:
    evaluate, pattern = arguments[0][1], _pattern(arguments[1])
    replacement = _constant(arguments[2], "The replacement")
    return lambda values: pattern.sub(replacement, evaluate(values))


_FUNCTIONS: dict[str, tuple[Callable[[Arguments], Evaluate], int, int]] = {
    "first": (_first, 1, 10),
    "all": (_all, 1, 10),
    "not": (_not, 1, 1),
    "lower": (_mapped(str.lower), 1, 1),
    "upper": (_mapped(str.upper), 1, 1),
    "trim": (_mapped(str.strip), 1, 1),
    "ascii": (_mapped(ascii_fold), 1, 1),
    "before": (_cut(lambda value, separator: value.partition(separator)[0]), 2, 2),
    "after": (_cut(lambda value, separator: value.partition(separator)[2]), 2, 2),
    "equals": (_equals, 2, 2),
    "bit": (_bit, 2, 2),
    "match": (_match, 2, 2),
    "has": (_has, 2, 2),
    "replace": (_replace, 3, 3),
}
