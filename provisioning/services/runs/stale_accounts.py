"""Planned accounts that no longer fit: marked right before a plan is applied, never forced."""

from __future__ import annotations

from typing import Any

from django.db import connection

from provisioning.models import (
    Account,
    AccountRule,
    Alias,
    ClientProfile,
    Number,
    ServerPool,
    SipDomain,
    Site,
)
from provisioning.services import bulk
from provisioning.services.runs.apply_people import PERSON
from provisioning.services.runs.plan import TABLE

ACCOUNT, NUMBER = Account._meta.db_table, Number._meta.db_table
_ALIAS = Alias._meta.db_table
# The planned accounts of a window (run, first, last).
PLANNED = (
    "p.run_id = %(run)s AND p.kind = 'account' AND p.status = 'planned' "
    "AND p.ordinal BETWEEN %(first)s AND %(last)s"
)
ITS_PERSON = f"{PERSON}.source_id = p.source_id AND {PERSON}.guid = p.subject"
# The account of a plan's row: its person's, in the main slot.
_ITS_PERSONS_ID = f"(SELECT id FROM {PERSON} WHERE {ITS_PERSON})"  # noqa: S608
ITS_ACCOUNT = f"{ACCOUNT}.slot = 'main' AND {ACCOUNT}.person_id = {_ITS_PERSONS_ID}"
_STALE = f"UPDATE {TABLE} AS p SET status = 'stale' WHERE {PLANNED}"  # noqa: S608
_TAKEN = f"{ACCOUNT}.aor = p.after ->> 'aor' AND {ACCOUNT}.state <> 'removed'"

_LOCK = f"""
SELECT {ACCOUNT}.id FROM {ACCOUNT} JOIN {TABLE} p ON {ITS_ACCOUNT}
WHERE {PLANNED} AND p.action = 'update' ORDER BY {ACCOUNT}.id FOR UPDATE OF {ACCOUNT}
"""  # noqa: S608
_UPDATES = f"""
{_STALE} AND p.action = 'update' AND NOT EXISTS (
    SELECT 1 FROM {ACCOUNT} WHERE {ITS_ACCOUNT} AND {ACCOUNT}.version = p.base_version)
"""  # noqa: S608
_CREATES = f"""
{_STALE} AND p.action = 'create' AND NOT EXISTS (
    SELECT 1 FROM {ACCOUNT} WHERE {ITS_ACCOUNT} AND {ACCOUNT}.created_at = %(now)s)
"""  # noqa: S608
# The SIP URI's holder has to give it up within the same window, or did so in an earlier one.
_RENAMES = f"""
{_STALE} AND p.action = 'update' AND p.after ->> 'aor' IS NOT NULL AND EXISTS (
    SELECT 1 FROM {ACCOUNT} WHERE {_TAKEN} AND ({ACCOUNT}.person_id IS NULL
        OR {ACCOUNT}.person_id <> {_ITS_PERSONS_ID})
    AND NOT EXISTS (
        SELECT 1 FROM {PERSON} holder JOIN {TABLE} q
            ON q.kind = 'account' AND q.key = holder.guid || '/' || {ACCOUNT}.slot
        WHERE holder.id = {ACCOUNT}.person_id AND q.source_id = holder.source_id
            AND q.run_id = %(run)s AND q.status = 'planned' AND q.action = 'update'
            AND q.ordinal BETWEEN %(first)s AND %(last)s AND q.after ->> 'aor' IS NOT NULL))
"""  # noqa: S608
# Nobody but its former account gets a SIP URI that leads on.
_LED = f"""
{_STALE} AND p.after ->> 'aor' IS NOT NULL AND EXISTS (
    SELECT 1 FROM {_ALIAS} JOIN {ACCOUNT} ON {ACCOUNT}.id = {_ALIAS}.account_id
    WHERE {_ALIAS}.aor = p.after ->> 'aor' AND ({ACCOUNT}.person_id IS NULL
        OR {ACCOUNT}.person_id <> {_ITS_PERSONS_ID}))
"""  # noqa: S608
# What the same run released carries the end of its quarantine, the same one in every window.
# An undo gives back what the run that it undoes released.
_BEFORE_THIS_RUN = (
    "(n.quarantined_until IS NULL OR n.quarantined_until NOT IN (%(quarantine)s, %(returning)s))"
)
# The number's holder has to give it up within the same plan. An OFFSET keeps PostgreSQL from
# looking at all numbers there are instead of those of the window.
_NUMBERS = f"""
{_STALE} AND p.after ->> 'number' <> '' AND EXISTS (
    SELECT 1 FROM {NUMBER} n
    LEFT JOIN {ACCOUNT} owner ON owner.id = n.account_id
    LEFT JOIN {PERSON} holder ON holder.id = owner.person_id
    LEFT JOIN {TABLE} q ON q.kind = 'account' AND q.key = holder.guid || '/' || owner.slot
        AND q.run_id = %(run)s AND q.source_id = holder.source_id
        AND q.status IN ('planned', 'applied') AND q.after ->> 'number' IS NOT NULL
    WHERE n.e164 = p.after ->> 'number' AND (
        n.state = 'used elsewhere' OR (n.state = 'quarantined' AND {_BEFORE_THIS_RUN})
        OR (n.account_id IS NOT NULL AND q.id IS NULL))
    LIMIT 1 OFFSET 0)
"""  # noqa: S608
_REFERENCES = {
    "domain": SipDomain, "pool": ServerPool, "site": Site, "rule": AccountRule,
    "profile": ClientProfile,
}  # fmt: skip


