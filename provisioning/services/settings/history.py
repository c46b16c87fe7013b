"""What became of the settings of a place, from the audit log."""

from __future__ import annotations

from collections.abc import Sequence

from provisioning.core.errors import InvalidInput
from provisioning.core.settings.setting import Setting
from provisioning.models import AuditEvent
from provisioning.services.settings.places import Place

# What the audit log calls a change.
ACTION = "changed a setting of"
LATEST = 20


def find_history(*, place: Place, key: str = "") -> Sequence[AuditEvent]:
    """The latest changes at a place, of one setting or of all, the newest first."""
    found = AuditEvent.objects.select_related("actor").filter(
        action=ACTION,
        object_type=place.obj._meta.model_name if place.obj is not None else "",
        object_id=str(place.pk) if place.obj is not None else "",
    )
    if key:
        found = found.filter(detail__setting=key)
    return list(found.order_by("-id")[:LATEST])


def require_newest(*, place: Place, setting: Setting, seen: int) -> None:
    """Raise InvalidInput, with who and what, where it was changed after the event `seen`."""
    newest = next(iter(find_history(place=place, key=setting.key)), None)
    if newest is None or newest.pk <= seen:
        return
    before, after = newest.detail[setting.label]
    raise InvalidInput(
        f"{newest.who} changed “{setting.label}” after you had opened this form ({before} → "
        f"{after}). The form shows what you typed: send it again only where yours shall replace it."
    )
