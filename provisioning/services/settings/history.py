"""What became of the settings of a place, from the audit log."""

from __future__ import annotations

from collections.abc import Sequence

from provisioning.models import AuditEvent
from provisioning.services.settings.change import ACTION
from provisioning.services.settings.places import Place

LATEST = 20


def find_history(*, place: Place, key: str = "") -> Sequence[AuditEvent]:
    """The latest changes at a place, of one setting or of all, the newest first."""
    found = AuditEvent.objects.filter(
        action=ACTION,
        object_type=place.obj._meta.model_name if place.obj is not None else "",
        object_id=str(place.pk) if place.obj is not None else "",
    )
    if key:
        found = found.filter(detail__setting=key)
    return list(found.order_by("-id")[:LATEST])
