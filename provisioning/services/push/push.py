"""The push: takes what is pending for a store, makes it so, reads it back, and then forgets it."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import closing
from dataclasses import dataclass

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from provisioning.core.errors import Busy, ProvisioningError
from provisioning.drivers.base import Kind, StoreDriver
from provisioning.models import ConfigStore, PendingChange
from provisioning.services import bulk, leases, wake
from provisioning.services.ahead import read_ahead
from provisioning.services.push import outbox, pause
from provisioning.services.push.activation import (
    activate_servers,
    end_registrations,
    reloads_pending,
)
from provisioning.services.push.comparison import Difference, Result, find_difference, make_so
from provisioning.services.push.desired import Desired, Page, derive, page_of
from provisioning.services.push.moving import tell_others
from provisioning.services.push.proof import PROVEN, Look
from provisioning.services.push.push_record import Journal, end_doubt, in_doubt
from provisioning.services.servers.driver_access import open_store
from provisioning.services.servers.maintenance import POOL_MAINTAINED

log = structlog.stdlib.get_logger(__name__)

# Pending keys of one batch: what is written, and whose registrations are ended, in one go.
_BATCH = 1000
# The back-off of a store that fails doubles so many times.
_DOUBLINGS = 6
_INTERNAL = "An internal error stopped this change; the log has the details. The others went on."
# Errors that concern all changes alike.
_GENERAL = (ProvisioningError, OperationalError, InterfaceError)

Tell = Callable[[int], None]
# A page, with what should be there; None where that is still to be made.
Prepared = tuple[Page, Desired | None]
Doubt = Set[tuple[Kind, str]]


@dataclass(frozen=True, slots=True)
class Claimed:
    """A pending change as it was when its work began."""

    pk: int
    version: int
    kind: Kind
    key: str
    stage: int | None


@dataclass(slots=True)
class PushReport:
    """What one push of a store did: rows changed and read back, rows failed, changes left."""

    changed: int = 0
    failed: int = 0
    left: int = 0
    problem: str = ""


def push_store(
    *,
    store_id: int,
    patience: float | None = None,
    mend: bool = False,
    tell: Tell = lambda rows: None,
) -> PushReport:
    """Push what is pending for one store; the work of one Celery task.

    Nothing happens while the console is paused, the store is only observed, or its pool is in
    maintenance. Raises Busy when
    another worker pushes to it, or when it waits after a failure. A store that cannot be reached is
    left alone for a growing while; nothing is lost. Begins nothing new after `patience` seconds
    (settings.PUSH_PATIENCE by default); `tell` hears how many rows were dealt with. Where
    everything is compared, `mend` writes what drifted too, even if the store waits for somebody
    with that.
    """
    report = PushReport()
    store = _pushed_to(store_id).first()
    if store is None or pause.is_paused() or not _has_work(store):
        return report
    owner = leases.new_owner()
    this = ConfigStore.objects.filter(pk=store_id)
    if not leases.claim(this.filter(outbox.DUE), owner, settings.PUSH_LEASE):
        raise Busy(f"The store {store} is being pushed to, or waits before it is tried again.")
    until = time.monotonic() + (settings.PUSH_PATIENCE if patience is None else patience)
    try:
        with open_store(store) as driver, bulk.collecting_rarely():
            _StorePush(store, driver, owner, report, until, tell, mend=mend).run()
        this.update(failures=0, not_before=None, problem="", last_push_at=Now())
    except Busy:
        raise
    except ProvisioningError as error:
        report.problem = error.message
        _back_off(store, error)
    finally:
        leases.release(this, owner)
    # After the lease was given back: whoever was woken meanwhile found it taken and went away.
    report.left = outbox.pending(store_id=store_id).count()
    if report.left and not report.problem:
        wake.push(store_id=store_id)
    return report


class _StorePush:
    """One push of one store, as long as the lease is ours and the patience lasts."""

    def __init__(
        self,
        store: ConfigStore,
        driver: StoreDriver,
        owner: str,
        report: PushReport,
        until: float,
        tell: Tell,
        *,
        mend: bool,
    ) -> None:
        self.store = store
        self.driver = driver
        self.owner = owner
        self.report = report
        self.until = until
        self.tell = tell
        self.mend = mend
        # What belongs to a stage of a rollout is noted by itself, so that it alone can be put back.
        self.journals: dict[int | None, Journal] = {}

    def run(self) -> None:
        """Single keys first, and again between the pages of a full pass: they never wait for it."""
        self._all_single_keys()
        self._full_passes()
        self._all_single_keys()
        for journal in self.journals.values():
            journal.settle()

    def _all_single_keys(self) -> None:
        while self._single_keys():
            pass
        activate_servers(store=self.store)

    def _single_keys(self) -> bool:
        """Bring one batch of pending keys to the store; False when there is none."""
        rows = outbox.pending(store_id=self.store.pk).exclude(key=PendingChange.ALL)
        claimed = _claim(rows.order_by(F("stage").asc(nulls_first=True), "pk")[:_BATCH])
        if not claimed or self._is_over():
            return False
        self._bring([each for each in claimed if each.stage == claimed[0].stage])
        return True

    def _bring(self, claimed: Sequence[Claimed]) -> None:
        """Make claimed keys of one stage so; what breaks the console's code is found by halving."""
        try:
            self._make_so(claimed)
        except _GENERAL:
            raise
        except Exception as error:
            if len(claimed) == 1:
                log.exception("change failed", store=self.store.name, key=claimed[0].key)
                self._settle(claimed, failed={claimed[0]: _INTERNAL}, waiting={})
                return
            log.warning("changes tried apart", count=len(claimed), error=type(error).__name__)
            half = len(claimed) // 2
            self._bring(claimed[:half])
            self._bring(claimed[half:])

    def _make_so(self, claimed: Sequence[Claimed]) -> None:
        by_address = {(each.kind, each.key): each for each in claimed}
        differences = []
        for kind in Kind:
            if keys := [each.key for each in claimed if each.kind is kind]:
                differences.append(self._difference(kind, self._page_of(kind, keys)))
        moving = {
            by_address[difference.kind, key]: reason
            for difference in differences
            for key, reason in difference.moving.items()
        }
        results = self._write(differences, claimed[0].stage)
        failed = {
            by_address[kind, key]: reason
            for kind, result in results.items()
            for key, reason in result.failed.items()
        }
        # Whether their row changed now or before: a server may have been down when it did.
        unusable = [aor for difference in differences for aor in difference.unusable]
        left = end_registrations(store=self.store, aors=unusable, seconds=settings.PUSH_SLICE)
        for aor, reason in left.refused.items():
            failed.setdefault(by_address[Kind.SUBSCRIBER, aor], reason)
        waiting = {by_address[Kind.SUBSCRIBER, aor]: said for aor, said in left.waiting.items()}
        waiting |= moving
        self._settle(claimed, failed=failed, waiting=waiting)
        self._count(results.values())

    def _full_passes(self) -> None:
        """Compare all of the marked kinds, page by page: what must go first, then the rest.

        All that may have changed since a look for drift found it right. What stays to be done for
        single keys becomes a pending change of its own.
        """
        ready = outbox.pending(store_id=self.store.pk)
        whole = {each.kind: each for each in _claim(ready.filter(key=PendingChange.ALL))}
        failed: set[tuple[Kind, str]] = set()
        look = Look(self.store, self.driver, kinds=whole)
        passes = [(kind, look.unwanted_pages) for kind in reversed(Kind) if kind in whole]
        passes += [(kind, look.wanted_pages) for kind in Kind if kind in whole]
        dead = _claim(PendingChange.objects.filter(store=self.store, kind__in=whole, dead=True))
        doubt = in_doubt(store=self.store) if passes and not self.mend else None
        for kind, pages in passes:
            with closing(self._prepared(kind, pages(kind))) as all_prepared:
                for prepared in all_prepared:
                    if self._is_over() or not self._may_go_on(whole[kind]):
                        return
                    found = self._page(kind, prepared, dead, doubt, whole[kind].stage)
                    failed |= {(kind, key) for key in found}
            if pages == look.wanted_pages:
                # What was given up before and looks right now is tried once more by itself.
                others = [each.key for each in dead if each.kind is kind]
                self._mark(kind, [key for key in others if (kind, key) not in failed])
                self._settle([whole[kind]], failed={}, waiting={})
            activate_servers(store=self.store)
        if len(whole) == len(Kind):
            end_doubt(store=self.store)

    def _prepared(self, kind: Kind, pages: Iterator[Page]) -> Generator[Prepared]:
        """Each page, with what should be there; single keys are brought after each of them.

        Where pages are large, the next one is made meanwhile. Not what was made before single keys
        were brought, for it may say what they were then.
        """
        if kind not in PROVEN:
            for page in pages:
                yield page, None
                self._single_keys()
            return
        outdated = False
        with closing(read_ahead(self._prepare(kind, page) for page in pages)) as ahead:
            for page, desired in ahead:
                yield (page, desired) if not outdated else (self._page_of(kind, page.keys), None)
                outdated = self._single_keys()

    def _prepare(self, kind: Kind, page: Page) -> Prepared:
        try:
            return page, derive(store=self.store, kind=kind, page=page)
        except Exception:  # noqa: BLE001  # raised again where the page is tried key by key
            return page, None

    def _page(
        self,
        kind: Kind,
        prepared: Prepared,
        dead: Sequence[Claimed],
        doubt: Doubt | None,
        stage: int | None,
    ) -> list[str]:
        """Make one page of a full pass so; returns the keys that failed."""
        page, desired = prepared
        try:
            difference = self._difference(kind, page, desired, doubt)
            # Noted before the rows change, so that no crash forgets their registrations.
            self._mark(kind, [*difference.revoked(), *difference.moving])
            results = self._write([difference], stage)
        except _GENERAL:
            raise
        except Exception:
            log.exception("page tried key by key", store=self.store.name, kind=kind)
            held = outbox.held_keys(store_id=self.store.pk, kind=kind)
            self._mark(kind, [key for key in page.keys if key not in held], stage)
            return list(page.keys)
        self._count(results.values())
        given_up = {each.key for each in dead if each.kind is kind}
        failed = list(results[kind].failed)
        self._mark(kind, [key for key in failed if key not in given_up], stage)
        return failed

    def _page_of(self, kind: Kind, keys: Sequence[str]) -> Page:
        return page_of(store=self.store, kind=kind, keys=keys)

    def _difference(
        self, kind: Kind, page: Page, desired: Desired | None = None, doubt: Doubt | None = None
    ) -> Difference:
        if desired is None:
            desired = derive(store=self.store, kind=kind, page=page)
        desired = desired.without(outbox.held_keys(store_id=self.store.pk, kind=kind))
        return find_difference(
            store=self.store, driver=self.driver, kind=kind, desired=desired, doubt=doubt
        )

    def _write(self, differences: Sequence[Difference], stage: int | None) -> dict[Kind, Result]:
        journal = self.journals.setdefault(stage, Journal(self.store, stage=stage))
        return make_so(
            store=self.store, driver=self.driver, differences=differences, renew=self._renew,
            journal=journal,
        )  # fmt: skip

    def _mark(self, kind: Kind, keys: Sequence[str], stage: int | None = None) -> None:
        outbox.mark_each(store_ids=[self.store.pk], kind=kind, keys=keys, stage=stage)

    def _may_go_on(self, whole: Claimed) -> bool:
        """Whether the stage that a full pass belongs to is still open."""
        if whole.stage is None:
            return True
        return outbox.pending(store_id=self.store.pk).filter(pk=whole.pk).exists()

    def _settle(
        self,
        claimed: Sequence[Claimed],
        *,
        failed: Mapping[Claimed, str],
        waiting: Mapping[Claimed, str],
    ) -> None:
        """Forget what was done at the version that was claimed, while the lease is ours.

        What failed is given up after some attempts; what only waits for a server is not.
        """
        with transaction.atomic():
            self._renew()
            # A row that is locked is being marked anew, so it is not ours to settle.
            rows = PendingChange.objects.select_for_update(skip_locked=True)
            rows = rows.filter(pk__in=[each.pk for each in claimed])
            versions = dict(rows.values_list("pk", "version"))
            same = [each for each in claimed if versions.get(each.pk) == each.version]
            done = [each.pk for each in same if each not in failed and each not in waiting]
            PendingChange.objects.filter(pk__in=done).delete()
            finished = set(done)
            tell_others(
                store=self.store,
                done=[(each.kind, each.key) for each in same if each.pk in finished],
            )
            for each in same:
                if each in failed or each in waiting:
                    _keep(each, failed.get(each, ""), waiting.get(each, ""))

    def _count(self, results: Iterable[Result]) -> None:
        for result in results:
            self.report.changed += len(result.changed)
            self.report.failed += len(result.failed)
        self.tell(self.report.changed + self.report.failed)

    def _is_over(self) -> bool:
        """Whether no further batch may begin: out of time, paused, or not pushed to any more."""
        return (
            time.monotonic() > self.until
            or pause.is_paused()
            or not _pushed_to(self.store.pk).exists()
        )

    def _renew(self) -> None:
        this = ConfigStore.objects.filter(pk=self.store.pk)
        if not leases.renew(this, self.owner, settings.PUSH_LEASE):
            raise Busy("Another worker has taken this store over.")


