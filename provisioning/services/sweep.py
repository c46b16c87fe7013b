"""The sweeper: finds work that no message told a worker about, and what is due by the clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from provisioning.models import ConfigStore, PendingChange, SipServer
from provisioning.services import leases, pause, runs, wake


@dataclass(frozen=True, slots=True)
class Sweep:
    """What a sweep found: ids of stores and of runs that got a worker woken."""

    stores: list[int]
    runs: list[int]


def sweep() -> Sweep:
    """Wake workers for pending changes, pending reloads and forgotten runs; cheap, and safe at any time."""
    stores: list[int] = []
    if not pause.is_paused():
        stores = list(
            ConfigStore.objects.filter(
                leases.FREE,
                Q(not_before__isnull=True) | Q(not_before__lte=Now()),
                Q(pk__in=_with_pending()) | Q(pk__in=_with_reload_pending()),
                mode=ConfigStore.Mode.MANAGE,
            ).values_list("pk", flat=True)
        )
    forgotten = runs.find_forgotten_runs()
    for store_id in stores:
        wake.push(store_id=store_id)
    for run_id in forgotten:
        wake.run(run_id=run_id)
    return Sweep(stores, forgotten)


def _with_pending() -> QuerySet[PendingChange, Any]:
    ready = PendingChange.objects.filter(
        Q(not_before__isnull=True) | Q(not_before__lte=Now()), dead=False
    )
    return ready.values("store_id")


def _with_reload_pending() -> QuerySet[SipServer, Any]:
    return SipServer.objects.filter(enabled=True).exclude(reload_pending=[]).values("store_id")
