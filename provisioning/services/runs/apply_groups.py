"""Applying planned groups: set-based SQL straight from the plan's rows, memberships included."""

from __future__ import annotations

from typing import Any

from provisioning.models import (
    Account,
    DirectoryGroup,
    DirectorySource,
    GroupMember,
    GroupNesting,
    GroupRank,
    Person,
    PlannedChange,
    Run,
)
from provisioning.services import bulk
from provisioning.services.push import outbox
from provisioning.services.runs.plan import TABLE

_GROUP, _PERSON = DirectoryGroup._meta.db_table, Person._meta.db_table
_SOURCE = DirectorySource._meta.db_table
_ACCOUNT, _RANK = Account._meta.db_table, GroupRank._meta.db_table
_MEMBER, _NESTING = GroupMember._meta.db_table, GroupNesting._meta.db_table
_TEXTS = ("dn", "name", "description", "name_key", "content_hash")
_COUNTS = ("member_count", "unresolved_count", "foreign_count")
_MINE = (
    "p.run_id = %(run)s AND p.status = 'planned' AND p.kind = 'group' "
    "AND p.ordinal BETWEEN %(first)s AND %(last)s"
)
_KNOWN = f"{_GROUP}.source_id = p.source_id AND {_GROUP}.guid = p.key"

_STALE = f"""
UPDATE {TABLE} AS p SET status = 'stale' WHERE {_MINE} AND (
    (p.action = 'create' AND EXISTS (SELECT 1 FROM {_GROUP} WHERE {_KNOWN}))
    OR (p.action <> 'create' AND NOT EXISTS (
        SELECT 1 FROM {_GROUP} WHERE {_KNOWN} AND {_GROUP}.version = p.base_version)))
"""  # noqa: S608
_SAVE = f"""
INSERT INTO {_GROUP} (source_id, guid, {", ".join((*_TEXTS, *_COUNTS))}, unknown_members,
                      version, changed_at)
SELECT p.source_id, p.key, {", ".join(f"p.after ->> '{name}'" for name in _TEXTS)},
       {", ".join(f"CAST(p.after ->> '{name}' AS integer)" for name in _COUNTS)},
       p.after -> 'unknown_members', 1, %(now)s
FROM {TABLE} p WHERE {_MINE} AND p.action <> 'leave'
ON CONFLICT (source_id, guid) DO UPDATE SET
       {", ".join(f"{name} = excluded.{name}" for name in (*_TEXTS, *_COUNTS, "unknown_members"))},
       left_at = NULL, version = {_GROUP}.version + 1, changed_at = excluded.changed_at
"""  # noqa: S608
# Without a content hash it is compared anew when it comes back.
_LEAVE = f"""
UPDATE {_GROUP} SET left_at = %(now)s, member_count = 0, content_hash = '',
       version = {_GROUP}.version + 1, changed_at = %(now)s
FROM {TABLE} p WHERE {_MINE} AND p.action = 'leave' AND {_KNOWN}
"""  # noqa: S608
# CROSS JOIN is a plain join that SQLite does from left to right: it does not know that few rows of
# the plan lead to everything else.
_REMOVE = f"""
DELETE FROM {_MEMBER} WHERE id IN (
    SELECT {_MEMBER}.id FROM {TABLE} p
    CROSS JOIN {_GROUP} CROSS JOIN {{removed}}
    CROSS JOIN {_SOURCE}  -- a member may have been read from another source
    CROSS JOIN {_PERSON} CROSS JOIN {_MEMBER}
    WHERE {_MINE} AND {_KNOWN}
      AND {_PERSON}.source_id = {_SOURCE}.id AND {_PERSON}.guid = gone.value
      AND {_MEMBER}.group_id = {_GROUP}.id AND {_MEMBER}.person_id = {_PERSON}.id)
"""  # noqa: S608
_ADD = f"""
INSERT INTO {_MEMBER} (group_id, person_id, direct)
SELECT {_GROUP}.id, {_PERSON}.id, CAST(joined.value ->> 1 AS boolean) FROM {TABLE} p
CROSS JOIN {_GROUP} CROSS JOIN {{added}} CROSS JOIN {_PERSON}
WHERE {_MINE} AND {_KNOWN} AND {_PERSON}.guid = joined.value ->> 0
  AND {_PERSON}.source_id = COALESCE(CAST(joined.value ->> 2 AS bigint), p.source_id)
ON CONFLICT (group_id, person_id) DO UPDATE SET direct = excluded.direct
"""  # noqa: S608
# Whose account has settings by the group, and comes or goes: `members` as of _REMOVE and _ADD.
_REACHED = f"""
SELECT DISTINCT {_ACCOUNT}.aor FROM {TABLE} p
CROSS JOIN {_GROUP} CROSS JOIN {{members}} CROSS JOIN {_PERSON} CROSS JOIN {_ACCOUNT}
WHERE {_MINE} AND {_KNOWN} AND {_GROUP}.id IN (SELECT group_id FROM {_RANK})
  AND {_PERSON}.guid = {{guid}} AND {_ACCOUNT}.person_id IN ({_PERSON}.id, {_PERSON}.same_as_id)
LIMIT {outbox.BULK + 1}
"""  # noqa: S608
_DONE = "p.run_id = %(run)s AND p.status IN ('planned', 'applied') AND p.kind = 'group'"
_UNNEST = f"""
DELETE FROM {_NESTING} WHERE parent_id IN (
    SELECT {_GROUP}.id FROM {TABLE} p JOIN {_GROUP} ON {_KNOWN} WHERE {_DONE})
"""  # noqa: S608
# The inner SELECT keeps PostgreSQL from reading all groups of the source for each of them.
_NEST = f"""
INSERT INTO {_NESTING} (parent_id, child_id)
SELECT parent_id, child_id FROM (
    SELECT {_GROUP}.id AS parent_id,
           (SELECT child.id FROM {_GROUP} child
            WHERE child.source_id = p.source_id AND child.guid = inner_group.value) AS child_id
    FROM {TABLE} p CROSS JOIN {_GROUP} CROSS JOIN {{children}}
    WHERE {_DONE} AND {_KNOWN}) AS nested
WHERE child_id IS NOT NULL
ON CONFLICT (parent_id, child_id) DO NOTHING
"""  # noqa: S608


