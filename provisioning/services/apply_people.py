"""Applying planned people and groups: set-based SQL straight from the plan's rows."""

from __future__ import annotations

from typing import Any

from provisioning.core.records import PERSON_FIELDS
from provisioning.models import (
    DirectoryGroup,
    GroupMember,
    GroupNesting,
    Person,
    PlannedChange,
    Run,
)
from provisioning.services import bulk
from provisioning.services.plan import TABLE

PERSON = Person._meta.db_table
_TEXTS = ("dn", *PERSON_FIELDS, "content_hash", "name_key", "search_key")
_MINE = "p.run_id = %(run)s AND p.status = 'planned' AND p.ordinal BETWEEN %(first)s AND %(last)s"

_CREATE = f"""
INSERT INTO {PERSON} (source_id, guid, {", ".join(_TEXTS)}, disabled, left_at, problem, version,
                      first_seen_at, changed_at)
SELECT p.source_id, p.key, {", ".join(f"p.after ->> '{name}'" for name in _TEXTS)},
       CAST(p.after ->> 'disabled' AS boolean), NULL, '', 1, %(now)s, %(now)s
FROM {TABLE} p WHERE {_MINE} AND p.kind = 'person' AND p.action = 'create'
"""  # noqa: S608

_UPDATE = f"""
UPDATE {PERSON} SET {", ".join(f"{name} = COALESCE(p.after ->> '{name}', {PERSON}.{name})" for name in _TEXTS)},
       disabled = COALESCE(CAST(p.after ->> 'disabled' AS boolean), {PERSON}.disabled),
       left_at = NULL, version = {PERSON}.version + 1, changed_at = %(now)s
FROM {TABLE} p
WHERE {_MINE} AND p.kind = 'person' AND p.action IN ('update', 'refresh', 'return')
  AND {PERSON}.source_id = p.source_id AND {PERSON}.guid = p.key
"""  # noqa: S608

_LEAVE = f"""
UPDATE {PERSON} SET left_at = %(now)s, version = {PERSON}.version + 1, changed_at = %(now)s
FROM {TABLE} p
WHERE {_MINE} AND p.kind = 'person' AND p.action = 'leave'
  AND {PERSON}.source_id = p.source_id AND {PERSON}.guid = p.key
"""  # noqa: S608

# A person that somebody else's run created, changed or removed meanwhile is left alone.
_STALE = f"""
UPDATE {TABLE} AS p SET status = 'stale' WHERE {_MINE} AND p.kind = 'person' AND (
    (p.action = 'create' AND EXISTS (
        SELECT 1 FROM {PERSON} WHERE {PERSON}.source_id = p.source_id AND {PERSON}.guid = p.key))
    OR (p.action <> 'create' AND NOT EXISTS (
        SELECT 1 FROM {PERSON} WHERE {PERSON}.source_id = p.source_id AND {PERSON}.guid = p.key
        AND {PERSON}.version = p.base_version)))
"""  # noqa: S608
_CONFLICTS = f"""
UPDATE {PERSON} SET problem = p.message FROM {TABLE} p
WHERE p.run_id = %(run)s AND p.status = 'problem' AND p.kind = 'account'
  AND {PERSON}.source_id = p.source_id AND {PERSON}.guid = p.subject
"""  # noqa: S608


def mark_stale_people(window: dict[str, Any]) -> None:
    """Take rows out of the plan whose person is not any more what the plan was computed from."""
    bulk.execute(_STALE, window)


def keep_conflicts(run: Run) -> None:
    """Keep each person's conflict where the administrator looks, and the next run looks again."""
    bulk.execute(_CONFLICTS, {"run": run.pk})


def apply_people(window: dict[str, Any]) -> None:
    """Create, change and retire the people of one window (run, first, last, now) of a plan."""
    for statement in (_CREATE, _UPDATE, _LEAVE):
        bulk.execute(statement, window)


def apply_groups(run: Run) -> None:
    """Write every planned group of `run` with its members; people exist already."""
    rows = run.changes.filter(kind="group", status=PlannedChange.Status.PLANNED).order_by("ordinal")
    if not rows.exists():
        return
    ids = {
        (source_id, guid): person_id
        for source_id, guid, person_id in Person.objects.filter(source_id=run.source_id)
        .values_list("source_id", "guid", "id")
        .iterator(chunk_size=10_000)
    }
    nesting: dict[int, list[str]] = {}
    for row in rows.iterator(chunk_size=50):
        group = _save_group(row)
        _save_members(row, group, ids)
        nesting[group.pk] = row.after.get("children", [])
    _save_nesting(run, nesting)


def _save_group(row: PlannedChange) -> DirectoryGroup:
    if row.action == "leave":
        group = DirectoryGroup.objects.get(source_id=row.source_id, guid=row.key)
        group.left_at, group.member_count = row.at, 0
        group.version, group.content_hash = group.version + 1, ""
        group.save(update_fields=["left_at", "member_count", "version", "content_hash"])
        return group
    fields = (
        "dn",
        "name",
        "description",
        "name_key",
        "content_hash",
        "member_count",
        "unresolved_count",
    )
    values = {field: row.after[field] for field in fields}
    group, created = DirectoryGroup.objects.update_or_create(
        source_id=row.source_id,
        guid=row.key,
        defaults={**values, "left_at": None, "changed_at": row.at},
    )
    if not created:
        DirectoryGroup.objects.filter(pk=group.pk).update(version=row.base_version + 1)
    return group


def _save_members(
    row: PlannedChange, group: DirectoryGroup, ids: dict[tuple[int, str], int]
) -> None:
    table = GroupMember._meta.db_table
    gone = [*row.after["removed"], *(guid for guid, _ in row.after.get("added", []))]
    person_ids = [ids[row.source_id, guid] for guid in gone if (row.source_id, guid) in ids]
    for start in range(0, len(person_ids), 500):
        GroupMember.objects.filter(
            group=group, person_id__in=person_ids[start : start + 500]
        ).delete()
    members = (
        (group.pk, ids[row.source_id, guid], direct)
        for guid, direct in row.after.get("added", [])
        if (row.source_id, guid) in ids
    )
    bulk.insert_rows(table, ("group_id", "person_id", "direct"), members)


def _save_nesting(run: Run, nesting: dict[int, list[str]]) -> None:
    groups = dict(DirectoryGroup.objects.filter(source_id=run.source_id).values_list("guid", "id"))
    GroupNesting.objects.filter(parent_id__in=list(nesting)).delete()
    GroupNesting.objects.bulk_create(
        [
            GroupNesting(parent_id=parent, child_id=groups[child])
            for parent, children in nesting.items()
            for child in set(children)
            if child in groups
        ],
        batch_size=500,
    )
