"""What a push would do to a store, computed as the push computes it, with nothing written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from provisioning.drivers.base import Kind, StoreDriver
from provisioning.models import ConfigStore, PendingChange
from provisioning.services.push.comparison import Difference, find_difference
from provisioning.services.push.desired import (
    Desired,
    derive,
    page_of,
    unwanted_pages,
    wanted_pages,
)
from provisioning.services.push.push_record import in_doubt
from provisioning.services.push.reconcile import Field, fields_of, values_of
from provisioning.services.servers.driver_access import open_store


@dataclass(frozen=True, slots=True)
class KindPreview:
    """Counts for one kind of rows of a store.

    `pending` are marked keys, a full comparison counting as one; `refused` are keys at which a row
    stands that the console neither created nor adopted, or whose row cannot be made; `given_up`
    were tried too often.
    """

    kind: str
    pending: int
    create: int
    change: int
    delete: int
    refused: int
    given_up: int

    @property
    def rows(self) -> int:
        """How many rows a push would write."""
        return self.create + self.change + self.delete

    def as_dict(self) -> dict[str, int]:
        """The counts by name."""
        return {name: count for name, count in asdict(self).items() if name != "kind"}


@dataclass(frozen=True, slots=True)
class RowPreview:
    """One row that a push would `create`, `change` or `delete`, or that is `refused`.

    `fields` are name, value and the value that stands there; of secrets the name alone.
    """

    kind: str
    key: str
    action: str
    fields: tuple[Field, ...] = ()
    problem: str = ""


def preview_push(*, store: ConfigStore, everything: bool = False) -> list[KindPreview]:
    """What pushing what is pending would do, per kind; `everything` looks at every row instead,
    drift that waits for somebody among them.

    Raises Unreachable or Rejected where the store cannot be read.
    """
    with open_store(store) as driver:
        return [_preview(store, driver, kind, everything) for kind in Kind]


def preview_rows(*, store: ConfigStore, everything: bool = False) -> Iterator[RowPreview]:
    """The rows that a push would write, and those that it would refuse, page by page.

    Raises as `preview_push` does.
    """
    with open_store(store) as driver:
        for kind in Kind:
            marked, keys = _keys(store, kind, everything)
            if keys is None or marked:
                for found in _differences(store, driver, kind, keys, everything):
                    yield from _rows(found)


def _rows(found: Difference) -> Iterator[RowPreview]:
    kind = found.kind.value
    for change in found.changes:
        before = found.before.get(change.key)
        if change.after is None:
            stands = values_of(before) if before else ()
            gone = tuple((name, None, have) for name, have, _ in stands)
            yield RowPreview(kind, change.key, "delete", gone)
        elif before is None:
            yield RowPreview(kind, change.key, "create", tuple(values_of(change.after)))
        else:
            yield RowPreview(kind, change.key, "change", tuple(fields_of(change.after, before)))
    for key, problem in found.failed.items():
        yield RowPreview(kind, key, "refused", problem=problem)


def _keys(store: ConfigStore, kind: Kind, everything: bool) -> tuple[int, list[str] | None]:
    """How many keys are marked, and which; None for all that there are."""
    marked = PendingChange.objects.filter(store=store, kind=kind, dead=False)
    keys = list(marked.values_list("key", flat=True))
    return len(keys), None if everything or PendingChange.ALL in keys else keys


def _preview(store: ConfigStore, driver: StoreDriver, kind: Kind, everything: bool) -> KindPreview:
    pending, keys = _keys(store, kind, everything)
    given_up = PendingChange.objects.filter(store=store, kind=kind, dead=True).count()
    if keys is not None and not keys:
        return KindPreview(kind.value, 0, 0, 0, 0, 0, given_up)
    create = change = delete = refused = 0
    for found in _differences(store, driver, kind, keys, everything):
        gone = sum(each.after is None for each in found.changes)
        create += len(found.changes) - gone - found.replaced
        change += found.replaced
        delete += gone
        refused += len(found.failed)
    return KindPreview(kind.value, pending, create, change, delete, refused, given_up)


def _differences(
    store: ConfigStore, driver: StoreDriver, kind: Kind, keys: list[str] | None, everything: bool
) -> Iterator[Difference]:
    """What differs at `keys`, or everywhere, page by page."""
    doubt = in_doubt(store=store) if keys is None and not everything else None
    for desired in _pages(store, kind, keys):
        yield find_difference(store=store, driver=driver, kind=kind, desired=desired, doubt=doubt)


def _pages(store: ConfigStore, kind: Kind, keys: list[str] | None) -> Iterator[Desired]:
    """What is desired at `keys`, or everywhere."""
    if keys is not None:
        yield derive(store=store, kind=kind, page=page_of(store=store, kind=kind, keys=keys))
        return
    for page in unwanted_pages(store=store, kind=kind):
        desired = derive(store=store, kind=kind, page=page)
        # The rows among them come again below.
        without = [key for key in page.keys if key not in desired.rows]
        yield Desired(without, {}, desired.failed)
    for page in wanted_pages(store=store, kind=kind):
        yield derive(store=store, kind=kind, page=page)
