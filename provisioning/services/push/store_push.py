"""One push of one store: its single keys, and what a full pass does with it as well."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from types import MappingProxyType

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.db.models import F, QuerySet

from provisioning.core.errors import Busy, ProvisioningError
from provisioning.drivers.base import Kind, StoreDriver
from provisioning.models import ConfigStore, PendingChange
from provisioning.services import leases
from provisioning.services.push import outbox, pause
from provisioning.services.push.activation import activate_servers, end_registrations
from provisioning.services.push.claimed import Claimed, claim, settle
from provisioning.services.push.comparison import Difference, Result, find_difference, make_so
from provisioning.services.push.desired import Desired, Page, derive, page_of
from provisioning.services.push.push_record import Journal
from provisioning.services.servers.maintenance import POOL_MAINTAINED

log = structlog.stdlib.get_logger(__name__)

# Pending keys of one batch: what is written, and whose registrations are ended, in one go.
_BATCH = 1000
_INTERNAL = "An internal error stopped this change; the log has the details. The others went on."
# Errors that concern all changes alike.
GENERAL = (ProvisioningError, OperationalError, InterfaceError)

Tell = Callable[[int], None]
Doubt = Set[tuple[Kind, str]]


@dataclass(slots=True)
class PushReport:
    """What one push of a store did: rows changed and read back, rows failed, changes left."""

    changed: int = 0
    failed: int = 0
    left: int = 0
    problem: str = ""


class StorePush:
    """One push of one store, as long as the lease is ours and the patience lasts.

    Nothing new begins after `until`. With `mend` a full pass writes what drifted too, even if the
    store waits for somebody with that.
    """

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

    def all_single_keys(self) -> None:
        """Bring all pending keys to the store, and reload what its servers must."""
        while self.single_keys():
            pass
        activate_servers(store=self.store)

    def single_keys(self) -> bool:
        """Bring one batch of pending keys to the store; False when there is none."""
        rows = outbox.pending(store_id=self.store.pk).exclude(key=PendingChange.ALL)
        claimed = claim(rows.order_by(F("stage").asc(nulls_first=True), "pk")[:_BATCH])
        if not claimed or self.is_over():
            return False
        self._bring([each for each in claimed if each.stage == claimed[0].stage])
        return True

    def _bring(self, claimed: Sequence[Claimed]) -> None:
        """Make claimed keys of one stage so; what breaks the console's code is found by halving."""
        try:
            self._make_so(claimed)
        except GENERAL:
            raise
        except Exception as error:
            if len(claimed) == 1:
                log.exception("change failed", store=self.store.name, key=claimed[0].key)
                self.settle(claimed, failed={claimed[0]: _INTERNAL})
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
                differences.append(self.difference(kind, self.page_of(kind, keys)))
        moving = {
            by_address[difference.kind, key]: reason
            for difference in differences
            for key, reason in difference.moving.items()
        }
        results = self.write(differences, claimed[0].stage)
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
        self.settle(claimed, failed=failed, waiting=waiting)
        self.count(results.values())

    def page_of(self, kind: Kind, keys: Sequence[str]) -> Page:
        """Those of `keys` that are within the store's scope."""
        return page_of(store=self.store, kind=kind, keys=keys)

    def difference(
        self, kind: Kind, page: Page, desired: Desired | None = None, doubt: Doubt | None = None
    ) -> Difference:
        """What of a page is not as it should be, without what a rollout holds back."""
        if desired is None:
            desired = derive(store=self.store, kind=kind, page=page)
        desired = desired.without(outbox.held_keys(store_id=self.store.pk, kind=kind))
        return find_difference(
            store=self.store, driver=self.driver, kind=kind, desired=desired, doubt=doubt
        )

    def write(self, differences: Sequence[Difference], stage: int | None) -> dict[Kind, Result]:
        """Make `differences`, all of one stage, so; what stood there is noted before."""
        journal = self.journals.setdefault(stage, Journal(self.store, stage=stage))
        return make_so(
            store=self.store, driver=self.driver, differences=differences, renew=self.renew,
            journal=journal,
        )  # fmt: skip

    def mark(self, kind: Kind, keys: Sequence[str], stage: int | None = None) -> None:
        """Have `keys` done by themselves."""
        outbox.mark_each(store_ids=[self.store.pk], kind=kind, keys=keys, stage=stage)

    def settle(
        self,
        claimed: Sequence[Claimed],
        *,
        failed: Mapping[Claimed, str] = MappingProxyType({}),
        waiting: Mapping[Claimed, str] = MappingProxyType({}),
    ) -> None:
        """Forget what was done (claimed.settle)."""
        settle(claimed, store=self.store, renew=self.renew, failed=failed, waiting=waiting)

    def end(self) -> None:
        """All that was noted was read back."""
        for journal in self.journals.values():
            journal.settle()

    def count(self, results: Iterable[Result]) -> None:
        """Add to the report, and tell."""
        for result in results:
            self.report.changed += len(result.changed)
            self.report.failed += len(result.failed)
        self.tell(self.report.changed + self.report.failed)

    def is_over(self) -> bool:
        """Whether no further batch may begin: out of time, paused, or not pushed to any more."""
        return (
            time.monotonic() > self.until
            or pause.is_paused()
            or not pushed_to(self.store.pk).exists()
        )

    def renew(self) -> None:
        """Keep the lease; raises Busy where it is lost."""
        this = ConfigStore.objects.filter(pk=self.store.pk)
        if not leases.renew(this, self.owner, settings.PUSH_LEASE):
            raise Busy("Another worker has taken this store over.")


def pushed_to(store_id: int) -> QuerySet[ConfigStore]:
    """The store, unless it is only observed or in maintenance."""
    managed = ConfigStore.objects.filter(pk=store_id, mode=ConfigStore.Mode.MANAGE)
    return managed.exclude(POOL_MAINTAINED)
