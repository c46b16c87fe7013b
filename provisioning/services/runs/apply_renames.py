"""Applying planned SIP URIs: who takes whose, old ones that lead on, proposals that come and go."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from provisioning.models import Alias, PlannedChange, Proposal, Run
from provisioning.services import bulk
from provisioning.services.runs.plan import TABLE
from provisioning.services.runs.stale_accounts import ACCOUNT, ITS_ACCOUNT, PLANNED

_ALIAS, _PROPOSAL = Alias._meta.db_table, Proposal._meta.db_table
_RENAMED = f"{PLANNED} AND p.action = 'update' AND p.after ->> 'aor' IS NOT NULL"
_FROM_RENAMED = f"FROM {TABLE} p JOIN {ACCOUNT} ON {ITS_ACCOUNT} WHERE {_RENAMED}"
_ADDRESSES = f"SELECT p.before ->> 'aor', p.after ->> 'aor' FROM {TABLE} p WHERE {_RENAMED}"  # noqa: S608
# No user part begins so; the plan gives every one of these accounts its new one right after.
_SET_ASIDE = f"""
UPDATE {ACCOUNT} SET user_part = '~' || {ACCOUNT}.id
FROM {TABLE} p WHERE {_RENAMED} AND {ITS_ACCOUNT}
"""  # noqa: S608
_LEAD_ON = f"""
INSERT INTO {_ALIAS} (account_id, domain_id, user_part, aor, ends_at, created_at)
SELECT {ACCOUNT}.id, {ACCOUNT}.domain_id, {ACCOUNT}.user_part, {ACCOUNT}.aor, {{ends_at}}, %(now)s
{_FROM_RENAMED} AND p.after ->> 'alias_days' IS NOT NULL
ON CONFLICT (aor) DO UPDATE SET account_id = excluded.account_id, ends_at = excluded.ends_at
"""
_END_TAKEN = f"""
DELETE FROM {_ALIAS} WHERE aor IN (SELECT p.after ->> 'aor' FROM {TABLE} p WHERE {_RENAMED})
"""  # noqa: S608
_END_PROPOSALS = f"""
DELETE FROM {_PROPOSAL} WHERE account_id IN (SELECT {ACCOUNT}.id {_FROM_RENAMED})
"""  # noqa: S608
_WITHDRAW = f"""
DELETE FROM {_PROPOSAL} WHERE account_id IN (
    SELECT {ACCOUNT}.id FROM {TABLE} p JOIN {ACCOUNT} ON {ITS_ACCOUNT}
    WHERE {PLANNED} AND p.action = 'withdraw')
"""  # noqa: S608
_OF_CHANGED = f"""
SELECT {_ALIAS}.aor FROM {TABLE} p JOIN {ACCOUNT} ON {ITS_ACCOUNT}
JOIN {_ALIAS} ON {_ALIAS}.account_id = {ACCOUNT}.id WHERE {PLANNED} AND p.action = 'update'
"""  # noqa: S608
_KEEP_PROPOSALS = f"""
INSERT INTO {_PROPOSAL} (account_id, aor, state, run_id, created_at)
SELECT {ACCOUNT}.id, p.after ->> 'SIP URI', 'open', p.run_id, %(now)s
FROM {TABLE} p JOIN {ACCOUNT} ON {ITS_ACCOUNT}
WHERE p.run_id = %(run)s AND p.status = 'proposed'
ON CONFLICT (account_id) DO UPDATE SET aor = excluded.aor, state = 'open',
    run_id = excluded.run_id, created_at = excluded.created_at, decided_by_id = NULL,
    decided_at = NULL
"""  # noqa: S608


def find_circles(run: Run, planned: QuerySet[PlannedChange]) -> dict[int, int]:
    """Which rows belong into one transaction: the ordinal of one that takes a SIP URI → that of a
    later one that gives it up.

    Only in a circle does a plan take before it gives.
    """
    if not run.counts.get("account.update"):
        return {}
    renames = planned.filter(kind="account", action="update", after__has_key="aor")
    rows = list(renames.values_list("ordinal", "before__aor", "after__aor"))
    given_up = {before: ordinal for ordinal, before, _ in rows}
    return {
        ordinal: given_up[after] for ordinal, _, after in rows if given_up.get(after, 0) > ordinal
    }


def make_way(window: dict[str, Any]) -> bool:
    """Before a window's accounts change: keep old SIP URIs as aliases, free those that others take.

    Returns whether any SIP URI changes.
    """
    rows = bulk.fetch(_ADDRESSES, window)
    if not rows:
        return False
    days = "CAST(p.after ->> 'alias_days' AS bigint)"
    bulk.execute(_LEAD_ON.format(ends_at=bulk.days_later(days)), window)
    if {before for before, _ in rows} & {after for _, after in rows}:
        bulk.execute(_SET_ASIDE, window)
    return True


def end_replaced(window: dict[str, Any]) -> None:
    """After a window's accounts changed: end the aliases that accounts have now, and proposals."""
    bulk.execute(_END_TAKEN, window)
    bulk.execute(_END_PROPOSALS, window)


def aliases_of_changed(window: dict[str, Any]) -> set[str]:
    """The old SIP URIs that lead to accounts of a window: they follow them to another place."""
    if not Alias.objects.exists():
        return set()
    return {aor for (aor,) in bulk.fetch(_OF_CHANGED, window)}


def withdraw_proposals(window: dict[str, Any]) -> None:
    """Take away the proposals that fell away."""
    bulk.execute(_WITHDRAW, window)


def keep_proposals(run: Run) -> None:
    """Keep what the rules propose where somebody decides, and no other run proposes it again."""
    bulk.execute(_KEEP_PROPOSALS, {"run": run.pk, "now": bulk.moment()})
