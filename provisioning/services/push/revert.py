"""Reverting a push or an adoption: what stood at the store before stands there again.

What moved on since is left out and said. What the console wants has not changed by it: the restored
rows are kept as ignored drift until a date, so that nobody overwrites them meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from provisioning.core.errors import Busy, InvalidInput, Rejected, UnsafePlan
from provisioning.core.limits import LABELS, Category
from provisioning.core.roles import Capability
from provisioning.drivers.base import Kind, Row, RowChange, StoreDriver, SubscriberRow
from provisioning.models import ConfigStore, Drift, OwnedRow, PendingChange, PushRecord
from provisioning.services import bulk, leases
from provisioning.services.accounts.pins import checked_reason
from provisioning.services.actor import Actor
from provisioning.services.bulk import among
from provisioning.services.console import audit
from provisioning.services.push import drift_rows, pause
from provisioning.services.push.activation import activate_servers, end_registrations, note_reloads
from provisioning.services.push.desired import fingerprint
from provisioning.services.push.push_record import Image, Journal, blocks_of
from provisioning.services.servers.driver_access import open_store

# How long what was restored is left alone, unless its account changes.
HOLD_DAYS = 7
_MOST_DAYS = 90
_EXAMPLES = 20


@dataclass(slots=True)
class RevertPlan:
    """What a revert does: rows written back, created again and deleted; `moved` are left out.

    `released` are adopted rows that are nobody's here afterwards; `loses` accounts that cannot
    register any more, of which `allowed` pass without approval.
    """

    record: PushRecord
    written: int = 0
    created: int = 0
    deleted: int = 0
    released: int = 0
    moved: int = 0
    loses: int = 0
    allowed: int = 0
    moved_examples: list[str] = field(default_factory=list)
    examples: list[tuple[str, str]] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Rows of the store that change."""
        return self.written + self.created + self.deleted

    @property
    def is_unsafe(self) -> bool:
        """Whether more lose service than the store's limit lets pass."""
        return self.loses > self.allowed


@dataclass(slots=True)
class _Block:
    """What is done with one block of images of one kind."""

    kind: Kind
    changes: list[RowChange] = field(default_factory=list)
    now: dict[str, Row] = field(default_factory=dict)
    released: list[str] = field(default_factory=list)


def plan_revert(*, record: PushRecord) -> RevertPlan:
    """What reverting `record` would do now; nothing is written.

    Raises Unreachable or Rejected where the store cannot be read.
    """
    plan = _new_plan(record)
    with open_store(record.store) as driver:
        for _ in _blocks(record, driver, plan):
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
    work = _Work(store, journal, renew, f"{record} was reverted: {reason}"[:200], days, actor)
    try:
        with open_store(store) as driver:
            for block in _blocks(record, driver, done):
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
    if not plan.rows and not plan.released:
        raise InvalidInput("Nothing of it can be reverted: everything has moved on since.")
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


def _blocks(record: PushRecord, driver: StoreDriver, plan: RevertPlan) -> Iterator[_Block]:
    """What is to be done, block by block; `plan` counts meanwhile."""
    adopted = record.kind == PushRecord.Kind.ADOPTION
    for images in blocks_of(record=record):
        kind = images[0].kind
        keys = [image.key for image in images]
        now = {row.key: row for row in driver.read(kind, keys)}
        owned = OwnedRow.objects.filter(store=record.store, kind=kind, key__in=among(keys))
        contents = dict(owned.values_list("key", "content"))
        block = _Block(kind)
        for image in images:
            have = now.get(image.key)
            content = contents.get(image.key, "")
            written = content if adopted else image.after
            # A revert leaves rows otherwise than the console wants them.
            wanted = content if record.kind != PushRecord.Kind.REVERT else written
            if not _is_as_left(have, written, wanted):
                plan.moved += 1
                if len(plan.moved_examples) < _EXAMPLES:
                    plan.moved_examples.append(image.key)
                continue
            if adopted:
                block.released.append(image.key)
                plan.released += 1
            if have != image.before:
                _note(plan, block, image, have)
        yield block


