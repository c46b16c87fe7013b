"""Putting back what stood at a store before rows were changed, block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from django.conf import settings
from django.db import transaction

from provisioning.core.errors import Rejected
from provisioning.drivers.base import Kind, Row, RowChange, StoreDriver, SubscriberRow
from provisioning.models import ConfigStore, OwnedRow, PendingChange, PushRecord
from provisioning.services import bulk
from provisioning.services.bulk import among
from provisioning.services.push.activation import end_registrations, note_reloads
from provisioning.services.push.desired import fingerprint
from provisioning.services.push.push_record import Image, Journal, blocks_of

_EXAMPLES = 20


@dataclass(slots=True)
class RevertPlan:
    """What a revert does: rows written back, created again and deleted; `moved` are left out.

    `released` are adopted rows that are nobody's here afterwards; `loses` accounts that cannot
    register any more, of which `allowed` pass without approval; `aside` rows that the console wants
    otherwise, once it is done. Examples are (kind, key, what is
    done with it), of what moved on (kind, key).
    """

    record: PushRecord
    written: int = 0
    created: int = 0
    deleted: int = 0
    released: int = 0
    moved: int = 0
    loses: int = 0
    allowed: int = 0
    aside: int = 0
    moved_examples: list[tuple[str, str]] = field(default_factory=list)
    examples: list[tuple[str, str, str]] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Rows of the store that change."""
        return self.written + self.created + self.deleted

    @property
    def idle(self) -> str:
        """Why there is nothing to do, where there is nothing."""
        if self.rows or self.released:
            return ""
        if self.moved:
            return "Nothing of it can be reverted: everything has moved on since."
        return "There is nothing to revert: what stood there before stands there again."

    @property
    def is_unsafe(self) -> bool:
        """Whether more lose service than the store's limit lets pass."""
        return self.loses > self.allowed


@dataclass(slots=True)
class Block:
    """What is done with one block of images of one kind; `now` is what stands there until then."""

    kind: Kind
    changes: list[RowChange] = field(default_factory=list)
    now: dict[str, Row] = field(default_factory=dict)
    released: list[str] = field(default_factory=list)


def blocks(record: PushRecord, driver: StoreDriver, plan: RevertPlan) -> Iterator[Block]:
    """What is to be done, block by block; `plan` counts meanwhile."""
    adopted = record.kind == PushRecord.Kind.ADOPTION
    for images in blocks_of(record=record):
        kind = images[0].kind
        keys = [image.key for image in images]
        now = {row.key: row for row in driver.read(kind, keys)}
        owned = OwnedRow.objects.filter(store=record.store, kind=kind, key__in=among(keys))
        contents = dict(owned.values_list("key", "content"))
        block = Block(kind)
        for image in images:
            have = now.get(image.key)
            if have == image.before and not adopted:
                continue
            content = contents.get(image.key, "")
            written = content if adopted else image.after
            # A revert leaves rows otherwise than the console wants them.
            wanted = content if record.kind != PushRecord.Kind.REVERT else written
            if not _is_as_left(have, written, wanted):
                plan.moved += 1
                if len(plan.moved_examples) < _EXAMPLES:
                    plan.moved_examples.append((kind.label, image.key))
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


def _note(plan: RevertPlan, block: Block, image: Image, have: Row | None) -> None:
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
        plan.examples.append((block.kind.label, image.key, what))


@dataclass(frozen=True, slots=True)
class Restorer:
    """Writes blocks back, as long as the lease is ours.

    `set_aside` says what becomes of rows that the console wants otherwise still, and how many they
    are; it is called in the transaction that notes what is about to be restored.
    """

    store: ConfigStore
    journal: Journal
    renew: Callable[[], None]
    set_aside: Callable[[Block], int]

    def restore(self, driver: StoreDriver, block: Block, plan: RevertPlan) -> None:
        """Write one block back; what the store refuses is in `plan.problems`."""
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
            plan.aside += self.set_aside(block)
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

    def _settle(self, block: Block, failed: dict[str, str]) -> None:
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


def _locks(row: Row | None) -> bool:
    return row is None or (isinstance(row, SubscriberRow) and row.ha1 is None)
