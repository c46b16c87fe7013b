"""Comparing a store with what it should hold, and making the difference so."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from django.db import transaction
from django.db.models import QuerySet

from provisioning.core.errors import Busy
from provisioning.drivers.base import Kind, Row, RowChange, StoreDriver, SubscriberRow
from provisioning.models import ConfigStore, OwnedRow
from provisioning.services import bulk, outbox
from provisioning.services.activation import note_reloads
from provisioning.services.desired import among, desired_rows, fingerprint

_FOREIGN = (
    "A row that this console neither created nor adopted stands there already, so it was left as "
    "it is. Remove it at the server, or give the account another address."
)
_UNREAD = "The row was accepted but reads back differently. Something else writes to this database."


@dataclass(slots=True)
class Difference:
    """What has to change for some keys of one kind.

    `known` are owned keys whose row gets other values; `failed` are keys that must not be touched,
    with the reason; `vanished` are owned keys where rightly nothing is any more; `unusable` are
    addresses-of-record that may not register, whether their row changes or not.
    """

    kind: Kind
    changes: list[RowChange] = field(default_factory=list)
    known: list[str] = field(default_factory=list)
    vanished: list[str] = field(default_factory=list)
    unusable: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    def revoked(self) -> list[str]:
        """The addresses-of-record that are about to lose what they could register with."""
        changing = {change.key for change in self.changes}
        return [key for key in self.unusable if key in changing]


@dataclass(slots=True)
class Result:
    """What became of some keys of one kind: `changed` were read back, `failed` have a reason."""

    changed: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


def compare(
    *,
    kind: Kind,
    keys: Iterable[str],
    desired: Mapping[str, Row],
    existing: Mapping[str, Row],
    owned: Collection[str],
) -> Difference:
    """What to change at `keys`; a row that the console does not own is never among it.

    Somebody else's row that is as wanted stays theirs, and is no conflict.
    """
    difference = Difference(kind)
    for key in keys:
        want, have = desired.get(key), existing.get(key)
        foreign = have is not None and key not in owned
        if kind is Kind.SUBSCRIBER and not foreign and not is_usable(want):
            difference.unusable.append(key)
        if want == have:
            if want is None and key in owned:
                difference.vanished.append(key)
        elif not foreign:
            difference.changes.append(RowChange(kind, key, want))
            if want is not None and key in owned:
                difference.known.append(key)
        elif want is not None:
            difference.failed[key] = _FOREIGN
    return difference


def find_difference(
    *, store: ConfigStore, driver: StoreDriver, kind: Kind, keys: Sequence[str]
) -> Difference:
    """Compare `keys` as they should be now with what `driver` reads now."""
    failed: dict[str, str] = {}
    rows = desired_rows(store=store, kind=kind, keys=keys, failed=failed)
    desired = {row.key: row for row in rows}
    known = [key for key in keys if key not in failed] if failed else keys
    difference = compare(
        kind=kind,
        keys=known,
        desired=desired,
        existing={row.key: row for row in driver.read(kind, known)},
        owned=owned_keys(store=store, kind=kind, keys=known),
    )
    difference.failed |= failed
    return difference


def make_so(
    *,
    store: ConfigStore,
    driver: StoreDriver,
    differences: Sequence[Difference],
    renew: Callable[[], None],
) -> dict[Kind, Result]:
    """Apply the differences and read them back; the driver puts kinds and deletes in order.

    What follows from the rows is noted before they are written, so that no crash loses it: whose
    they are, which reloads they need. `renew` raises Busy when the lease is lost; whoever has it
    then compares the written keys anew, for it may have written newer rows before ours arrived.
    """
    changes = [change for difference in differences for change in difference.changes]
    with transaction.atomic():
        renew()
        for difference in differences:
            _own(store, difference)
        note_reloads(store=store, kinds={change.kind for change in changes} & driver.reload_kinds)
    try:
        outcomes = driver.apply(changes) if changes else []
        renew()
        results = {}
        for difference in differences:
            kind = difference.kind
            refused = {o.key: o.error for o in outcomes if o.kind is kind and o.error}
            results[kind] = _read_back(driver, difference, refused)
        with transaction.atomic():
            renew()
            for difference in differences:
                _settle_ownership(store, difference, results[difference.kind])
    except Busy:
        for difference in differences:
            keys = [change.key for change in difference.changes]
            outbox.mark_each(store_ids=[store.pk], kind=difference.kind, keys=keys)
        raise
    return results


def _read_back(driver: StoreDriver, difference: Difference, refused: dict[str, str]) -> Result:
    result = Result(failed=difference.failed | refused)
    accepted = [change for change in difference.changes if change.key not in refused]
    if accepted:
        rows = driver.read(difference.kind, [change.key for change in accepted])
        found = {row.key: row for row in rows}
        for change in accepted:
            if found.get(change.key) == change.after:
                result.changed.append(change.key)
            else:
                result.failed[change.key] = _UNREAD
    return result


def _settle_ownership(store: ConfigStore, difference: Difference, result: Result) -> None:
    """Give up what is gone; what a failed row looks like at the store is not known any more."""
    changed = set(result.changed)
    gone = [c.key for c in difference.changes if c.after is None and c.key in changed]
    _forget(store, difference.kind, [*gone, *difference.vanished])
    if len(changed) < len(difference.changes):
        unclear = [change.key for change in difference.changes if change.key not in changed]
        _owned(store, difference.kind, unclear).update(content="")


def is_usable(row: Row | None) -> bool:
    """Whether somebody can register with this row."""
    return isinstance(row, SubscriberRow) and row.ha1 is not None


def owned_keys(*, store: ConfigStore, kind: Kind, keys: Sequence[str] | None) -> set[str]:
    """The keys of `kind` that the console owns at `store`: those among `keys`, or all."""
    rows = OwnedRow.objects.filter(store=store, kind=kind)
    if keys is not None:
        rows = rows.filter(key__in=among(keys))
    return set(rows.values_list("key", flat=True))


def _owned(store: ConfigStore, kind: Kind, keys: Sequence[str]) -> QuerySet[OwnedRow]:
    return OwnedRow.objects.filter(store=store, kind=kind, key__in=among(keys))


def _own(store: ConfigStore, difference: Difference) -> None:
    """Note the rows as the console's, with what they are going to be."""
    rows = [change.after for change in difference.changes if change.after is not None]
    if not rows:
        return
    kind = difference.kind
    _forget(store, kind, difference.known)
    bulk.insert_rows(
        OwnedRow._meta.db_table,
        ("store_id", "kind", "key", "content"),
        [(store.pk, kind.value, row.key, fingerprint(row)) for row in rows],
    )


def _forget(store: ConfigStore, kind: Kind, keys: Sequence[str]) -> None:
    if keys:
        _owned(store, kind, keys).delete()
