"""Applying planned people: set-based SQL straight from the plan's rows."""

from __future__ import annotations

from collections import Counter
from typing import Any

from provisioning.core.records import PERSON_FIELDS, PERSON_FLAGS
from provisioning.models import Person, Run
from provisioning.services import bulk
from provisioning.services.runs.plan import TABLE

PERSON = Person._meta.db_table
_TEXTS = ("dn", *PERSON_FIELDS, "sid", "content_hash", "name_key", "search_key")
_MINE = "p.run_id = %(run)s AND p.status = 'planned' AND p.ordinal BETWEEN %(first)s AND %(last)s"
_KNOWN = f"{PERSON}.source_id = p.source_id AND {PERSON}.guid = p.key"
_SUBJECT = f"{PERSON}.source_id = p.source_id AND {PERSON}.guid = p.subject"


def _flag(name: str) -> str:
    return f"CAST(p.after ->> '{name}' AS boolean)"


_CREATE = f"""
INSERT INTO {PERSON} (source_id, guid, {", ".join(_TEXTS)}, {", ".join(PERSON_FLAGS)}, left_at,
                      problem, version, first_seen_at, changed_at)
SELECT p.source_id, p.key, {", ".join(f"COALESCE(p.after ->> '{name}', '')" for name in _TEXTS)},
       {", ".join(f"COALESCE({_flag(name)}, FALSE)" for name in PERSON_FLAGS)}, NULL, '', 1,
       %(now)s, %(now)s
FROM {TABLE} p WHERE {_MINE} AND p.kind = 'person' AND p.action = 'create'
"""  # noqa: S608
_UPDATE = f"""
UPDATE {PERSON} SET
       {", ".join(f"{name} = COALESCE(p.after ->> '{name}', {PERSON}.{name})" for name in _TEXTS)},
       {", ".join(f"{name} = COALESCE({_flag(name)}, {PERSON}.{name})" for name in PERSON_FLAGS)},
       left_at = NULL, version = {PERSON}.version + 1, changed_at = %(now)s
FROM {TABLE} p
WHERE {_MINE} AND p.kind = 'person' AND p.action IN ('update', 'refresh', 'return') AND {_KNOWN}
"""  # noqa: S608
_LEAVE = f"""
UPDATE {PERSON} SET left_at = %(now)s, version = {PERSON}.version + 1, changed_at = %(now)s
FROM {TABLE} p WHERE {_MINE} AND p.kind = 'person' AND p.action = 'leave' AND {_KNOWN}
"""  # noqa: S608
# Who is joined to a person, or parted from one. Each of both has another version then, so that
# whatever else was planned about them is out of date; a sync that gives them an account at the same
# moment does not look at it, so the next one looks at both again.
_LEAD = "lead.source_id = CAST(p.after ->> 'source' AS bigint) AND lead.guid = p.after ->> 'person'"
_JOINS = f"{_MINE} AND p.kind = 'person' AND p.action IN ('join', 'separate')"
_STALE_JOINS = f"""
UPDATE {TABLE} AS p SET status = 'stale' WHERE {_JOINS} AND NOT EXISTS (
    SELECT 1 FROM {PERSON} lead WHERE {_LEAD} AND lead.same_as_id IS NULL
      AND lead.version = CAST(p.after ->> 'version' AS bigint))
"""  # noqa: S608
_JOINED_TO = f"""
UPDATE {PERSON} SET version = {PERSON}.version + 1, to_decide = {PERSON}.to_decide + 1
WHERE id IN (
    SELECT lead.id FROM {TABLE} p JOIN {PERSON} lead ON {_LEAD} WHERE {_JOINS})
"""  # noqa: S608
_JOIN = f"""
UPDATE {PERSON} SET same_as_id = CASE WHEN p.action = 'join' THEN lead.id END,
       version = {PERSON}.version + 1, to_decide = {PERSON}.to_decide + 1, changed_at = %(now)s
FROM {TABLE} p, {PERSON} lead WHERE {_JOINS} AND {_LEAD} AND {_KNOWN}
"""  # noqa: S608
# A person that somebody else's run created, changed or removed meanwhile is left alone.
_STALE = f"UPDATE {TABLE} AS p SET status = 'stale' WHERE {_MINE} AND p.kind = 'person'"  # noqa: S608
_STALE_CHANGES = f"""
{_STALE} AND p.action <> 'create' AND NOT EXISTS (
    SELECT 1 FROM {PERSON} WHERE {_KNOWN} AND {PERSON}.version = p.base_version)
"""  # noqa: S608
_STALE_CREATES = f"""
{_STALE} AND p.action = 'create' AND NOT EXISTS (
    SELECT 1 FROM {PERSON} WHERE {_KNOWN} AND {PERSON}.first_seen_at = %(now)s)
"""  # noqa: S608
_SETTLE_CONFLICTS = f"""
UPDATE {PERSON} SET problem = '' FROM {TABLE} p
WHERE {_MINE} AND p.kind = 'account' AND p.action = 'resolve' AND {_SUBJECT}
"""  # noqa: S608
_KEEP_CONFLICTS = f"""
UPDATE {PERSON} SET problem = p.message FROM {TABLE} p
WHERE p.run_id = %(run)s AND p.status = 'problem' AND p.action = 'none' AND {_SUBJECT}
  AND {PERSON}.problem <> p.message
"""  # noqa: S608


def apply_people(window: dict[str, Any], planned: Counter[str]) -> bool:
    """Create, change and retire the people of one window (run, first, last, now) of a plan.

    `planned` counts the window's rows by kind and action. Returns whether a person was not any more
    what was planned from; those rows are marked as out of date.
    """
    stale = 0
    creates = planned["person.create"]
    if creates and len(bulk.insert_new(_CREATE, window, "id")) < creates:
        stale += bulk.execute(_STALE_CREATES, window)
    if sum(count for name, count in planned.items() if name.startswith("person.")) > creates:
        stale += bulk.execute(_STALE_CHANGES, window)
        if planned["person.join"] or planned["person.separate"]:
            stale += bulk.execute(_STALE_JOINS, window)
            for statement in (_JOIN, _JOINED_TO):
                bulk.execute(statement, window)
        bulk.execute(_UPDATE, window)
        bulk.execute(_LEAVE, window)
    return stale > 0


def settle_conflicts(window: dict[str, Any]) -> None:
    """Take away the conflicts that the window's decisions found gone."""
    bulk.execute(_SETTLE_CONFLICTS, window)


def keep_conflicts(run: Run) -> None:
    """Keep each person's conflict where the administrator looks, and the next run looks again."""
    bulk.execute(_KEEP_CONFLICTS, {"run": run.pk})
