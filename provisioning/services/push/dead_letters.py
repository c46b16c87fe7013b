"""Changes given up after several attempts: listed with their reason, tried again on demand."""

from __future__ import annotations

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from provisioning.core.errors import InvalidInput
from provisioning.models import ConfigStore, PendingChange
from provisioning.services import wake
from provisioning.services.actor import Actor
from provisioning.services.console import audit


def dead_changes(*, store: ConfigStore) -> QuerySet[PendingChange]:
    """What was given up at `store`, by kind and key; `problem` holds the reason."""
    return PendingChange.objects.filter(store=store, dead=True).order_by("kind", "key")


def retry_dead(*, store: ConfigStore, actor: Actor) -> int:
    """Try everything again that was given up at `store`; how many changes that is.

    Raises InvalidInput when there is none, or when the store is only observed.
    """
    if store.mode != ConfigStore.Mode.MANAGE:
        raise InvalidInput(f"“{store}” is only observed: nothing is written there.")
    with transaction.atomic():
        count = dead_changes(store=store).update(
            dead=False,
            attempts=0,
            not_before=None,
            problem="",
            version=F("version") + 1,
            marked_at=timezone.now(),
        )
        if not count:
            raise InvalidInput(f"Nothing was given up at “{store}”.")
        audit.record(actor=actor, action="retried", obj=store, detail={"changes": count})
        wake.push(store_id=store.pk)
    return count