def _pushed_to(store_id: int) -> QuerySet[ConfigStore]:
    """The store, unless it is only observed or in maintenance."""
    managed = ConfigStore.objects.filter(pk=store_id, mode=ConfigStore.Mode.MANAGE)
    return managed.exclude(POOL_MAINTAINED)


def _has_work(store: ConfigStore) -> bool:
    return outbox.pending(store_id=store.pk).exists() or reloads_pending(store_id=store.pk).exists()


def _claim(rows: QuerySet[PendingChange]) -> list[Claimed]:
    values = rows.values_list("pk", "version", "kind", "key", "stage_id")
    return [
        Claimed(pk, version, Kind(kind), key, stage) for pk, version, kind, key, stage in values
    ]


def _keep(claimed: Claimed, failed: str, waiting: str) -> None:
    """Note why a change was not done, and when it is tried again."""
    row = PendingChange.objects.filter(pk=claimed.pk)
    row.update(
        problem=waiting or failed,
        not_before=leases.until(settings.PUSH_BACKOFF),
        # What waits for a server stands at the store: earlier attempts count no more.
        attempts=0 if waiting else F("attempts") + 1,
    )
    if row.filter(attempts__gte=settings.PUSH_ATTEMPTS).update(dead=True):
        log.error("change given up", kind=claimed.kind, key=claimed.key, reason=failed)


def _back_off(store: ConfigStore, error: ProvisioningError) -> None:
    wait = settings.PUSH_BACKOFF * 2 ** min(store.failures, _DOUBLINGS)
    log.warning("push failed", store=store.name, reason=error.message, wait_seconds=wait)
    ConfigStore.objects.filter(pk=store.pk).update(
        failures=F("failures") + 1, not_before=leases.until(wait), problem=error.message
    )
