"""The push: takes what is pending for a store, makes it so, reads it back, and then forgets it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog
from django.conf import settings
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from provisioning.core.errors import Busy, ProvisioningError
from provisioning.drivers.base import Kind, Row, StoreDriver
from provisioning.models import ConfigStore, PendingChange
from provisioning.services import bulk, leases, pause, wake
from provisioning.services.activation import activate_servers, end_registrations
from provisioning.services.comparison import Result, compare, is_usable, make_so, owned_keys
from provisioning.services.desired import desired_rows
from provisioning.services.driver_access import open_store

log = structlog.stdlib.get_logger(__name__)

# Pending keys of one batch, and rows of one step of a full pass.
_KEYS = 1000
_PASS = 5000
# Stays well below the hard limit of a task; what is left is taken up by another at once.
PATIENCE = 240.0
_LONGEST_WAIT = 300.0

_FORGET = f"""
DELETE FROM {PendingChange._meta.db_table} WHERE id = %s AND version = %s AND EXISTS (
    SELECT 1 FROM {ConfigStore._meta.db_table} WHERE id = %s AND lease_owner = %s)
"""  # noqa: S608 - names of tables

Tell = Callable[[int], None]
Claimed = tuple[int, int, str, str]  # id, version, kind, key


@dataclass(slots=True)
class PushReport:
    """What one push of a store did: rows changed and read back, rows failed, changes left."""

    changed: int = 0
    failed: int = 0
    left: int = 0
    problem: str = ""
    changed_kinds: set[Kind] = field(default_factory=set)


def push_store(
    *, store_id: int, patience: float = PATIENCE, tell: Tell = lambda rows: None
) -> PushReport:
    """Push what is pending for one store; the work of one Celery task.

    Nothing happens while the console is paused or the store is only observed. Raises Busy when
    another worker pushes to it, or when it waits after a failure. A store that cannot be reached is
    left alone for a growing while; nothing is lost. `tell` hears how many rows were dealt with.
    """
    report = PushReport()
    store = ConfigStore.objects.get(pk=store_id)
    if pause.is_paused() or store.mode != ConfigStore.Mode.MANAGE:
        return report
    owner = leases.new_owner()
    this = ConfigStore.objects.filter(pk=store_id)
    if not leases.claim(this.filter(_DUE), owner, settings.PUSH_LEASE):
        raise Busy(f"The store {store} is being pushed to, or waits before it is tried again.")
    try:
        with open_store(store) as driver:
            _StorePush(store, driver, owner, report, patience, tell).run()
        this.update(failures=0, not_before=None, problem="", last_push_at=Now())
    except Busy:
        raise
    except ProvisioningError as error:
        report.problem = error.message
        _back_off(store, error)
    finally:
        leases.release(this, owner)
    report.left = ready(store_id).count()
    if report.left and not report.problem:
        wake.push(store_id=store_id)
    return report


_DUE = Q(not_before__isnull=True) | Q(not_before__lte=Now())


def ready(store_id: int) -> QuerySet[PendingChange]:
    """What may be pushed to a store now."""
    return PendingChange.objects.filter(_DUE, store_id=store_id, dead=False)


class _StorePush:
    """One push of one store, as long as the lease is ours and the patience lasts."""

    def __init__(
        self,
        store: ConfigStore,
        driver: StoreDriver,
        owner: str,
        report: PushReport,
        patience: float,
        tell: Tell,
    ) -> None:
        self.store = store
        self.driver = driver
        self.owner = owner
        self.report = report
        self.deadline = time.monotonic() + patience
        self.tell = tell
        self.told = 0

    def run(self) -> None:
        """Full passes first, then single keys, then reloads."""
        for kind in Kind:
            whole = ready(self.store.pk).filter(kind=kind, key=PendingChange.ALL).first()
            if whole is not None:
                self._pass(whole, kind)
        while time.monotonic() < self.deadline:
            batch = ready(self.store.pk).exclude(key=PendingChange.ALL).order_by("pk")
            claimed = list(batch.values_list("pk", "version", "kind", "key")[:_KEYS])
            if not claimed:
                break
            self._keys(claimed)
        activate_servers(
            store=self.store, kinds=self.report.changed_kinds & self.driver.reload_kinds
        )

    def _keys(self, claimed: Sequence[Claimed]) -> None:
        differences = []
        unusable: list[str] = []
        for kind in Kind:
            keys = [key for _, _, name, key in claimed if name == kind]
            if not keys:
                continue
            desired = {row.key: row for row in desired_rows(store=self.store, kind=kind, keys=keys)}
            existing = {row.key: row for row in self.driver.read(kind, keys)}
            owned = owned_keys(store=self.store, kind=kind, keys=keys)
            differences.append(
                compare(kind=kind, keys=keys, desired=desired, existing=existing, owned=owned)
            )
            if kind is Kind.SUBSCRIBER:
                # Whether changed or not: the servers may have been down when it was.
                unusable = [
                    key
                    for key in keys
                    if not is_usable(desired.get(key)) and (key in owned or key not in existing)
                ]
        results = make_so(store=self.store, driver=self.driver, differences=differences)
        if unusable:
            results[Kind.SUBSCRIBER].failed |= end_registrations(store=self.store, aors=unusable)
        for kind, result in results.items():
            self._keep([each for each in claimed if each[2] == kind], result)
            self._count(kind, result)
            self._tell(result)
        self._renew()

    def _pass(self, whole: PendingChange, kind: Kind) -> None:
        """Compare everything of one kind: what should be is a stream, what is are keys and rows."""
        claimed = list(
            ready(self.store.pk).filter(kind=kind).values_list("pk", "version", "kind", "key")
        )
        existing = {row.key: row for row in self.driver.read(kind)}
        owned = owned_keys(store=self.store, kind=kind, keys=None)
        unwanted = set(owned)
        total = Result()
        batch: dict[str, Row] = {}
        for row in desired_rows(store=self.store, kind=kind, keys=None):
            unwanted.discard(row.key)
            if row.key not in owned or existing.get(row.key) != row:
                batch[row.key] = row
            if len(batch) >= _PASS:
                total.add(self._step(kind, list(batch), batch, existing, owned))
                batch = {}
        total.add(self._step(kind, list(batch), batch, existing, owned))
        gone = sorted(unwanted)
        for start in range(0, len(gone), _PASS):
            total.add(self._step(kind, gone[start : start + _PASS], {}, existing, owned))
        if kind is Kind.SUBSCRIBER:
            total.failed |= end_registrations(store=self.store, aors=total.unusable)
        self._mark_failed(kind, total)
        self._keep(claimed, Result(failed=total.failed))
        self._count(kind, total)

    def _step(
        self,
        kind: Kind,
        keys: Sequence[str],
        desired: dict[str, Row],
        existing: dict[str, Row],
        owned: set[str],
    ) -> Result:
        if not keys:
            return Result()
        difference = compare(kind=kind, keys=keys, desired=desired, existing=existing, owned=owned)
        self._renew()
        result = make_so(store=self.store, driver=self.driver, differences=[difference])[kind]
        self._tell(result)
        return result

    def _mark_failed(self, kind: Kind, result: Result) -> None:
        """What failed in a full pass goes on as single keys; `_keep` notes the reason."""
        for key, problem in result.failed.items():
            PendingChange.objects.get_or_create(
                store=self.store,
                kind=kind,
                key=key,
                defaults={
                    "problem": problem,
                    "attempts": 1,
                    "not_before": leases.until(settings.PUSH_BACKOFF),
                    "marked_at": Now(),
                },
            )

    def _keep(self, claimed: Sequence[Claimed], result: Result) -> None:
        """Forget what was done, at the version that was read and only while the lease is ours."""
        failed = result.failed
        bulk.execute_many(
            _FORGET,
            [
                (pk, ver, self.store.pk, self.owner)
                for pk, ver, _, key in claimed
                if key not in failed
            ],
        )
        for pk, version, _, key in claimed:
            if key in failed:
                row = PendingChange.objects.filter(pk=pk, version=version)
                row.update(
                    attempts=F("attempts") + 1,
                    problem=failed[key],
                    not_before=leases.until(settings.PUSH_BACKOFF),
                )
                row.filter(attempts__gte=settings.PUSH_ATTEMPTS).update(dead=True)

    def _count(self, kind: Kind, result: Result) -> None:
        self.report.changed += len(result.changed)
        self.report.failed += len(result.failed)
        if result.changed:
            self.report.changed_kinds.add(kind)

    def _tell(self, result: Result) -> None:
        self.told += len(result.changed) + len(result.failed)
        self.tell(self.told)

    def _renew(self) -> None:
        this = ConfigStore.objects.filter(pk=self.store.pk)
        if not leases.renew(this, self.owner, settings.PUSH_LEASE):
            raise Busy("Another worker has taken this store over.")


def _back_off(store: ConfigStore, error: ProvisioningError) -> None:
    wait = min(settings.PUSH_BACKOFF * 2**store.failures, _LONGEST_WAIT)
    log.warning("push failed", store=store.name, reason=error.message, wait_seconds=wait)
    ConfigStore.objects.filter(pk=store.pk).update(
        failures=F("failures") + 1, not_before=leases.until(wait), problem=error.message
    )
