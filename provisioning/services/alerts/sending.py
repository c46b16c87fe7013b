"""Sending what channels are to be told: claimed one by one, tried again, given up at last."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone

from provisioning.core.errors import InvalidInput, ProvisioningError
from provisioning.models import AlertChannel, AlertMessage
from provisioning.services import bulk, leases
from provisioning.services.alerts.mail import send_mail
from provisioning.services.alerts.webhook import post

log = structlog.stdlib.get_logger(__name__)

_LEASE = 60
_FIRST_WAIT, _DOUBLINGS = 30, 7
_KEPT = timedelta(days=30)
_ROWS = 5000
_DUE = Q(not_before__isnull=True) | Q(not_before__lte=Now())

# One for each kind of channel: sends a payload, with an id for those who get it twice.
SENDERS: dict[str, Callable[[AlertChannel, dict[str, Any], str], None]] = {
    AlertChannel.Kind.WEBHOOK: post,
    AlertChannel.Kind.MAIL: send_mail,
}


def send_messages() -> int:
    """Send every message that is due; how many arrived. One that fails delays no other.

    A message whose answer was lost is sent again: receivers tell doubles by its id.
    """
    arrived = 0
    waiting = AlertMessage.objects.filter(_DUE, sent_at=None, dead=False).order_by("id")
    for pk in list(waiting.values_list("pk", flat=True)):
        this = AlertMessage.objects.filter(pk=pk, sent_at=None, dead=False)
        if leases.claim(this, leases.new_owner(), _LEASE, attempts=F("attempts") + 1):
            arrived += _send(this.select_related("channel").get())
    return arrived


def send_test(*, channel: AlertChannel, payload: dict[str, Any]) -> None:
    """Send one message at once; raises what went wrong. Nothing is kept."""
    SENDERS[channel.kind](channel, payload, "test")


def forget_old() -> int:
    """Delete messages of more than 30 days ago; how many. The next call does the rest."""
    old = AlertMessage.objects.filter(made_at__lt=timezone.now() - _KEPT).order_by("pk")
    ids = list(old.values_list("pk", flat=True)[:_ROWS])
    AlertMessage.objects.filter(pk__in=bulk.among_numbers(ids)).delete()
    return len(ids)


def _send(message: AlertMessage) -> bool:
    channel, this = message.channel, AlertMessage.objects.filter(pk=message.pk)
    here = AlertChannel.objects.filter(pk=channel.pk)
    if not channel.enabled:
        this.update(dead=True, problem="The channel was switched off.", lease_until=None)
        return False
    try:
        SENDERS[channel.kind](channel, message.payload, str(message.pk))
    except ProvisioningError as error:
        log.warning("alert not delivered", channel=channel.name, reason=error.message)
        over = message.made_at < timezone.now() - timedelta(seconds=settings.ALERT_PATIENCE)
        dead = over or isinstance(error, InvalidInput)
        wait = _FIRST_WAIT * 2 ** min(message.attempts, _DOUBLINGS)
        this.update(
            problem=error.message, dead=dead, not_before=leases.until(wait), lease_until=None
        )
        here.update(problem=error.message)
        return False
    this.update(sent_at=Now(), problem="", lease_until=None)
    here.update(problem="", sent_at=Now())
    return True
