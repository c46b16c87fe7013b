"""Users and groups as clients write them, brought to the one form in which they are kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from provisioning.core.text import CONTROLS
from provisioning.directory.attributes import is_secret
from provisioning.directory.scim.errors import ScimRefused, invalid_value
from provisioning.directory.scim.schema import (
    CORE,
    ENTERPRISE,
    READ_ONLY,
    Attribute,
    attributes_of,
    spellings,
)

Body = dict[str, Any]

MAX_DEPTH = 8
MAX_BODY = 64 * 1024
# Names and external ids have a column of their own.
MAX_NAME = 255
_BOOLEANS = {"true": True, "false": False}
_ABOUT = {"type", "primary", "display"}
_EMPTY: tuple[Any, ...] = (None, "", [], {})


def parse(content: bytes) -> Body:
    """The JSON object of a request; raises ScimRefused (invalidSyntax) for anything else."""
    try:
        found = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise ScimRefused(400, f"The body is not JSON: {error}.", "invalidSyntax") from error
    if not isinstance(found, dict):
        raise ScimRefused(400, "The body is not a JSON object.", "invalidSyntax")
    return found


def tidy(kind: str, given: Body) -> Body:
    """What is kept of a resource of `kind` (User, Group): without what only the server says, what
    is empty, and anything that may be a password; names in their one spelling, booleans as such.

    Raises ScimRefused (invalidValue) for what cannot be kept. Members are left as they are.
    """
    body: Body = {}
    for name, value in _spelled(given).items():
        if name in READ_ONLY or is_secret(name):
            continue
        if name == CORE[kind] and isinstance(value, dict):
            body |= _typed(CORE[kind], _spelled(value))
        elif name.lower().startswith("urn:"):
            body |= _extension(name, value)
        else:
            body |= _typed(CORE[kind], {name: value})
    members = body.pop("members", None) if kind == "Group" else None
    _check(body)
    _require_names(kind, body)
    if members is not None:
        body["members"] = members
    return body


def members_of(value: Any) -> list[str]:
    """The ids that `members` holds, each once; raises ScimRefused (invalidValue)."""
    given = value if isinstance(value, list) else [value]
    ids = (each.get("value") if isinstance(each, dict) else each for each in given)
    return list(dict.fromkeys(_member(each) for each in ids))


def _member(value: Any) -> str:
    text = value.strip().lower() if isinstance(value, str) else ""
    if not text or len(text) > 36 or not text.isascii() or not text.isprintable():
        raise invalid_value("A member is named by the id that this server gave it, in “value”.")
    return text


def _spelled(values: Body) -> Body:
    known = spellings()
    return {known.get(name.lower(), name): value for name, value in values.items()}


def _extension(urn: str, value: Any) -> Body:
    if not isinstance(value, dict):
        raise invalid_value(f"“{urn}” holds an object.")
    inner = {name: each for name, each in _spelled(value).items() if not is_secret(name)}
    inner = _typed(urn, inner)
    return {urn: inner} if inner else {}


def _typed(urn: str, values: Body) -> Body:
    """`values` of a schema with the types that it says; of unknown ones everything."""
    known = attributes_of(urn)
    found: Body = {}
    for name, value in values.items():
        attribute = known.get(name)
        kept = _plain(value) if attribute is None else _value(attribute, value)
        if kept not in _EMPTY:
            found[name] = kept
    return found


def _value(attribute: Attribute, value: Any) -> Any:
    if value is None:
        return None
    if attribute.name == "members":
        return value
    if attribute.several:
        several = value if isinstance(value, list) else [value]
        kept = [_complex(attribute, each) for each in several]
        # What has a type and nothing else lost its value.
        return [each for each in kept if each.keys() - _ABOUT]
    if attribute.type == "complex":
        # Entra ID writes a manager as a text, and some clients as a list of one.
        one = value[0] if isinstance(value, list) and value else value
        return _complex(attribute, one)
    return _READ[attribute.type](attribute.name, value)


def _complex(attribute: Attribute, value: Any) -> Any:
    parts = {each.name: each for each in attribute.parts}
    if isinstance(value, str) and "value" in parts:
        value = {"value": value}
    if not isinstance(value, dict):
        raise invalid_value(f"“{attribute.name}” holds an object.")
    found = {}
    for name, each in _spelled(value).items():
        part = parts.get(name)
        kept = _plain(each) if part is None or each is None else _READ[part.type](name, each)
        if kept not in _EMPTY and not is_secret(name):
            found[name] = kept
    return found


def _text(name: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise invalid_value(f"“{name}” is a text.")
    return str(value).strip()


def _boolean(name: str, value: Any) -> bool:
    """Entra ID writes "True" and "False"."""
    if isinstance(value, bool):
        return value
    found = _BOOLEANS.get(value.strip().lower()) if isinstance(value, str) else None
    if found is None:
        raise invalid_value(f"“{name}” is true or false.")
    return found


_READ: dict[str, Callable[[str, Any], Any]] = {"string": _text, "boolean": _boolean}


def _plain(value: Any) -> Any:
    """What no schema describes: as it is, without empty values and secrets."""
    if isinstance(value, dict):
        inner = {n: _plain(each) for n, each in value.items() if not is_secret(n)}
        return {name: each for name, each in inner.items() if each not in _EMPTY}
    if isinstance(value, list):
        return [each for each in map(_plain, value) if each not in _EMPTY]
    return value


def _check(value: Any, depth: int = 0) -> None:
    if depth > MAX_DEPTH:
        raise invalid_value(f"Values lie in each other more than {MAX_DEPTH} deep.")
    if isinstance(value, dict):
        for name, each in value.items():
            _check(name, depth + 1)
            _check(each, depth + 1)
    elif isinstance(value, list):
        for each in value:
            _check(each, depth + 1)
    elif isinstance(value, str) and "\0" in value:
        raise invalid_value("A text holds NUL.")
    if depth == 0 and len(orjson.dumps(value)) > MAX_BODY:
        raise invalid_value(f"What is kept of one resource is at most {MAX_BODY // 1024} KiB.")


def _require_names(kind: str, body: Body) -> None:
    name = "userName" if kind == "User" else "displayName"
    if not body.get(name):
        raise invalid_value(f"“{name}” is missing.")
    for each in (name, "externalId"):
        text = body.get(each, "")
        if len(text) > MAX_NAME or CONTROLS.search(text):
            raise invalid_value(f"“{each}” is one line of at most {MAX_NAME} characters.")


def name_key_of(name: str) -> str:
    """`userName`, or `displayName` of a group, as it is compared: without case."""
    return name.strip().lower()[:MAX_NAME]


def schemas_of(kind: str, body: Body) -> list[str]:
    """The schemas that a kept resource uses, as it names them."""
    return [CORE[kind], *(name for name in body if name.startswith("urn:"))]


def project(resource: Body, attributes: list[str], excluded: list[str]) -> Body:
    """`resource` with only `attributes` of it, or without `excluded` ones (RFC 7644 3.9)."""
    if attributes:
        wanted: dict[str, set[str]] = {"id": set(), "schemas": set()}
        for name, part in map(_split, attributes):
            wanted.setdefault(name, set()).add(part)
        return {
            name: _parts(value, wanted[name.lower()], keep=True)
            for name, value in resource.items()
            if name.lower() in wanted
        }
    unwanted: dict[str, set[str]] = {}
    for name, part in map(_split, excluded):
        unwanted.setdefault(name, set()).add(part)
    return {
        name: _parts(value, unwanted.get(name.lower(), {"-"}), keep=False)
        for name, value in resource.items()
        if name in ("id", "schemas") or "" not in unwanted.get(name.lower(), ())
    }


def _split(name: str) -> tuple[str, str]:
    """The attribute, or extension, and the part of it that a name means, in lower case."""
    lower = name.strip().lower()
    for urn in CORE.values():
        lower = lower.removeprefix(f"{urn.lower()}:")
    if lower.startswith(f"{ENTERPRISE.lower()}:"):
        return ENTERPRISE.lower(), lower.removeprefix(f"{ENTERPRISE.lower()}:").partition(".")[0]
    if lower.startswith("urn:"):
        return lower, ""
    attribute, _, part = lower.partition(".")
    return attribute, part


def _parts(value: Any, parts: set[str], *, keep: bool) -> Any:
    if not parts or "" in parts:
        return value
    if isinstance(value, list):
        return [_parts(each, parts, keep=keep) for each in value]
    if not isinstance(value, dict):
        return value
    return {name: each for name, each in value.items() if (name.lower() in parts) is keep}