def _is_as_left(have: Row | None, written: str, wanted: str) -> bool:
    """Whether a row is as the push left it, and the console wrote nothing else since."""
    if have is None or not written:
        return have is None and not written
    return fingerprint(have) == written == wanted


def _note(plan: RevertPlan, block: _Block, image: Image, have: Row | None) -> None:
    block.changes.append(RowChange(block.kind, image.key, image.before))
    if have is None:
        plan.created += 1
        what = "is created again"
    elif image.before is None:
        plan.deleted += 1
        what = "is deleted again"
    else:
        plan.written += 1
        what = "gets back what it held"
    if have is not None:
        block.now[image.key] = have
    before = image.before
    if (isinstance(have, SubscriberRow) and have.ha1 is not None) and (
        before is None or (isinstance(before, SubscriberRow) and before.ha1 is None)
    ):
        plan.loses += 1
    if len(plan.examples) < _EXAMPLES:
        plan.examples.append((image.key, what))


@dataclass(frozen=True, slots=True)
class _Work:
    """Writes blocks back, as long as the lease is ours."""

    store: ConfigStore
    journal: Journal
    renew: Callable[[], None]
    reason: str
    days: int
    actor: Actor

    def restore(self, driver: StoreDriver, block: _Block, plan: RevertPlan) -> None:
        changes = block.changes
        prints = {c.key: fingerprint(c.after) if c.after else "" for c in changes}
        with transaction.atomic():
            self.renew()
            self.journal.note(
                block.kind,
                [Image(block.kind, c.key, block.now.get(c.key), prints[c.key]) for c in changes],
            )
            kinds = {block.kind} & driver.reload_kinds if changes else frozenset[Kind]()
            note_reloads(store=self.store, kinds=kinds)
            self._leave_alone(block)
        outcomes = driver.apply(changes) if changes else []
        failed = {each.key: each.error for each in outcomes if each.error}
        plan.problems |= failed
        if len(failed) == len(changes) > 0 and not plan.released:
            raise Rejected(f"The store refused everything: {next(iter(failed.values()))}")
        with transaction.atomic():
            self.renew()
            self._settle(block, failed)
        gone = [c.key for c in changes if c.key not in failed and _locks(c.after)]
        if block.kind is Kind.SUBSCRIBER:
            end_registrations(store=self.store, aors=gone, seconds=settings.PUSH_SLICE)

    def _leave_alone(self, block: _Block) -> None:
        """Keep what is restored as drift that is ignored: the console wants it otherwise still."""
        now = timezone.now()
        until = timezone.localdate() + timedelta(days=self.days)
        keys = [c.key for c in block.changes if c.key not in set(block.released)]
        before = {c.key: c.after for c in block.changes}
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

    def _settle(self, block: _Block, failed: dict[str, str]) -> None:
        owned = OwnedRow.objects.filter(store=self.store, kind=block.kind)
        released = [key for key in block.released if key not in failed]
        owned.filter(key__in=among(released)).delete()
        pending = PendingChange.objects.filter(store=self.store, kind=block.kind)
        pending.filter(key__in=among(released)).delete()
        again = {
            c.key: fingerprint(c.after)
            for c in block.changes
            if c.after is not None and c.key not in block.now and c.key not in failed
        }
        bulk.upsert_rows(
            OwnedRow._meta.db_table,
            shared={"store_id": self.store.pk, "kind": block.kind.value}, key="key",
            values=again, value="content",
        )  # fmt: skip


def _problem(have: Row | None, before: Row | None) -> Drift.Problem:
    if before is None:
        return Drift.Problem.MISSING
    return Drift.Problem.EXTRA if have is None else Drift.Problem.CHANGED


def _locks(row: Row | None) -> bool:
    return row is None or (isinstance(row, SubscriberRow) and row.ha1 is None)
