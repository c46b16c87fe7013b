"""The one global Pause: while it lasts, nothing is written to any SIP server."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from provisioning.core.errors import InvalidInput, Rejected
from provisioning.core.text import require_line
from provisioning.models import PushPause
from provisioning.services import wake
from provisioning.services.actor import Actor
from provisioning.services.console import audit
from provisioning.services.push import outbox

# The pause is one row.
_ONLY = 1


def is_paused() -> bool:
    """Whether pushes are paused right now."""
    return PushPause.objects.filter(paused=True).exists()


def pause(*, reason: str, actor: Actor) -> None:
    """Stop every push; changes wait and none is lost. A running slice ends at its next check.

    Raises InvalidInput without a reason, Rejected when pushes are paused already.
    """
    reason = require_line(reason.strip(), "The reason")
    if not reason:
        raise InvalidInput("Say why, so that others know when the pause may end.")
    with transaction.atomic():
        row = _locked()
        if row.paused:
            raise Rejected(f"Pushes are paused already, by {row.by or 'the command line'}.")
        row.paused, row.reason, row.by, row.since = True, reason[:200], actor.user, timezone.now()
        row.save()
        audit.record(actor=actor, action="paused all pushes", detail={"reason": reason[:200]})


def resume(*, actor: Actor) -> None:
    """End the pause and wake a worker for every managed store; raises Rejected without a pause."""
    with transaction.atomic():
        row = _locked()
        if not row.paused:
            raise Rejected("Pushes are not paused.")
        row.paused, row.reason, row.by, row.since = False, "", None, None
        row.save()
        audit.record(actor=actor, action="resumed all pushes")
        for store_id in outbox.manageable_stores():
            wake.push(store_id=store_id)


def _locked() -> PushPause:
    PushPause.objects.get_or_create(pk=_ONLY)
    return PushPause.objects.select_for_update().get(pk=_ONLY)
