"""The sweeper: finds work that no message told a worker about, and what is due by the clock."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Q

from provisioning.models import ConfigStore, PendingChange
from provisioning.services import leases, wake
from provisioning.services.push import outbox, pause
from provisioning.services.push.activation import reloads_pending
from provisioning.services.rollouts.advance import find_unfinished
from provisioning.services.runs import runs
from provisioning.services.servers.maintenance import POOL_MAINTAINED
from provisioning.services.write_back import write_back_runs


@dataclass(frozen=True, slots=True)
class Sweep:
    """What a sweep found: ids of stores, runs and rollouts that got a worker woken."""

    stores: list[int]
    runs: list[int]
    rollouts: list[int]


def sweep() -> Sweep:
    """Wake workers for pending changes and reloads, forgotten runs, rollouts and write-backs.

    Cheap, and safe at any time.
    """
    stores: list[int] = []
    if not pause.is_paused():
        pending = PendingChange.objects.filter(outbox.DUE, outbox.RELEASED, dead=False).values(
            "store_id"
        )
        reloads = reloads_pending().values("store_id")
        stores = list(
            ConfigStore.objects.filter(
                leases.FREE,
                outbox.DUE,
                Q(pk__in=pending) | Q(pk__in=reloads),
                mode=ConfigStore.Mode.MANAGE,
            )
            .exclude(POOL_MAINTAINED)
            .values_list("pk", flat=True)
        )
        write_back_runs.request_due()
    forgotten = runs.find_forgotten_runs()
    unfinished = find_unfinished()
    for store_id in stores:
        wake.push(store_id=store_id)
    for run_id in forgotten:
        wake.run(run_id=run_id)
    for rollout_id in unfinished:
        wake.rollout(rollout_id=rollout_id)
    return Sweep(stores, forgotten, unfinished)
