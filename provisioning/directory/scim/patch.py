"""PATCH (RFC 7644 section 3.5.2): operations on a resource, as Entra ID and Okta write them too."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from typing import Any

from provisioning.directory.scim.errors import ScimRefused, invalid_path, invalid_value
from provisioning.directory.scim.filter import AllOf, Comparison, Filter, elements, read_filter
from provisioning.directory.scim.path import NAME, Path, find, read_path
from provisioning.directory.scim.resource import Body
from provisioning.directory.scim.schema import CORE, READ_ONLY, attributes_of

MAX_OPERATIONS = 1000
_TARGET = re.compile(
    rf"\s*(?P<path>{NAME})(?:\[(?P<filter>.*)\](?:\.(?P<part>[A-Za-z$][\w$-]*))?)?\s*"
)


@dataclass(frozen=True, slots=True)
class Operation:
    """One change: `op` is add, replace or remove; `where` chooses among several values."""

    op: str
    path: Path
    where: Filter | None = None
    value: Any = None


def read_operations(kind: str, document: Body) -> list[Operation]:
    """The operations of a PATCH in their order; those without a path as one for each attribute.

    Raises ScimRefused: invalidSyntax, invalidPath, invalidFilter, noTarget or mutability.
    """
    given = find(document, "Operations")
    if not isinstance(given, list) or not given:
        raise ScimRefused(400, "“Operations” is missing.", "invalidSyntax")
    if len(given) > MAX_OPERATIONS:
        raise ScimRefused(400, f"At most {MAX_OPERATIONS:,} operations at once.", "tooMany")
    found: list[Operation] = []
    for each in given:
        found += _read(kind, each)
    return found


def apply_operation(kind: str, body: Body, operation: Operation) -> None:
    """Carry out one operation on `body`, which may hold anything then: `tidy` it afterwards."""
    path = operation.path
    value = copy.deepcopy(operation.value)
    if not path.attribute:
        _apply_to_extension(body, operation.op, path.schema, value)
        return
    holder = body
    if path.schema:
        kept = body.get(path.schema)
        holder = body[path.schema] = kept if isinstance(kept, dict) else {}
    if operation.where is not None:
        _apply_to_chosen(holder, operation, value)
    elif path.part:
        _apply_to_part(holder, operation.op, path, value)
    else:
        _apply_to_attribute(kind, holder, operation.op, path, value)


def _read(kind: str, given: Any) -> list[Operation]:
    op = find(given, "op")
    op = op.lower() if isinstance(op, str) else ""  # Entra ID begins it with a capital
    if op not in ("add", "replace", "remove"):
        raise ScimRefused(400, "“op” is add, replace or remove.", "invalidSyntax")
    path, value = find(given, "path"), find(given, "value")
    if path:
        operation = _target(op, path, value)
        if operation.path.attribute in READ_ONLY:
            name = operation.path.attribute
            raise ScimRefused(400, f"“{name}” is said by the server.", "mutability")
        return [operation]
    if op == "remove":
        raise ScimRefused(400, "What to remove is said by “path”.", "noTarget")
    if not isinstance(value, dict):
        raise invalid_value("Without a “path”, “value” holds attributes and their values.")
    # Keys may be paths: name.familyName, emails[type eq "work"].value, a schema and an attribute.
    operations = [_target(op, name, each) for name, each in value.items()]
    return [each for each in operations if each.path.attribute not in READ_ONLY]


def _target(op: str, text: Any, value: Any) -> Operation:
    found = _TARGET.fullmatch(text) if isinstance(text, str) and len(text) < 1000 else None
    if found is None:
        raise invalid_path(f"The path “{str(text)[:80]}” cannot be read.")
    path = read_path(found["path"])
    where = read_filter(found["filter"]) if found["filter"] is not None else None
    if where is not None:
        if path.part or not path.attribute:
            raise invalid_path("A filter follows the name of an attribute with several values.")
        path = Path(path.schema, path.attribute, found["part"] or "")
    elif not path.attribute and not path.schema:
        path = Path("", "")
    if op == "replace" and value in (None, [], ""):
        op = "remove"
        value = None
    return Operation(op, path, where, value)


def _apply_to_extension(body: Body, op: str, schema: str, value: Any) -> None:
    if op == "remove":
        body.pop(schema, None)
        return
    if not isinstance(value, dict):
        raise invalid_value(f"“{schema}” holds an object.")
    kept = body if not schema else body.get(schema)
    merged = kept if isinstance(kept, dict) else {}
    for name, each in value.items():
        path = read_path(f"{schema}:{name}" if schema else name)
        if path.part:
            _apply_to_part(merged, op, path, each)
        else:
            merged[path.attribute] = each
    if schema:
        body[schema] = merged


def _apply_to_attribute(kind: str, holder: Body, op: str, path: Path, value: Any) -> None:
    name = path.attribute
    kept = holder.get(name)
    if op == "remove":
        unwanted = _values_of(value)
        if isinstance(kept, list) and unwanted:
            holder[name] = [each for each in kept if not (_values_of(each) & unwanted)]
        else:
            holder.pop(name, None)
        return
    schema = attributes_of(path.schema or CORE[kind]).get(name)
    several = isinstance(kept, list) or (schema is not None and schema.several)
    if op == "add" and several:
        added = value if isinstance(value, list) else [value]
        now = list(kept) if isinstance(kept, list) else []
        new = [each for each in added if each not in now]
        if any(isinstance(each, dict) and find(each, "primary") for each in new):
            now = [{**each, "primary": False} if isinstance(each, dict) else each for each in now]
        holder[name] = now + new
    elif isinstance(value, dict) and isinstance(kept, dict):
        holder[name] = kept | {_canonical(part): each for part, each in value.items()}
    else:
        holder[name] = value


def _apply_to_part(holder: Body, op: str, path: Path, value: Any) -> None:
    kept = holder.get(path.attribute)
    several = kept if isinstance(kept, list) else None
    if several is None and not isinstance(kept, dict):
        if op == "remove":
            return
        kept = holder[path.attribute] = {}
    for each in several if several is not None else [kept]:
        if isinstance(each, dict):
            _set(each, op, path.part, value)


def _apply_to_chosen(holder: Body, operation: Operation, value: Any) -> None:
    path, where = operation.path, operation.where
    assert where is not None  # noqa: S101 - for the type checker: the caller looked
    bare = Path("", path.attribute)
    chosen = [each for each in elements(holder, bare) if where.matches(each)]
    if operation.op == "remove":
        if path.part:
            for each in chosen:
                _set(each, "remove", path.part, None)
        elif isinstance(holder.get(path.attribute), list):
            holder[path.attribute] = [e for e in holder[path.attribute] if e not in chosen]
        return
    if not chosen:
        # Clients name a value that is not there yet, and mean that it should be.
        chosen = [_described(where)]
        kept = holder.get(path.attribute)
        holder[path.attribute] = [*(kept if isinstance(kept, list) else []), *chosen]
    for each in chosen:
        if path.part:
            _set(each, operation.op, path.part, value)
        elif isinstance(value, dict):
            each |= {_canonical(part): inner for part, inner in value.items()}
        else:
            each["value"] = value


def _described(where: Filter) -> Body:
    """The value that a filter of nothing but `eq` describes; otherwise there is no target."""
    parts = where.parts if isinstance(where, AllOf) else (where,)
    found: Body = {}
    for each in parts:
        if not isinstance(each, Comparison) or each.operator != "eq":
            raise ScimRefused(400, "No value fits the filter of the path.", "noTarget")
        found[each.path.attribute] = each.value
    return found


def _set(values: Body, op: str, part: str, value: Any) -> None:
    name = _canonical(part)
    if op == "remove":
        values.pop(name, None)
    else:
        values[name] = value


def _canonical(part: str) -> str:
    path = read_path(part) if re.fullmatch(NAME, part) else None
    return part if path is None or path.part or path.schema else path.attribute


def _values_of(value: Any) -> set[str]:
    several = value if isinstance(value, list) else [value]
    found = (find(each, "value") if isinstance(each, dict) else each for each in several)
    return {each for each in found if isinstance(each, str)}
