"""What stood at a store before rows were changed: noted with each push, read again to revert it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from typing import Any

import orjson
from django.db.models import F
from django.utils import timezone

from provisioning.drivers.base import ROW_CLASSES, Kind, Row
from provisioning.models import ConfigStore, PushRecord, RowImages
from provisioning.models.fields import keyring
from provisioning.services.actor import Actor


@dataclass(frozen=True, slots=True)
class Image:
    """One key: what stood there before (None for nothing), and a hash of what was written.

    `after` is empty where the row was deleted.
    """

    kind: Kind
    key: str
    before: Row | None
    after: str


class Journal:
    """Notes what one push, adoption or revert is about to change; nothing noted leaves no trace.

    `stage` is that of a rollout which the changes belong to.
    """

    def __init__(
        self,
        store: ConfigStore,
        kind: str = PushRecord.Kind.PUSH,
        *,
        actor: Actor | None = None,
        reason: str = "",
        reverts: PushRecord | None = None,
        stage: int | None = None,
    ) -> None:
        self._store, self._kind, self._actor = store, kind, actor
        self._reason, self._reverts = reason, reverts
        self.stage = stage
        self.record: PushRecord | None = None

    def note(self, kind: Kind, images: Sequence[Image]) -> None:
        """Keep `images` of one kind, in the caller's transaction, before the rows are changed."""
        if not images:
            return
        record = self._begun()
        values = [(each.key, each.before and astuple(each.before), each.after) for each in images]
        place = RowImages.place(record.pk, kind)
        RowImages.objects.create(
            record=record,
            kind=kind.value,
            count=len(images),
            sealed=keyring().seal(orjson.dumps(values).decode(), place),
        )
        created = sum(each.before is None for each in images)
        deleted = sum(not each.after for each in images)
        PushRecord.objects.filter(pk=record.pk).update(
            created=F("created") + created,
            changed=F("changed") + len(images) - created - deleted,
            deleted=F("deleted") + deleted,
        )

    def settle(self) -> None:
        """All that was noted was read back: nothing of it is in doubt."""
        if self.record is not None:
            PushRecord.objects.filter(pk=self.record.pk).update(settled=True)

    def _begun(self) -> PushRecord:
        if self.record is None:
            self.record = PushRecord.objects.create(
                store=self._store,
                kind=self._kind,
                by=self._actor.user if self._actor else None,
                reason=self._reason,
                reverts=self._reverts,
                stage_id=self.stage,
                at=timezone.now(),
            )
        return self.record


def in_doubt(*, store: ConfigStore) -> set[tuple[Kind, str]]:
    """What pushes noted that broke off: nobody knows whether it was written."""
    records = PushRecord.objects.filter(store=store, settled=False)
    return {
        (image.kind, image.key)
        for record in records
        for images in blocks_of(record=record)
        for image in images
    }


def end_doubt(*, store: ConfigStore) -> None:
    """Everything was compared and written anew: nothing of before is in doubt any more."""
    PushRecord.objects.filter(store=store, settled=False).update(settled=True)


def blocks_of(*, record: PushRecord) -> Iterator[list[Image]]:
    """What `record` noted, block by block, the last first: so deletes come back before creates."""
    ids = list(record.images.order_by("-pk").values_list("pk", flat=True))
    for pk in ids:
        block = RowImages.objects.get(pk=pk)
        place, kind = RowImages.place(record.pk, block.kind), Kind(block.kind)
        values = orjson.loads(keyring().open(bytes(block.sealed), place))
        yield [
            Image(kind, key, None if before is None else _row(kind, before), after)
            for key, before, after in values
        ]


def _row(kind: Kind, values: Sequence[Any]) -> Row:
    """A row of its fields' values, of which some were tuples before they became JSON."""
    given: list[Any] = [tuple(value) if isinstance(value, list) else value for value in values]
    row: Row = ROW_CLASSES[kind](*given)
    return row
