"""What a push would do to a store, computed as the push computes it, with nothing written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from provisioning.drivers.base import Kind, StoreDriver
from provisioning.models import ConfigStore, PendingChange
from provisioning.services.push.comparison import find_difference
from provisioning.services.push.desired import (
    Desired,
    derive,
    page_of,
    unwanted_pages,
    wanted_pages,
)
from provisioning.services.push.push_record import in_doubt
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


def preview_push(*, store: ConfigStore, everything: bool = False) -> list[KindPreview]:
    """What pushing what is pending would do, per kind; `everything` looks at every row instead,
    drift that waits for somebody among them.

    Raises Unreachable or Rejected where the store cannot be read.
    """
    with open_store(store) as driver:
        return [_preview(store, driver, kind, everything) for kind in Kind]


def _preview(store: ConfigStore, driver: StoreDriver, kind: Kind, everything: bool) -> KindPreview:
    marked = PendingChange.objects.filter(store=store, kind=kind)
    keys: list[str] | None = list(marked.filter(dead=False).values_list("key", flat=True))
    pending = len(keys or ())
    given_up = marked.filter(dead=True).count()
    if everything or PendingChange.ALL in (keys or ()):
        keys = None
    elif not keys:
        return KindPreview(kind.value, 0, 0, 0, 0, 0, given_up)
    doubt = in_doubt(store=store) if keys is None and not everything else None
    create = change = delete = refused = 0
    for desired in _pages(store, kind, keys):
        found = find_difference(store=store, driver=driver, kind=kind, desired=desired, doubt=doubt)
        gone = sum(each.after is None for each in found.changes)
        create += len(found.changes) - gone - found.replaced
        change += found.replaced
        delete += gone
        refused += len(found.failed)
    return KindPreview(kind.value, pending, create, change, delete, refused, given_up)


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
