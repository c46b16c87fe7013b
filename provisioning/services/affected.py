"""Whose accounts a run has to look at: changed people, moved members, open conflicts, or everybody."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from provisioning.core.records import PERSON_FIELDS
from provisioning.models import DirectorySource, GroupMember, Person, PlannedChange, Run
from provisioning.services.decide import PersonView

_VALUES = ("dn", *PERSON_FIELDS, "disabled")
_COLUMNS = ("id", "source_id", "guid", "left_at", "problem", *_VALUES)
_CHUNK = 500
Memberships = dict[str, set[int]]


def memberships_of(members: dict[int, set[str]]) -> Memberships:
    """Turn group id → GUIDs of members into GUID → ids of groups."""
    found: Memberships = {}
    for group_id, guids in members.items():
        for guid in guids:
            found.setdefault(guid, set()).add(group_id)
    return found


def kept_members(group_ids: Iterable[int]) -> dict[int, set[str]]:
    """The effective members that are kept of the given groups."""
    members: dict[int, set[str]] = {group_id: set() for group_id in group_ids}
    rows = GroupMember.objects.filter(group_id__in=list(members)).values_list(
        "group_id", "person__guid"
    )
    for group_id, guid in rows.iterator(chunk_size=10_000):
        members[group_id].add(guid)
    return members


def everybody(memberships: Memberships) -> Iterator[PersonView]:
    """Every person of every source, for a run of the account rules."""
    for row in Person.objects.order_by("id").values(*_COLUMNS).iterator(chunk_size=2000):
        yield _view(row, {}, present=row["left_at"] is None, memberships=memberships)


def affected_by(
    run: Run, source: DirectorySource, moved: set[str], memberships: Memberships
) -> Iterator[PersonView]:
    """The people whose accounts this sync has to decide, each once, as the run will leave them."""
    others = moved | set(
        Person.objects.filter(source=source).exclude(problem="").values_list("guid", flat=True)
    )
    for chunk in _planned_people(run):
        known = _known(source, [key for _, key, action, _ in chunk if action != "create"])
        for _, key, action, after in chunk:
            others.discard(key)
            yield _changed(source, key, action, after, known.get(key), memberships)
    # Whoever left is affected only through the plan; a held or unreadable person stays as known.
    for guids in _chunks(sorted(others)):
        for row in _known(source, list(guids)).values():
            if row["left_at"] is None:
                yield _view(row, {}, present=True, memberships=memberships)


def _planned_people(run: Run) -> Iterator[list[Any]]:
    """Planned people in pages by ordinal, for the plan grows while they are read."""
    planned = run.changes.filter(kind="person", status=PlannedChange.Status.PLANNED).exclude(
        action="refresh"
    )
    last = 0
    while True:
        page = list(
            planned.filter(ordinal__gt=last)
            .order_by("ordinal")
            .values_list("ordinal", "key", "action", "after")[:_CHUNK]
        )
        if not page:
            return
        last = page[-1][0]
        yield page


def _changed(
    source: DirectorySource, guid: str, action: str, after: dict[str, Any], old: dict[str, Any] | None,
    memberships: Memberships,
) -> PersonView:  # fmt: skip
    if old is None:
        values = {name: after[name] for name in _VALUES}
        return PersonView(source.pk, guid, values, {}, True, memberships.get(guid, ()))
    if action == "leave":
        return _view(old, {}, present=False, memberships=memberships)
    return _view(old, after, present=True, memberships=memberships)


def _view(
    row: dict[str, Any], after: dict[str, Any], *, present: bool, memberships: Memberships
) -> PersonView:
    return PersonView(
        source_id=row["source_id"],
        guid=row["guid"],
        values={name: after.get(name, row[name]) for name in _VALUES},
        before={name: row[name] for name in _VALUES if name in after},
        present=present,
        groups=memberships.get(row["guid"], ()),
        person_id=row["id"],
        problem=row["problem"],
    )


def _known(source: DirectorySource, guids: list[str]) -> dict[str, dict[str, Any]]:
    if not guids:
        return {}
    rows = Person.objects.filter(source=source, guid__in=guids).values(*_COLUMNS)
    return {row["guid"]: row for row in rows}


def _chunks(items: Iterable[Any]) -> Iterator[list[Any]]:
    chunk: list[Any] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == _CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
