"""What a push would do to a store, computed as the push computes it, with nothing written."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from provisioning.drivers.base import Kind, StoreDriver
from provisioning.models import ConfigStore, PendingChange
from provisioning.services.comparison import compare, owned_keys
from provisioning.services.desired import desired_rows
from provisioning.services.driver_access import open_store


@dataclass(frozen=True, slots=True)
class KindPreview:
    """Counts for one kind of rows of a store.

    `pending` are marked keys, a full comparison counting as one; `refused` are keys at which a row
    stands that the console neither created nor adopted; `given_up` were tried too often.
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
    """What pushing what is pending would do, per kind; `everything` looks at every row instead.

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
    desired = {row.key: row for row in desired_rows(store=store, kind=kind, keys=keys)}
    existing = {row.key: row for row in driver.read(kind, keys)}
    owned = owned_keys(store=store, kind=kind, keys=keys)
    difference = compare(
        kind=kind,
        keys=(desired.keys() | owned) if keys is None else keys,
        desired=desired,
        existing=existing,
        owned=owned,
    )
    changes = difference.changes
    gone = sum(change.after is None for change in changes)
    new = sum(change.after is not None and change.key not in existing for change in changes)
    return KindPreview(
        kind.value,
        pending,
        create=new,
        change=len(changes) - gone - new,
        delete=gone,
        refused=len(difference.failed),
        given_up=given_up,
    )
