"""What a push takes from the outbox, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet

from provisioning.drivers.base import Kind
from provisioning.models import ConfigStore, PendingChange
from provisioning.services import leases
from provisioning.services.push.moving import tell_others

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A pending change as it was when its work began."""

    pk: int
    version: int
    kind: Kind
    key: str
    stage: int | None


def claim(rows: QuerySet[PendingChange]) -> list[Claimed]:
    """`rows` as they are now."""
    values = rows.values_list("pk", "version", "kind", "key", "stage_id")
    return [
        Claimed(pk, version, Kind(kind), key, stage) for pk, version, kind, key, stage in values
    ]


def settle(
    claimed: Sequence[Claimed],
    *,
    store: ConfigStore,
    renew: Callable[[], None],
    failed: Mapping[Claimed, str],
    waiting: Mapping[Claimed, str],
) -> None:
    """Forget what was done at the version that was claimed, while the lease is ours.

    What failed is given up after some attempts; what only waits for a server is not. `renew` raises
    Busy when the lease is lost.
    """
    with transaction.atomic():
        renew()
        # A row that is locked is being marked anew, so it is not ours to settle.
        rows = PendingChange.objects.select_for_update(skip_locked=True)
        rows = rows.filter(pk__in=[each.pk for each in claimed])
        versions = dict(rows.values_list("pk", "version"))
        same = [each for each in claimed if versions.get(each.pk) == each.version]
        done = [each.pk for each in same if each not in failed and each not in waiting]
        PendingChange.objects.filter(pk__in=done).delete()
        finished = set(done)
        tell_others(
            store=store,
            done=[(each.kind, each.key) for each in same if each.pk in finished],
        )
        for each in same:
            if each in failed or each in waiting:
                _keep(each, failed.get(each, ""), waiting.get(each, ""))


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
