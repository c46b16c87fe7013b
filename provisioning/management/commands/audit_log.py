"""The audit log: who did what to what, filtered, for readers and for a log collector."""

from __future__ import annotations

import json
from datetime import date, datetime, time, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db.models import Q, QuerySet
from django.utils import timezone

from provisioning.management.names import a_day
from provisioning.models import AuditEvent
from provisioning.services.console.audit_words import tell

_PART = 2000


class Command(BaseCommand):
    """`audit_log [--who TEXT] [--action TEXT] [--of TEXT] [--since DAY] [--after N] … [--json]`."""

    help = (
        "Print the events of the audit log, the newest first; with --after the oldest first, as "
        "for a log collector that goes on where it ended. Exit status: 0 done."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Which events, and how to print."""
        parser.add_argument("--who", metavar="TEXT", help="in the name of whoever did it")
        parser.add_argument("--action", metavar="TEXT", help="in what was done, such as blocked")
        parser.add_argument("--of", metavar="TEXT", help="in the name of what it was done to")
        parser.add_argument("--since", type=a_day, metavar="DAY", help="from this day on")
        parser.add_argument("--until", type=a_day, metavar="DAY", help="to the end of this day")
        parser.add_argument("--after", type=int, metavar="N", help="after event N, oldest first")
        parser.add_argument("--json", action="store_true", help="one JSON object per line")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print them as they are read: there may be millions."""
        for event in _chosen(options).iterator(chunk_size=_PART):
            self.stdout.write(
                json.dumps(_told(event), ensure_ascii=False) if options["json"] else _said(event)
            )


def _chosen(options: dict[str, Any]) -> QuerySet[AuditEvent]:
    events = AuditEvent.objects.select_related("actor").order_by("-pk")
    if options["who"]:
        by = Q(actor_name__icontains=options["who"]) | Q(actor__name__icontains=options["who"])
        events = events.filter(by)
    if options["action"]:
        events = events.filter(action__icontains=options["action"])
    if options["of"]:
        events = events.filter(object_name__icontains=options["of"])
    if options["since"]:
        events = events.filter(at__gte=_midnight(options["since"]))
    if options["until"]:
        events = events.filter(at__lt=_midnight(options["until"] + timedelta(days=1)))
    if options["after"] is not None:
        events = events.filter(pk__gt=options["after"]).order_by("pk")
    return events


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


def _told(event: AuditEvent) -> dict[str, Any]:
    return {
        "event": event.pk, "at": event.at.isoformat(timespec="milliseconds"), "who": event.who,
        "action": event.action, "kind": event.object_type, "id": event.object_id,
        "name": event.object_name, "detail": event.detail, "request": event.request_id,
        "hash": event.hash,
    }  # fmt: skip


def _said(event: AuditEvent) -> str:
    told = tell(event.detail)
    words = [f"{name}: {old or 'nothing'} → {new or 'nothing'}" for name, old, new in told.rows]
    words += [f"{name}: {value}" for name, value in told.facts]
    detail = f" ({'; '.join(words)})" if words else ""
    what = f"{event.action} {event.object_name}".strip()
    at = f"{event.at:%Y-%m-%d %H:%M:%S} UTC"
    return f"#{event.pk} {at}  {event.who}  {what}{detail}"
