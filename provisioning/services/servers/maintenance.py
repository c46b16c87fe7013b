"""Maintenance of a pool or a SIP server: begun for some hours, ended by the clock or before."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from provisioning.core.errors import InvalidInput
from provisioning.core.text import clean_line
from provisioning.models import ConfigStore, ServerPool, SipServer
from provisioning.services import wake
from provisioning.services.actor import Actor
from provisioning.services.console import audit

MOST_HOURS = 7 * 24
_REASON = 200

POOL_MAINTAINED = Q(pool__maintenance_until__gt=Now())
"""A store or server whose pool is in maintenance."""

MAINTAINED = Q(maintenance_until__gt=Now()) | POOL_MAINTAINED
"""A server that is in maintenance itself, or whose pool is."""

Place = ServerPool | SipServer


def begin_maintenance(*, place: Place, reason: str, hours: int, actor: Actor) -> None:
    """Leave a pool or server alone for so many hours, from now; begun again, the new end holds.

    What is to be changed there waits, the blocks of leavers too, and no alert tells of it.
    """
    reason = clean_line(reason)
    if not reason or len(reason) > _REASON:
        raise InvalidInput(f"Say why, in at most {_REASON} characters. Nothing was changed.")
    if not 1 <= hours <= MOST_HOURS:
        raise InvalidInput(f"Between 1 and {MOST_HOURS} hours. Nothing was changed.")
    until = timezone.now() + timedelta(hours=hours)
    with transaction.atomic():
        type(place)._default_manager.filter(pk=place.pk).update(
            maintenance_until=until, maintenance_reason=reason, maintenance_by=actor.user
        )
        audit.record(
            actor=actor,
            action="began maintenance of",
            obj=place,
            detail={"reason": reason, "until": until.isoformat(timespec="seconds")},
        )
    place.refresh_from_db()


def end_maintenance(*, place: Place, actor: Actor) -> None:
    """End it now; what waited goes on. Nothing happens where there is none."""
    here = type(place)._default_manager.filter(pk=place.pk, maintenance_until__gt=Now())
    with transaction.atomic():
        if not here.update(maintenance_until=None, maintenance_reason="", maintenance_by=None):
            return
        audit.record(actor=actor, action="ended maintenance of", obj=place)
        stores = (
            ConfigStore.objects.filter(pool=place.pk)
            if isinstance(place, ServerPool)
            else ConfigStore.objects.filter(pk=place.store_id)
        )
        for store_id in stores.values_list("pk", flat=True):
            wake.push(store_id=store_id)
    place.refresh_from_db()