def apply_groups(run: Run, window: dict[str, Any]) -> bool:
    """Write the groups of one window with their members; their people exist already.

    Which group is in which is written with the last of them, when all of them exist. Returns
    whether a group was not any more what was planned from; those rows are marked as out of date.
    """
    stale = bulk.execute(_STALE, window)
    bulk.execute(_SAVE, window)
    bulk.execute(_LEAVE, window)
    gone, joined = (
        bulk.texts("p.after", "removed", "gone"),
        bulk.elements("p.after", "added", "joined"),
    )
    bulk.execute(_REMOVE.format(removed=gone), window)
    bulk.execute(_ADD.format(added=joined), window)
    if GroupRank.objects.exists():
        members = ((gone, "gone.value"), (joined, "joined.value ->> 0"))
        _mark_settings([_REACHED.format(members=each, guid=guid) for each, guid in members], window)
    planned = run.changes.filter(kind="group", status=PlannedChange.Status.PLANNED)
    if not planned.filter(ordinal__gt=window["last"]).exists():
        bulk.execute(_UNNEST, window)
        bulk.execute(
            _NEST.format(children=bulk.texts("p.after", "children", "inner_group")), window
        )
    return stale > 0


def _mark_settings(queries: list[str], window: dict[str, Any]) -> None:
    """Ask for the settings of those who come into groups with settings, or leave them."""
    aors = sorted({aor for query in queries for (aor,) in bulk.fetch(query, window)})
    outbox.mark_preferences(aors=aors)
