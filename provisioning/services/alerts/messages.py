"""What channels are told: made from the open alerts and kept as messages until they arrived."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from provisioning.core.severity import Severity
from provisioning.models import Alert, AlertChannel, AlertMessage, AlertTold
from provisioning.services import wake

# What comes back within so long was never over: a server that comes and goes is one alert.
CALM = timedelta(minutes=5)
# Alerts of one message; more of them are counted.
MOST = 100


def make_messages() -> None:
    """Make one message for each channel that has something to be told, and wake a worker."""
    for pk in AlertChannel.objects.filter(enabled=True).order_by("pk").values_list("pk", flat=True):
        with transaction.atomic():
            # Held, so that two workers never tell the same twice.
            channel = AlertChannel.objects.select_for_update().filter(pk=pk).first()
            if channel is not None:
                _tell(channel)


def test_payload() -> dict[str, Any]:
    """What a channel is tried out with."""
    return _payload("test", [], 0)


def _tell(channel: AlertChannel) -> None:
    now = timezone.now()
    open_ones, ended = _due(channel, now), _over(channel, now)
    if not open_ones and not ended:
        return
    told = [*open_ones, *ended]
    AlertMessage.objects.create(
        channel=channel, made_at=now, payload=_payload("alerts", told[:MOST], len(told))
    )
    AlertTold.objects.bulk_create(
        [
            AlertTold(channel=channel, alert=alert, at=now, ended=alert.ended_at is not None)
            for alert in told
        ],
        update_conflicts=True,
        unique_fields=["channel", "alert"],
        update_fields=["at", "ended"],
    )
    wake.send_alerts()


def _due(channel: AlertChannel, now: datetime) -> list[Alert]:
    """Open alerts that the channel was not told of, or so long ago that it is told again."""
    told = dict(
        AlertTold.objects.filter(channel=channel, alert__ended_at=None).values_list("alert", "at")
    )
    wanted = Alert.objects.filter(ended_at=None, severity__in=channel.severities).order_by("id")
    again = now - timedelta(hours=channel.repeat_hours)
    return [
        alert
        for alert in wanted
        if alert.pk not in told
        or (channel.repeat_hours and alert.acknowledged_at is None and told[alert.pk] <= again)
    ]


def _over(channel: AlertChannel, now: datetime) -> list[Alert]:
    """Alerts that the channel was told of, and that are over for good."""
    return list(
        Alert.objects.filter(
            ended_at__lte=now - CALM, told__channel=channel, told__ended=False
        ).order_by("id")
    )


def _payload(event: str, alerts: Sequence[Alert], count: int) -> dict[str, Any]:
    """The document of docs/alerts.md; nothing in it is secret."""
    return {
        "version": 1,
        "event": event,
        "console": settings.PUBLIC_URL,
        "environment": settings.ENVIRONMENT,
        "made_at": timezone.now().isoformat(),
        "count": count,
        "alerts": [
            {
                "id": alert.pk,
                "kind": alert.kind,
                "severity": str(Severity(alert.severity)),
                "state": "open" if alert.ended_at is None else "ended",
                "title": alert.title,
                "text": alert.text,
                "since": alert.since.isoformat(),
                "ended_at": alert.ended_at.isoformat() if alert.ended_at else None,
                "acknowledged": alert.acknowledged_at is not None,
            }
            for alert in alerts
        ],
    }
