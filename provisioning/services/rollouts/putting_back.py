"""Putting back what the stages of a rollout changed; what it wanted is held back from then on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Q

from provisioning.core.errors import Busy
from provisioning.models import ConfigStore, OwnedRow, PushRecord, Rollout, SipServer
from provisioning.services import bulk, leases
from provisioning.services.actor import SCHEDULE
from provisioning.services.bulk import among
from provisioning.services.push import outbox
from provisioning.services.push.activation import activate_servers
from provisioning.services.push.desired import fingerprint
from provisioning.services.push.push_record import Journal
from provisioning.services.push.restoring import Block, Restorer, RevertPlan, blocks
from provisioning.services.servers.driver_access import open_store


@dataclass(frozen=True, slots=True)
class _Held:
    """The console wants the rows as before; they wait, held back by the stage that wrote them."""

    record: PushRecord

    def __call__(self, block: Block) -> int:
        keys = [change.key for change in block.changes]
        outbox.mark(
            store_ids=[self.record.store_id], kind=block.kind, keys=keys,
            stage=self.record.stage_id,
        )  # fmt: skip
        return len(keys)


def put_back(rollout: Rollout, *, renew: Callable[[], None]) -> str:
    """Restore what every stage wrote since the rollout began, the last first; what became of it.

    Done again after a crash, it goes on: what is as before already is left alone. Raises Busy where
    a worker still pushes to a store, or where `renew` does; ProvisioningError from an unreachable
    store is told in the answer, and the rows there stay as they are.
    """
    records = PushRecord.objects.filter(
        stage__rollout=rollout, kind=PushRecord.Kind.PUSH, at__gte=rollout.begun_at
    )
    total = 0
    said: list[str] = []
    written = ConfigStore.objects.filter(pk__in=records.values("store")).order_by("name")
    for store in written:
        mine = list(records.filter(store=store).order_by("-pk"))
        plans = _put_back_at(store, mine, f"{rollout} was rolled back", renew)
        rows = sum(plan.rows for plan in plans)
        total += rows
        moved = sum(plan.moved for plan in plans)
        failed = sum(len(plan.problems) for plan in plans)
        said.append(f"{rows:,} row{'s' if rows != 1 else ''} put back at {store}.")
        if moved:
            said.append(f"{moved:,} had changed since and were left.")
        if failed:
            said.append(f"{failed:,} could not be put back.")
    # Every key was read and compared: nothing is in doubt, whatever was broken off.
    PushRecord.objects.filter(Q(pk__in=records) | Q(reverts__in=records)).update(settled=True)
    waiting = SipServer.objects.filter(store__in=written, enabled=True).exclude(reload_pending=[])
    said += [f"{server.name} reloads as soon as it answers." for server in waiting]
    untouched = [stage.name for stage in rollout.stages.filter(opened_at__isnull=True)]
    if untouched:
        said.append(f"Not touched: {', '.join(untouched)}.")
    return " ".join(said) if total or untouched else "Nothing had been changed yet."


def _put_back_at(
    store: ConfigStore, records: list[PushRecord], reason: str, renew: Callable[[], None]
) -> list[RevertPlan]:
    owner, this = leases.new_owner(), ConfigStore.objects.filter(pk=store.pk)
    if not leases.claim(this, owner, settings.PUSH_LEASE):
        raise Busy(f"The store {store} is being pushed to.")

    def keep_both() -> None:
        renew()
        if not leases.renew(this, owner, settings.PUSH_LEASE):
            raise Busy("Another worker has taken this store over.")

    plans = []
    try:
        with open_store(store) as driver:
            for record in records:
                plan = RevertPlan(record)
                journal = Journal(
                    store, PushRecord.Kind.REVERT, actor=SCHEDULE, reason=reason, reverts=record
                )
                work = Restorer(store, journal, keep_both, _Held(record))
                for block in blocks(record, driver, plan):
                    if block.changes:
                        work.restore(driver, block, plan)
                        _note_as_written(store, block, plan)
                journal.settle()
                plans.append(plan)
        activate_servers(store=store)
    finally:
        leases.release(this, owner)
    return plans


def _note_as_written(store: ConfigStore, block: Block, plan: RevertPlan) -> None:
    """What stands there again is what the console left there; a row that is gone is nobody's."""
    done = [change for change in block.changes if change.key not in plan.problems]
    gone = [change.key for change in done if change.after is None]
    owned = OwnedRow.objects.filter(store=store, kind=block.kind)
    owned.filter(key__in=among(gone)).delete()
    bulk.upsert_rows(
        OwnedRow._meta.db_table,
        shared={"store_id": store.pk, "kind": block.kind.value},
        key="key",
        values={each.key: fingerprint(each.after) for each in done if each.after is not None},
        value="content",
    )
