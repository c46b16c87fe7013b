"""Comparing a store with what it should hold, and making the difference so."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from django.db import transaction
from django.db.models import QuerySet

from provisioning.core.errors import Busy, KindUnavailable
from provisioning.drivers.base import Kind, Row, RowChange, StoreDriver, SubscriberRow
from provisioning.models import ConfigStore, OwnedRow
from provisioning.services import bulk
from provisioning.services.bulk import among
from provisioning.services.push import drift_rows, outbox
from provisioning.services.push.activation import note_reloads
from provisioning.services.push.desired import Desired, fingerprint
from provisioning.services.push.moving import not_yet_served
from provisioning.services.push.push_record import Image, Journal

_FOREIGN = (
    "A row that this console neither created nor adopted stands there already, so it was left as "
    "it is. Adopt it, remove it at the server, or give the account another address."
)
_UNREAD = "The row was accepted but reads back differently. Something else writes to this database."

_KEY = attrgetter("key")


@dataclass(slots=True)
class Difference:
    """What has to change for some keys of one kind.

    `replaced` counts changes of rows that stand there already; `failed` are keys that must not be
    touched, with the reason; `vanished` are owned keys where rightly nothing is any more;
    `unusable` are addresses-of-record that may not register, whether their row changes or not;
    `before` is what stands at the keys of `changes` now, and `held` how many were left to somebody;
    `moving` are keys that stay until their new home serves them, with the reason.
    """

    kind: Kind
    changes: list[RowChange] = field(default_factory=list)
    replaced: int = 0
    vanished: list[str] = field(default_factory=list)
    unusable: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    before: dict[str, Row] = field(default_factory=dict)
    held: int = 0
    moving: dict[str, str] = field(default_factory=dict)

    def revoked(self) -> list[str]:
        """The addresses-of-record that are about to lose what they could register with."""
        if not self.unusable:
            return []
        changing = {change.key for change in self.changes}
        return [key for key in self.unusable if key in changing]


@dataclass(slots=True)
class Result:
    """What became of some keys of one kind: `changed` were read back, `failed` have a reason."""

    changed: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


def find_difference(
    *,
    store: ConfigStore,
    driver: StoreDriver,
    kind: Kind,
    desired: Desired,
    doubt: Container[tuple[Kind, str]] | None = None,
) -> Difference:
    """Compare what is desired with what stands at the store now.

    With `doubt` what drifted is left to a person, as the store says (drift_rows.left_alone).

    A row that the console does not own is never changed. Where it is as wanted it stays theirs, and
    is no conflict. Where the store cannot hold the kind, all keys have failed for that reason.
    """
    difference = Difference(kind, failed=dict(desired.failed))
    rows = desired.rows
    empty = _without_row(desired)
    try:
        others = driver.differing(kind, list(rows.values()))
        leftover = {row.key: row for row in driver.read(kind, empty)} if empty else {}
    except KindUnavailable as error:
        difference.failed = dict.fromkeys(desired.keys, error.message)
        return difference
    locked = [key for key, row in rows.items() if _is_locked(row)]
    standing = [key for key, have in others.items() if have is not None]
    asked = [*standing, *empty, *locked]
    owned = set(_owned(store, kind, asked).values_list("key", flat=True)) if asked else set()
    taken = [key for key in empty if key in owned and key in leftover]
    difference.moving = not_yet_served(store=store, kind=kind, keys=taken)
    if difference.moving:
        empty = [key for key in empty if key not in difference.moving]
    held: set[str] = set()
    if doubt is not None:
        held = drift_rows.left_alone(
            store=store, kind=kind, rows=rows, others=others, leftover=leftover, doubt=doubt
        )
        difference.held = len(held)
    for key, have in others.items():
        if key in held:
            continue
        if have is None or key in owned:
            difference.changes.append(RowChange(kind, key, rows[key]))
            if have is not None:
                difference.replaced += 1
                difference.before[key] = have
        elif not serves_alike(have, rows[key]):
            difference.failed[key] = _FOREIGN
    _take_away(difference, [key for key in empty if key in owned and key not in held], leftover)
    if kind is Kind.SUBSCRIBER:
        free = {key for key in empty if key not in leftover}
        free |= {key for key, have in others.items() if have is None}
        difference.unusable = [key for key in (*empty, *locked) if key in owned or key in free]
    return difference


def _take_away(difference: Difference, keys: Sequence[str], leftover: Mapping[str, Row]) -> None:
    """Of the console's `keys`, at which nothing should be, delete what is there."""
    for key in keys:
        if key in leftover:
            difference.changes.append(RowChange(difference.kind, key, None))
            difference.before[key] = leftover[key]
        else:
            difference.vanished.append(key)


