"""Why an expression gives what it gives over some values: which alternative was taken."""

from __future__ import annotations

from provisioning.core.errors import InvalidInput
from provisioning.core.expression import Expression, Node
from provisioning.core.expression_functions import Values, region_of

_PATTERNED = ("match", "has")
_SHOWN = 40


def explain_value(expression: Expression, values: Values) -> str:
    """A few plain words on how the value came about; empty where there is nothing to tell.

    Never raises: what cannot be evaluated is told in the words of its error.
    """
    try:
        return "; ".join(dict.fromkeys(_reasons(expression.root, values)))
    except InvalidInput as error:
        return error.message


def _reasons(node: Node, values: Values) -> list[str]:
    if node.name:
        return _of_name(node, values)
    if node.function == "first":
        return _of_first(node, values)
    if node.function == "if":
        return _of_condition(node, values)
    reasons = [reason for part in node.parts for reason in _reasons(part, values)]
    if node.function in _PATTERNED and not node.evaluate(values) and values.get(node.parts[0].name):
        return [f"no value of {node.parts[0].text} fits"]
    if node.function == "e164":
        reasons += _of_number(node, values)
    return reasons


def _of_name(node: Node, values: Values) -> list[str]:
    found = values.get(node.name, ())
    if not found or not found[0]:
        return [f"{node.text} is empty"]
    return [f"{node.text}: the first of {len(found)} values"] if len(found) > 1 else []


def _of_first(node: Node, values: Values) -> list[str]:
    empty: list[str] = []
    for part in node.parts:
        if part.evaluate(values):
            return [*empty, f"{_short(part)} is taken", *_reasons(part, values)]
        empty.append(f"{_short(part)} is empty")
    return empty


def _of_condition(node: Node, values: Values) -> list[str]:
    condition, *branches = node.parts
    if condition.evaluate(values):
        return [f"{_short(condition)} is so", *_reasons(branches[0], values)]
    rest = _reasons(branches[1], values) if len(branches) > 1 else []
    return [f"{_short(condition)} is not so", *rest]


def _of_number(node: Node, values: Values) -> list[str]:
    text = node.parts[0].evaluate(values)
    country = node.parts[1].evaluate(values) if len(node.parts) > 1 else region_of(values)
    where = f"in {country}" if country else "and neither site nor country says where"
    if text and not node.evaluate(values):
        return [f"“{text[:_SHOWN]}” is not a telephone number {where}"]
    return [f"read as a number in {country}"] if text and country else []


def _short(node: Node) -> str:
    return node.text if len(node.text) <= _SHOWN else f"{node.text[:_SHOWN]}…"
