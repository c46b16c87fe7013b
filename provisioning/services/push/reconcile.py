"""Drift: what stands at a store otherwise than the console left it, found without writing there."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Count, F, Q
from django.utils import timezone

from provisioning.core.errors import KindUnavailable, ProvisioningError
from provisioning.core.limits import Category
from provisioning.drivers.base import AliasRow, Kind, Row, StoreDriver, SubscriberRow
from provisioning.models import ConfigStore, Drift, OwnedRow, PendingChange
from provisioning.services.bulk import among
from provisioning.services.push import drift_rows, outbox
from provisioning.services.push.comparison import serves_alike
from provisioning.services.push.desired import Page, derive, page_of
from provisioning.services.push.ground import read_ground
from provisioning.services.push.proof import Hashes, Look
from provisioning.services.servers.driver_access import open_store

log = structlog.stdlib.get_logger(__name__)

# Field of a difference: name, value here, value there; both are None where it is secret. Of a row
# that is not there only what it would hold is told.
Field = tuple[str, str | None, str | None]


@dataclass(frozen=True, slots=True)
class Found:
    """One difference, as one look saw it; `missing` is the row that is not there."""

    key: str
    problem: Drift.Problem
    fields: tuple[Field, ...] = ()
    missing: Row | None = field(default=None, repr=False)


@dataclass(slots=True)
class DriftReport:
    """What one look at a store found: differences by problem, those ignored, those to be repaired.

    `waiting` are kinds that were not looked at: everything of them is going to be compared anyway,
    or the store cannot hold them.
    """

    store: ConfigStore
    counts: dict[str, int] = field(default_factory=dict)
    ignored: int = 0
    repairing: int = 0
    waiting: list[str] = field(default_factory=list)
    problem: str = ""

    @property
    def total(self) -> int:
        """Differences that nobody ignores."""
        return sum(self.counts.values())

    def as_json(self) -> dict[str, Any]:
        """The report in plain values."""
        return {
            "store": self.store.name,
            "drift": self.total,
            "counts": self.counts,
            "ignored": self.ignored,
            "repairing": self.repairing,
            "waiting": self.waiting,
            "problem": self.problem,
        }


def reconcile(
    *,
    store: ConfigStore,
    repair: bool | None = None,
    everything: bool = True,
    ground: Hashes | None = None,
) -> DriftReport:
    """Look at everything of a managed store and keep what differs; nothing is written there.

    Without `everything`, rows are compared only where they may have changed since the last look;
    `ground` is what ground.read_ground just said.
    `repair` asks for what differs to be made so by the next push; None does what the store says.
    By itself a store repairs no more than its limit: the rest waits for a person. Where the store
    cannot be read, the report says why and what was found before stays. Memory is bounded by a
    page, and no row costs a query.
    """
    report = DriftReport(store)
    at = timezone.now()
    try:
        with open_store(store) as driver:
            _look(store, driver, report, at, everything, ground)
    except ProvisioningError as error:
        report.problem = error.message
    kept = drift_rows.open_drift(store=store).order_by("problem").values_list("problem")
    report.counts = dict(kept.annotate(count=Count("pk")))
    report.ignored = Drift.objects.filter(drift_rows.ignored(), store=store).count()
    now = {"reconciled_at": at} if not report.problem else {}
    ConfigStore.objects.filter(pk=store.pk).update(
        drift_count=report.total, reconcile_problem=report.problem, **now
    )
    store.drift_count = report.total
    if report.total:
        log.warning("drift found", store=store.name, rows=report.total)
    if not report.problem:
        _repair(store, report, repair)
    return report


def reconcile_due() -> int:
    """Look at every managed store that nobody looked at for a while; how many that were."""
    due = timezone.now() - timedelta(seconds=settings.RECONCILE_EVERY)
    stores = ConfigStore.objects.filter(
        Q(reconciled_at=None) | Q(reconciled_at__lt=due), mode=ConfigStore.Mode.MANAGE
    )
    found = list(stores.order_by(F("reconciled_at").asc(nulls_first=True)))
    ground = read_ground() if found else {}
    for store in found:
        reconcile(store=store, everything=False, ground=ground)
    return len(found)


def _repair(store: ConfigStore, report: DriftReport, repair: bool | None) -> None:
    if repair is None:
        owned = OwnedRow.objects.filter(store=store, kind=Kind.SUBSCRIBER).count()
        allowed = store.limit().allowed(Category.SERVICE, owned)
        repair = store.repairs_drift and report.total <= allowed
        if store.repairs_drift and not repair:
            log.error("too much drift to repair unasked", store=store.name, rows=report.total)
    if repair:
        report.repairing = repair_rows(store=store)


def repair_rows(*, store: ConfigStore, keys: Sequence[tuple[Kind, str]] | None = None) -> int:
    """Ask for differences to be made as intended: `keys`, or all that nobody ignores; how many.

    A row of others stays as it is, whoever asks.
    """
    rows = drift_rows.open_drift(store=store).exclude(problem=Drift.Problem.FOREIGN)
    count = 0
    with transaction.atomic():
        for kind in Kind:
            found = list(rows.filter(kind=kind).values_list("key", flat=True))
            if keys is not None:
                chosen = {key for each, key in keys if each is kind}
                found = [key for key in found if key in chosen]
            outbox.mark_each(store_ids=[store.pk], kind=kind, keys=found)
            count += len(found)
    return count


def _look(
    store: ConfigStore,
    driver: StoreDriver,
    report: DriftReport,
    at: datetime,
    everything: bool,
    ground: Hashes | None,
) -> None:
    whole = set(
        PendingChange.objects.filter(store=store, key=PendingChange.ALL).values_list(
            "kind", flat=True
        )
    )
    report.waiting = [kind.value for kind in Kind if kind in whole]
    kinds = [kind for kind in Kind if kind not in whole]
    look = Look(store, driver, kinds=kinds, keeps=True, everything=everything, ground=ground)
    for kind in kinds:
        try:
            for pages in (look.unwanted_pages, look.wanted_pages):
                for page in pages(kind):
                    _keep(store, kind, _stable(store, driver, kind, page), at)
        except KindUnavailable:
            report.waiting.append(kind.value)
            continue
        Drift.objects.filter(store=store, kind=kind, seen_at__lt=at).delete()
        look.keep(kind)


def _stable(store: ConfigStore, driver: StoreDriver, kind: Kind, page: Page) -> Sequence[Found]:
    """The differences of a page that a second look confirms: a push may be under way."""
    found = {each.key: each for each in find_differences(store, driver, kind, page)}
    if not found:
        return ()
    again = page_of(store=store, kind=kind, keys=list(found))
    found = {each.key: each for each in find_differences(store, driver, kind, again)}
    pending = PendingChange.objects.filter(store=store, kind=kind, key__in=among(found))
    for key in pending.values_list("key", flat=True):
        del found[key]
    return list(found.values())


def find_differences(
    store: ConfigStore, driver: StoreDriver, kind: Kind, page: Page
) -> Iterator[Found]:
    desired = derive(store=store, kind=kind, page=page)
    rows = desired.rows
    others = driver.differing(kind, list(rows.values()))
    empty = [key for key in desired.keys if key not in rows and key not in desired.failed]
    leftover = [row.key for row in driver.read(kind, empty)] if empty else []
    standing = [key for key, have in others.items() if have is not None]
    owned = OwnedRow.objects.filter(store=store, kind=kind, key__in=among([*standing, *leftover]))
    ours = set(owned.values_list("key", flat=True))
    for key, have in others.items():
        if have is None:
            yield Found(key, Drift.Problem.MISSING, missing=rows[key])
        elif key in ours:
            yield Found(key, Drift.Problem.CHANGED, tuple(fields_of(rows[key], have)))
        elif not serves_alike(have, rows[key]):
            yield Found(key, Drift.Problem.FOREIGN, tuple(fields_of(rows[key], have)))
    for key in leftover:
        if key in ours:
            yield Found(key, Drift.Problem.EXTRA)


_SECRET: Mapping[str, str] = {
    "ha1": "password",
    "ha1b": "password for user@domain",
    "password": "password in clear text",
    "ha1_md5": "password for MD5",
    "ha1_sha256": "password for SHA-256",
    "ha1_sha512t256": "password for SHA-512-256",
}


def values_of(row: Row) -> Iterator[Field]:
    """What a row that is not there would hold, without secrets and what is empty."""
    for each in dataclasses.fields(row):
        if each.repr and (value := getattr(row, each.name)) not in ("", None, ()):
            yield each.name.replace("_", " "), str(value), None


def fields_of(want: Row, have: Row) -> Iterator[Field]:
    """In what two rows differ, as name, wanted and standing; of secrets the name alone."""
    if isinstance(want, SubscriberRow) and isinstance(have, SubscriberRow):
        for name, label in _SECRET.items():
            if getattr(want, name) != getattr(have, name):
                yield label, None, None
    elif isinstance(want, AliasRow) and isinstance(have, AliasRow):
        here, there = f"{want.user}@{want.domain}", f"{have.user}@{have.domain}"
        yield "leads to", here, there
    else:
        for each in dataclasses.fields(want):
            ours, theirs = getattr(want, each.name), getattr(have, each.name)
            if ours != theirs:
                shown = (str(ours), str(theirs)) if each.repr else (None, None)
                yield each.name.replace("_", " "), *shown


def _keep(store: ConfigStore, kind: Kind, found: Sequence[Found], at: datetime) -> None:
    rows = [
        Drift(
            store=store, kind=kind, key=each.key, problem=each.problem, fields=each.fields,
            first_seen=at, seen_at=at,
        )
        for each in found
    ]  # fmt: skip
    Drift.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["store", "kind", "key"],
        update_fields=["problem", "fields", "seen_at"],
    )
