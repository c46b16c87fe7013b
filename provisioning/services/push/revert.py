"""Reverting a push or an adoption: what stood at the store before stands there again.

What moved on since is left out and said. What the console wants has not changed by it: the restored
rows are kept as ignored drift until a date, so that nobody overwrites them meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from provisioning.core.errors import Busy, InvalidInput, UnsafePlan
from provisioning.core.limits import LABELS, Category
from provisioning.core.roles import Capability
from provisioning.drivers.base import Kind, Row
from provisioning.models import ConfigStore, Drift, OwnedRow, PushRecord
from provisioning.services import leases
from provisioning.services.accounts.pins import checked_reason
from provisioning.services.actor import Actor
from provisioning.services.bulk import among
from provisioning.services.console import audit
from provisioning.services.push import drift_rows, pause
from provisioning.services.push.activation import activate_servers
from provisioning.services.push.desired import fingerprint
from provisioning.services.push.push_record import Journal
from provisioning.services.push.restoring import Block, Restorer, RevertPlan, blocks
from provisioning.services.servers.driver_access import open_store

# How long what was restored is left alone, unless its account changes.
HOLD_DAYS = 7
_MOST_DAYS = 90


def plan_revert(*, record: PushRecord) -> RevertPlan:
    """What reverting `record` would do now; nothing is written.

    Raises Unreachable or Rejected where the store cannot be read.
    """
    plan = _new_plan(record)
    with open_store(record.store) as driver:
        for _ in blocks(record, driver, plan):
            pass
    return plan


def revert(
    *,
    record: PushRecord,
    reason: str,
    actor: Actor,
    days: int = HOLD_DAYS,
    approved: bool = False,
) -> RevertPlan:
    """Restore what stood before `record`; what was restored is left alone for `days` days.

    Raises UnsafePlan where more lose service than the store's limit, unless somebody who may
    approve says `approved`; Busy while another worker pushes to the store.
    """
    reason = checked_reason(reason)
    if not 1 <= days <= _MOST_DAYS:
        raise InvalidInput(f"Between 1 and {_MOST_DAYS} days. Nothing was reverted.")
    store = record.store
    plan = plan_revert(record=record)
    _check(store, plan, actor, approved=approved)
    owner, this = leases.new_owner(), ConfigStore.objects.filter(pk=store.pk)
    if not leases.claim(this, owner, settings.PUSH_LEASE):
        raise Busy(f"The store {store} is being pushed to. Nothing was reverted; try again.")

    def renew() -> None:
        if not leases.renew(this, owner, settings.PUSH_LEASE):
            raise Busy("Another worker has taken this store over.")

    done = _new_plan(record)
    journal = Journal(store, PushRecord.Kind.REVERT, actor=actor, reason=reason, reverts=record)
    aside = _Aside(store, f"{record} was reverted: {reason}"[:200], days, actor)
    work = Restorer(store, journal, renew, aside)
    try:
        with open_store(store) as driver:
            for block in blocks(record, driver, done):
                work.restore(driver, block, done)
    finally:
        leases.release(this, owner)
    journal.settle()
    activate_servers(store=store)
    drift_rows.recount(store)
    audit.record(
        actor=actor,
        action="reverted",
        obj=record,
        detail={
            "store": store.name, "reason": reason, "rows": done.rows, "released": done.released,
            "left out": done.moved, "failed": len(done.problems), "over the limit": plan.is_unsafe,
        },
    )  # fmt: skip
    return done


def _check(store: ConfigStore, plan: RevertPlan, actor: Actor, *, approved: bool) -> None:
    if plan.idle:
        raise InvalidInput(plan.idle)
    if plan.rows and store.mode != ConfigStore.Mode.MANAGE:
        raise InvalidInput(f"“{store}” is only observed: nothing is written there.")
    if plan.rows and pause.is_paused():
        raise InvalidInput("All pushes are paused. Nothing was reverted.")
    if plan.is_unsafe:
        if approved and (actor.user is None or actor.user.may(Capability.APPROVE)):
            return
        raise UnsafePlan(
            f"{store}: {LABELS[Category.SERVICE]}, {plan.loses:,} accounts could not register any "
            f"more; at most {plan.allowed:,} pass without approval. Nothing was reverted."
        )


def _new_plan(record: PushRecord) -> RevertPlan:
    owned = OwnedRow.objects.filter(store=record.store, kind=Kind.SUBSCRIBER).count()
    return RevertPlan(record, allowed=record.store.limit().allowed(Category.SERVICE, owned))


@dataclass(frozen=True, slots=True)
class _Aside:
    """Leaves what is restored alone for `days` days, whatever the console wants there."""

    store: ConfigStore
    reason: str
    days: int
    actor: Actor

    def __call__(self, block: Block) -> int:
        """Keep as drift that is ignored what the console wants otherwise still; how many rows.

        What it wants just so, as where a revert is reverted, is no drift any more.
        """
        now = timezone.now()
        until = timezone.localdate() + timedelta(days=self.days)
        before = {c.key: c.after for c in block.changes if c.key not in set(block.released)}
        same = self._as_wanted(block.kind, before)
        Drift.objects.filter(store=self.store, kind=block.kind, key__in=among(same)).delete()
        keys = [key for key in before if key not in same]
        rows = [
            Drift(
                store=self.store, kind=block.kind, key=key, first_seen=now, seen_at=now,
                problem=_problem(block.now.get(key), before[key]),
                ignored_until=until, ignored_reason=self.reason, ignored_by=self.actor.user,
            )
            for key in keys
        ]  # fmt: skip
        Drift.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["store", "kind", "key"],
            update_fields=["problem", "seen_at", "ignored_until", "ignored_reason", "ignored_by"],
        )
        return len(keys)

    def _as_wanted(self, kind: Kind, rows: Mapping[str, Row | None]) -> set[str]:
        owned = OwnedRow.objects.filter(store=self.store, kind=kind, key__in=among(list(rows)))
        return {
            key
            for key, content in owned.values_list("key", "content")
            if (row := rows[key]) is not None and fingerprint(row) == content
        }


def _problem(have: Row | None, before: Row | None) -> Drift.Problem:
    if before is None:
        return Drift.Problem.MISSING
    return Drift.Problem.EXTRA if have is None else Drift.Problem.CHANGED