def _without_row(desired: Desired) -> list[str]:
    """The keys at which nothing should stand."""
    if len(desired.rows) == len(desired.keys):
        return []
    return [key for key in desired.keys if key not in desired.rows and key not in desired.failed]


def make_so(
    *,
    store: ConfigStore,
    driver: StoreDriver,
    differences: Sequence[Difference],
    renew: Callable[[], None],
    journal: Journal,
) -> dict[Kind, Result]:
    """Apply the differences and read them back; the driver puts kinds and deletes in order.

    What follows from the rows is noted before they are written, so that no crash loses it: whose
    they are, which reloads they need, and in `journal` what stood there. `renew` raises Busy when
    the lease is lost; whoever has it then compares the written keys anew, for it may have written
    newer rows before ours arrived.
    """
    changes = [change for difference in differences for change in difference.changes]
    with transaction.atomic():
        renew()
        for difference in differences:
            _own(store, difference, journal)
        note_reloads(store=store, kinds={change.kind for change in changes} & driver.reload_kinds)
    try:
        outcomes = driver.apply(changes) if changes else []
        renew()
        results = {}
        for difference in differences:
            kind = difference.kind
            refused = {o.key: o.error for o in outcomes if o.error and o.kind is kind}
            results[kind] = _read_back(driver, difference, refused)
        with transaction.atomic():
            renew()
            for difference in differences:
                result = results[difference.kind]
                _settle_ownership(store, difference, result)
                if result.changed and drift_rows.has_drift(store):
                    drift_rows.forget(store=store, kind=difference.kind, keys=result.changed)
    except Busy:
        for difference in differences:
            keys = [change.key for change in difference.changes]
            outbox.mark_each(
                store_ids=[store.pk], kind=difference.kind, keys=keys, stage=journal.stage
            )
        raise
    return results


def _read_back(driver: StoreDriver, difference: Difference, refused: dict[str, str]) -> Result:
    result = Result(failed=difference.failed | refused)
    kind, accepted = difference.kind, difference.changes
    if refused:
        accepted = [change for change in accepted if change.key not in refused]
    rows = [change.after for change in accepted if change.after is not None]
    wrong = set(driver.differing(kind, rows)) if rows else set()
    if len(rows) < len(accepted):
        deleted = [change.key for change in accepted if change.after is None]
        wrong |= {row.key for row in driver.read(kind, deleted)}
    result.changed = [change.key for change in accepted if change.key not in wrong]
    result.failed |= dict.fromkeys(wrong, _UNREAD)
    return result


def _settle_ownership(store: ConfigStore, difference: Difference, result: Result) -> None:
    """Give up what is gone; what a failed row looks like at the store is not known any more."""
    changed = set(result.changed)
    gone = [c.key for c in difference.changes if c.after is None and c.key in changed]
    if forgotten := [*gone, *difference.vanished]:
        _owned(store, difference.kind, forgotten).delete()
    if len(changed) < len(difference.changes):
        unclear = [change.key for change in difference.changes if change.key not in changed]
        _owned(store, difference.kind, unclear).update(content="")


def _is_locked(row: Row) -> bool:
    """Whether it is the row of an account that may not register."""
    return isinstance(row, SubscriberRow) and row.ha1 is None


def _owned(store: ConfigStore, kind: Kind, keys: Sequence[str]) -> QuerySet[OwnedRow]:
    """Those of the console's rows whose key is among `keys`."""
    return OwnedRow.objects.filter(store=store, kind=kind, key__in=among(keys))


def serves_alike(have: Row, want: Row) -> bool:
    """Whether a row of somebody else lets the same people in as ours would."""
    if isinstance(have, SubscriberRow) and isinstance(want, SubscriberRow):
        return have.ha1 == want.ha1
    return have == want


def _own(store: ConfigStore, difference: Difference, journal: Journal) -> None:
    """Note the rows as the console's, with what they are going to be and what they were."""
    rows = [change.after for change in difference.changes if change.after is not None]
    # In the order of the index, whose pages are then written once.
    prints = {row.key: fingerprint(row) for row in sorted(rows, key=_KEY)}
    before = difference.before.get
    keys = [change.key for change in difference.changes]
    journal.note(
        difference.kind,
        [Image(difference.kind, key, before(key), prints.get(key, "")) for key in keys],
    )
    bulk.upsert_rows(
        OwnedRow._meta.db_table,
        shared={"store_id": store.pk, "kind": difference.kind.value},
        key="key",
        values=prints,
        value="content",
    )