def _leads_nowhere(name: str, table: str) -> str:
    row = f"CAST(p.after ->> '{name}' AS bigint)"
    return f"({row} <> 0 AND NOT EXISTS (SELECT 1 FROM {table} WHERE {table}.id = {row}))"  # noqa: S608


_ANYWHERE = " OR ".join(
    _leads_nowhere(name, model._meta.db_table) for name, model in _REFERENCES.items()
)
_GONE = f"{_STALE} AND ({_ANYWHERE})"
_FOLLOWERS = f"""
UPDATE {TABLE} AS p SET status = 'stale'
WHERE p.run_id = %(run)s AND p.status = 'planned' AND p.kind = 'account'
  AND p.ordinal >= %(first)s AND p.subject IN (
    SELECT q.key FROM {TABLE} q
    WHERE q.run_id = %(run)s AND q.kind = 'person' AND q.status = 'stale'
    UNION ALL
    SELECT q.subject FROM {TABLE} q
    WHERE q.run_id = %(run)s AND q.kind = 'person' AND q.status = 'stale')
"""  # noqa: S608


def mark_stale_references(window: dict[str, Any]) -> int:
    """Take rows out of the window that lead to what was deleted since they were planned.

    The database refuses them by itself, when the transaction ends: asked only after that.
    """
    return bulk.execute(_GONE, window)


def lock_accounts(window: dict[str, Any]) -> None:
    """Keep everybody else from the window's accounts; SQLite has only one writer anyway."""
    if connection.features.has_select_for_update:
        bulk.execute(_LOCK, window)


def mark_stale_accounts(window: dict[str, Any], *, changes: bool) -> int:
    """Take rows out of the window that no longer fit what is; how many.

    `changes` is whether it has more than new accounts.
    """
    stale = bulk.execute(_UPDATES, window) if changes else 0
    if Alias.objects.exists():
        stale += bulk.execute(_LED, window)
    while changes and (more := bulk.execute(_RENAMES, window)):
        stale += more
    while more := bulk.execute(_NUMBERS, window):
        stale += more  # whoever waits for the number of a stale row has to wait as well
    return stale


def mark_stale_creates(window: dict[str, Any]) -> int:
    """The accounts that were not created, for somebody has the SIP URI or nobody is there."""
    return bulk.execute(_CREATES, window)


def mark_stale_followers(window: dict[str, Any]) -> None:
    """What follows from a person whose own row is out of date is out of date too, to the end."""
    bulk.execute(_FOLLOWERS, window)
