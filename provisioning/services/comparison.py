"""Comparing a store with what it should hold, and making the difference so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from provisioning.drivers.base import Kind, Row, RowChange, StoreDriver, SubscriberRow
from provisioning.models import ConfigStore, OwnedRow
from provisioning.services import bulk
from provisioning.services.desired import fingerprint

_OWNED = OwnedRow._meta.db_table
_FOREIGN = (
    "A row that this console neither created nor adopted stands there already, so it was left as "
    "it is. Remove it at the server, or give the account another address."
)
_UNREAD = "The row was accepted but reads back differently. Something else writes to this database."


@dataclass(slots=True)
class Difference:
    """What has to change for some keys of one kind; `failed` are keys that must not be touched."""

    kind: Kind
    changes: list[RowChange] = field(default_factory=list)
    new: list[str] = field(default_factory=list)
    vanished: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Result:
    """What became of some keys of one kind: `changed` were read back, `failed` have a reason.

    `unusable` are the changed addresses-of-record that may not register any more.
    """

    changed: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    unusable: list[str] = field(default_factory=list)

    def add(self, other: Result) -> None:
        """Take in what became of other keys."""
        self.changed += other.changed
        self.unusable += other.unusable
        self.failed |= other.failed


def compare(
    *,
    kind: Kind,
    keys: Iterable[str],
    desired: Mapping[str, Row],
    existing: Mapping[str, Row],
    owned: set[str],
) -> Difference:
    """What to change at `keys`; a row that the console does not own is never among it."""
    difference = Difference(kind)
    for key in keys:
        want, have = desired.get(key), existing.get(key)
        if have is not None and key not in owned:
            if want is not None:
                difference.failed[key] = _FOREIGN
        elif want != have:
            difference.changes.append(RowChange(kind, key, want))
            if have is None and key not in owned:
                difference.new.append(key)
        elif want is None and key in owned:
            difference.vanished.append(key)
    return difference


def make_so(
    *, store: ConfigStore, driver: StoreDriver, differences: Sequence[Difference]
) -> dict[Kind, Result]:
    """Apply the differences and read them back; the driver puts kinds and deletes in order.

    Ownership is written down before the row is, so that a crash in between leaves a row that is
    known to be ours, and whatever is already there when it is compared stays foreign.
    """
    for difference in differences:
        _own(store, difference.kind, difference.new)
    changes = [change for difference in differences for change in difference.changes]
    outcomes = driver.apply(changes) if changes else []
    results = {}
    for difference in differences:
        kind = difference.kind
        refused = {o.key: o.error for o in outcomes if o.kind is kind and o.error}
        result = Result(failed=difference.failed | refused)
        accepted = [change for change in difference.changes if change.key not in refused]
        _read_back(store, driver, kind, accepted, result)
        _disown(store, kind, difference.vanished)
        results[kind] = result
    return results


def _read_back(
    store: ConfigStore,
    driver: StoreDriver,
    kind: Kind,
    accepted: Sequence[RowChange],
    result: Result,
) -> None:
    if not accepted:
        return
    found = {row.key: row for row in driver.read(kind, [change.key for change in accepted])}
    kept: list[Row] = []
    gone: list[str] = []
    for change in accepted:
        if found.get(change.key) != change.after:
            result.failed[change.key] = _UNREAD
            continue
        result.changed.append(change.key)
        if change.after is None:
            gone.append(change.key)
        else:
            kept.append(change.after)
        if kind is Kind.SUBSCRIBER and not is_usable(change.after):
            result.unusable.append(change.key)
    _disown(store, kind, gone)
    _remember(store, kind, kept)


def is_usable(row: Row | None) -> bool:
    """Whether somebody can register with this row."""
    return isinstance(row, SubscriberRow) and row.ha1 is not None


def owned_keys(*, store: ConfigStore, kind: Kind, keys: Sequence[str] | None) -> set[str]:
    """The keys of `kind` that the console owns at `store`: those among `keys`, or all."""
    rows = OwnedRow.objects.filter(store=store, kind=kind)
    if keys is not None:
        rows = rows.filter(key__in=keys)
    return set(rows.values_list("key", flat=True).iterator(chunk_size=10_000))


def _own(store: ConfigStore, kind: Kind, keys: Sequence[str]) -> None:
    if keys:
        rows = [(store.pk, kind.value, key, "") for key in keys]
        bulk.insert_rows(_OWNED, ("store_id", "kind", "key", "content"), rows)


def _remember(store: ConfigStore, kind: Kind, rows: Sequence[Row]) -> None:
    bulk.execute_many(
        f"UPDATE {_OWNED} SET content = %s WHERE store_id = %s AND kind = %s AND key = %s",
        [(fingerprint(row), store.pk, kind.value, row.key) for row in rows],
    )


def _disown(store: ConfigStore, kind: Kind, keys: Sequence[str]) -> None:
    bulk.execute_many(
        f"DELETE FROM {_OWNED} WHERE store_id = %s AND kind = %s AND key = %s",
        [(store.pk, kind.value, key) for key in keys],
    )
