"""Alerts as they are kept: opened, brought up to date and ended by what is found; acknowledged."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from provisioning.core.errors import InvalidInput
from provisioning.core.severity import Severity
from provisioning.core.text import clean_line
from provisioning.models import Alert
from provisioning.services import bulk
from provisioning.services.actor import Actor
from provisioning.services.alerts.conditions import Condition, find_conditions
from provisioning.services.alerts.messages import CALM, make_messages
from provisioning.services.alerts.watch import watch
from provisioning.services.console import audit

_KEPT = timedelta(days=90)
_TITLE, _NOTE = 300, 200
_ROWS = 5000


def look() -> None:
    """Compare what is wrong now with the open alerts, and have channels told of what is new."""
    settle_alerts(conditions=find_conditions(watch()))
    make_messages()


def settle_alerts(*, conditions: Sequence[Condition]) -> None:
    """Make the open alerts those of `conditions`: new ones open, others end or are brought up."""
    found = {each.key: each for each in conditions}
    now = timezone.now()
    with transaction.atomic():
        is_open = {
            alert.key: alert for alert in Alert.objects.select_for_update().filter(ended_at=None)
        }
        over = [alert.pk for key, alert in is_open.items() if key not in found]
        Alert.objects.filter(pk__in=over).update(ended_at=now)
        new = {key: each for key, each in found.items() if key not in is_open}
        _open(new)
        changed = [
            alert for key, alert in is_open.items() if key in found and _differs(alert, found[key])
        ]
        Alert.objects.bulk_update(changed, ["severity", "title", "text"])


def _open(new: dict[str, Condition]) -> None:
    """Those that ended just now go on, with whoever acknowledged them."""
    if not new:
        return
    now = timezone.now()
    recent = Alert.objects.filter(key__in=bulk.among(new), ended_at__gt=now - CALM)
    again = {alert.key: alert for alert in recent.order_by("ended_at")}
    for key, alert in again.items():
        _differs(alert, new[key])
        alert.ended_at = None
        alert.save(update_fields=["ended_at", "severity", "title", "text"])
    # Ignoring conflicts: another worker may have looked at the same time.
    Alert.objects.bulk_create(
        (
            Alert(
                key=each.key, kind=each.kind, severity=each.severity, title=each.title[:_TITLE],
                text=each.text, noun=each.noun, object_id=each.pk, since=each.since or now,
            )
            for key, each in new.items()
            if key not in again
        ),
        ignore_conflicts=True,
    )  # fmt: skip


def _differs(alert: Alert, condition: Condition) -> bool:
    """Bring the alert to what the condition says; whether it said something else."""
    wanted = (condition.severity, condition.title[:_TITLE], condition.text)
    same = (Severity(alert.severity), alert.title, alert.text) == wanted
    alert.severity, alert.title, alert.text = wanted
    return not same


def acknowledge(*, alert_ids: Sequence[int], note: str, actor: Actor) -> int:
    """Say that somebody knows: open alerts are not told again; how many were not yet acknowledged.

    Raises InvalidInput where the note is too long.
    """
    note = clean_line(note)
    if len(note) > _NOTE:
        raise InvalidInput(f"The note may have {_NOTE} characters. Nothing was acknowledged.")
    with transaction.atomic():
        waiting = Alert.objects.select_for_update().filter(
            pk__in=bulk.among_numbers(alert_ids), ended_at=None, acknowledged_at=None
        )
        alerts = list(waiting.order_by("pk"))
        Alert.objects.filter(pk__in=[alert.pk for alert in alerts]).update(
            acknowledged_by=actor.user, acknowledged_at=timezone.now(), note=note
        )
        for alert in alerts:
            audit.record(actor=actor, action="acknowledged", obj=alert, detail={"note": note})
    return len(alerts)


def acknowledged(keys: Sequence[str]) -> dict[str, Alert]:
    """The open alerts with these keys that somebody acknowledged, by key."""
    if not keys:
        return {}
    known = Alert.objects.filter(ended_at=None, key__in=bulk.among(keys))
    known = known.exclude(acknowledged_at=None).select_related("acknowledged_by")
    return {alert.key: alert for alert in known}


def forget_old() -> int:
    """Delete alerts that ended more than 90 days ago; how many. The next call does the rest."""
    old = Alert.objects.filter(ended_at__lt=timezone.now() - _KEPT).order_by("pk")
    ids = list(old.values_list("pk", flat=True)[:_ROWS])
    Alert.objects.filter(pk__in=bulk.among_numbers(ids)).delete()
    return len(ids)
