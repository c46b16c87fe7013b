"""Checking where a plan homes accounts: whom the new pool would not serve is held, with the reason.

A newcomer outside of a managed scope is no loss and goes on; a pool that is full takes nobody.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import NamedTuple

from django.db.models import Count

from provisioning.core.limits import Category, NoHome
from provisioning.core.states import MEANINGS
from provisioning.models import Account, PlannedChange, Run, ServerPool
from provisioning.services.bulk import among, among_numbers
from provisioning.services.servers.homes import find_full, find_outside, said_outside

_USABLE = [state.value for state, meaning in MEANINGS.items() if meaning.usable]
_PLANNED, _HELD = PlannedChange.Status.PLANNED, PlannedChange.Status.HELD


def hold_homeless(*, run: Run) -> list[NoHome]:
    """Hold accounts that `run` moves to a pool where nobody would serve them, and what is too many.

    Whoever loses service loses it, wherever they move.
    """
    newcomers = run.changes.filter(kind="account", status=_PLANNED, action="create")
    coming: dict[int | None, int] = {}
    if run.counts.get("account.create"):
        by_pool = newcomers.values_list("pool_id").annotate(count=Count("pk"))
        coming = dict(by_pool.order_by())
    moving = _moving(run) if run.counts.get("account.update") else {}
    held = []
    for pool in ServerPool.objects.filter(pk__in={*coming, *moving}).order_by("name"):
        rows = moving.get(pool.pk, {})
        outside = _outside(run, pool, rows)
        if outside:
            held.append(_hold(run, [rows[pk].change for pk in outside], pool, said_outside(pool)))
        others = [pk for pk in rows if pk not in outside]
        new = coming.get(pool.pk, 0)
        if full := find_full(pool=pool, account_ids=others, new=new):
            there = newcomers.filter(pool_id=pool.pk)
            ids = [*(rows[pk].change for pk in others), *there.values_list("pk", flat=True)]
            held.append(_hold(run, ids, pool, full))
    return held


class _Moving(NamedTuple):
    """A planned change of a home pool, by its id, and of whom."""

    change: int
    guid: str


def _moving(run: Run) -> dict[int, dict[int, _Moving]]:
    """By the new pool: each account with service that gets it as its home, by its id."""
    changes = run.changes.filter(
        kind="account", status=_PLANNED, action="update", after__has_key="pool"
    ).exclude(category=Category.SERVICE)
    rows = {
        (source_id, key.partition("/")[0]): (pk, after["pool"])
        for pk, source_id, key, after in changes.values_list("pk", "source_id", "key", "after")
    }
    if not rows:
        return {}
    owners = Account.objects.filter(
        slot="main", state__in=_USABLE, person__guid__in=among({guid for _, guid in rows})
    ).values_list("pk", "person__source_id", "person__guid")
    found: dict[int, dict[int, _Moving]] = defaultdict(dict)
    for pk, source_id, guid in owners.iterator():
        if (source_id, guid) in rows:
            change, pool = rows[source_id, guid]
            found[pool][pk] = _Moving(change, guid)
    return found


def _outside(run: Run, pool: ServerPool, rows: Mapping[int, _Moving]) -> set[int]:
    """Whom nobody would serve there; whoever comes into a group by the same plan may be served."""
    outside = find_outside(pool=pool, account_ids=list(rows))
    if not outside:
        return outside
    groups = run.changes.filter(kind="group", status=_PLANNED, after__has_key="added")
    added = groups.values_list("after__added", flat=True)
    joining = {member[0] for members in added.iterator() for member in members}
    return {pk for pk in outside if rows[pk].guid not in joining}


def _hold(run: Run, ids: Collection[int], pool: ServerPool, reason: str) -> NoHome:
    run.changes.filter(pk__in=among_numbers(list(ids))).update(status=_HELD, message=reason)
    return NoHome(pool.name, len(ids), reason)
