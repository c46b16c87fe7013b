"""What an audit event keeps, as people read it: labels, words, one row for each changed value."""

from __future__ import annotations

from typing import Any, NamedTuple

from provisioning.core.roles import Role

# For the console's own bookkeeping, not for readers.
_HIDDEN = frozenset({"version", "digest", "setting"})
# Lists of things, however many; every other pair is what was and what is.
_LISTS = frozenset({"people", "held"})
_LABELS = {"is_active": "may sign in"}


class Told(NamedTuple):
    """`rows` are (field, before, after) of what changed, `facts` (name, value) of what else was."""

    rows: list[tuple[str, Any, Any]]
    facts: list[tuple[str, Any]]


def tell(detail: dict[str, Any]) -> Told:
    """The detail of an event in words, in its order."""
    told = Told([], [])
    for name, value in detail.items():
        if name in _HIDDEN:
            continue
        label = _LABELS.get(name, name.replace("_", " "))
        if isinstance(value, list) and len(value) == 2 and name not in _LISTS:
            before, after = value
            told.rows.append((label, _said(name, before), _said(name, after)))
        elif value not in ([], {}, "", None):
            told.facts.append((label, _said(name, value)))
    return told


def _said(name: str, value: Any) -> Any:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name == "role" and value in set(Role):
        return Role(value).label
    if isinstance(value, dict):
        return ", ".join(
            f"{key.replace('.', ' ')}: {_said(key, one)}" for key, one in value.items()
        )
    if isinstance(value, list):
        return ", ".join(str(_said(name, one)) for one in value)
    return value
