"""The push: takes what is pending for a store, makes it so, reads it back, and then forgets it."""

from __future__ import annotations

import time

import structlog
from django.conf import settings
from django.db.models import F
from django.db.models.functions import Now

from provisioning.core.errors import Busy, ProvisioningError
from provisioning.models import ConfigStore
from provisioning.services import bulk, leases, wake
from provisioning.services.push import outbox, pause
from provisioning.services.push.activation import reloads_pending
from provisioning.services.push.full_pass import FullPass
from provisioning.services.push.store_push import PushReport, StorePush, Tell, pushed_to
from provisioning.services.servers.driver_access import open_store

log = structlog.stdlib.get_logger(__name__)

# The back-off of a store that fails doubles so many times.
_DOUBLINGS = 6


def push_store(
    *,
    store_id: int,
    patience: float | None = None,
    mend: bool = False,
    tell: Tell = lambda rows: None,
) -> PushReport:
    """Push what is pending for one store; the work of one Celery task.

    Nothing happens while the console is paused, the store is only observed, or its pool is in
    maintenance. Raises Busy when another worker pushes to it, or when it waits after a failure. A
    store that cannot be reached is left alone for a growing while; nothing is lost. Begins nothing
    new after `patience` seconds (settings.PUSH_PATIENCE by default); `tell` hears how many rows
    were dealt with. Where everything is compared, `mend` writes what drifted too, even if the store
    waits for somebody with that.
    """
    report = PushReport()
    store = pushed_to(store_id).first()
    if store is None or pause.is_paused() or not _has_work(store):
        return report
    owner = leases.new_owner()
    this = ConfigStore.objects.filter(pk=store_id)
    if not leases.claim(this.filter(outbox.DUE), owner, settings.PUSH_LEASE):
        raise Busy(f"The store {store} is being pushed to, or waits before it is tried again.")
    until = time.monotonic() + (settings.PUSH_PATIENCE if patience is None else patience)
    try:
        with open_store(store) as driver, bulk.collecting_rarely():
            _push(StorePush(store, driver, owner, report, until, tell, mend=mend))
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


def _push(push: StorePush) -> None:
    """Single keys first, and again between the pages of a full pass: they never wait for it."""
    push.all_single_keys()
    FullPass(push).run()
    push.all_single_keys()
    push.end()


def _has_work(store: ConfigStore) -> bool:
    return outbox.pending(store_id=store.pk).exists() or reloads_pending(store_id=store.pk).exists()


def _back_off(store: ConfigStore, error: ProvisioningError) -> None:
    wait = settings.PUSH_BACKOFF * 2 ** min(store.failures, _DOUBLINGS)
    log.warning("push failed", store=store.name, reason=error.message, wait_seconds=wait)
    ConfigStore.objects.filter(pk=store.pk).update(
        failures=F("failures") + 1, not_before=leases.until(wait), problem=error.message
    )
