"""The audit log."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from typing import Any

import django_filters
from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from provisioning.core.roles import Capability
from provisioning.models import AuditEvent, ConsoleUser
from provisioning.services.console.audit_words import tell
from provisioning.web.access import ConsoleRequest, needs
from provisioning.web.keyset import Order, paginate
from provisioning.web.links import object_href

NEWEST_FIRST = Order("id", descending=True)
# A new thing says enough by its name; of a changed one these many fields fit beside others.
BRIEF_FIELDS = 3
OBJECTS = (
    ("account", "Account"),
    ("alert", "Alert"),
    ("alertchannel", "Alert channel"),
    ("accountrule", "Account rule"),
    ("clientprofile", "Client profile"),
    ("consoleuser", "Console user"),
    ("gateway", "Gateway"),
    ("groupaddress", "Group address"),
    ("number", "Number"),
    ("numberrange", "Number range"),
    ("person", "Person"),
    ("directorygroup", "Group"),
    ("pushrecord", "Push"),
    ("rollout", "Rollout"),
    ("route", "Route"),
    ("run", "Run"),
    ("serverpool", "Pool"),
    ("sipdomain", "SIP domain"),
    ("sipserver", "SIP server"),
    ("site", "Site"),
    ("directorysource", "Source"),
    ("configstore", "Store"),
    ("trustedhost", "Trusted host"),
)


# The kinds whose names say what they are, and need no noun before them.
_PLAIN = frozenset(
    {"account", "alert", "consoleuser", "number", "person", "pushrecord", "rollout", "run"}
)
_NOUNS = {
    kind: label if label[1].isupper() else label[0].lower() + label[1:]
    for kind, label in OBJECTS
    if kind not in _PLAIN
}


@dataclass(frozen=True, slots=True)
class Entry:
    """An event as it is shown: `rows` are changed fields, `facts` what else is known."""

    id: int
    at: datetime
    who: str
    action: str
    object_name: str
    href: str
    reference: str
    rows: list[tuple[str, Any, Any]]
    facts: list[tuple[str, Any]]

    @property
    def summary(self) -> str:
        """What the details hold, in a few words."""
        if not self.rows:
            return "Details"
        return f"{len(self.rows)} field{'' if len(self.rows) == 1 else 's'} changed"

    @property
    def title(self) -> str:
        """What happened to what, as a sentence."""
        text = f"{self.action} {self.object_name}".strip()
        return text[:1].upper() + text[1:]

    def brief(self) -> Entry:
        """The entry among others: the first fields of what changed."""
        return replace(self, rows=self.rows[:BRIEF_FIELDS])

    @classmethod
    def of(cls, event: AuditEvent) -> Entry:
        """The entry of `event`."""
        rows, facts = tell(event.detail)
        if event.action.startswith("created"):
            # Nothing of what is new was there before.
            facts = [(name, value) for name, _, value in rows if value not in ("", None)] + facts
            rows = []
        return cls(
            id=event.pk,
            at=event.at,
            who=event.who,
            action=f"{event.action} {_NOUNS.get(event.object_type, '')}".strip(),
            object_name=event.object_name,
            href=object_href(event.object_type, event.object_id),
            reference=event.request_id,
            rows=rows,
            facts=facts,
        )


class AuditFilter(django_filters.FilterSet):  # type: ignore[misc] # no types
    """Search in what was done, by whom, to what, when."""

    q = django_filters.CharFilter(field_name="object_name", lookup_expr="icontains", label="Name")
    actor = django_filters.CharFilter(method="by", label="Who")
    action = django_filters.CharFilter(lookup_expr="icontains", label="What was done")
    object_type = django_filters.ChoiceFilter(choices=OBJECTS, label="Kind")
    since = django_filters.DateFilter(
        method="from_day",
        label="From",
    )
    until = django_filters.DateFilter(method="to_day", label="To")

    class Meta:
        model = AuditEvent
        fields = ()

    def by(self, events: QuerySet[AuditEvent], name: str, text: str) -> QuerySet[AuditEvent]:
        """By what they signed in with, or their names of now."""
        users = ConsoleUser.objects.filter(name__icontains=text)
        return events.filter(Q(actor_name__icontains=text) | Q(actor__in=users))

    def from_day(
        self, events: QuerySet[AuditEvent], name: str, day: datetime
    ) -> QuerySet[AuditEvent]:
        """From the beginning of the day."""
        return events.filter(at__gte=_midnight(day))

    def to_day(
        self, events: QuerySet[AuditEvent], name: str, day: datetime
    ) -> QuerySet[AuditEvent]:
        """To the end of the day."""
        return events.filter(at__lt=_midnight(day) + timedelta(days=1))


@needs(Capability.VIEW)
@require_safe
def audit_page(request: ConsoleRequest) -> HttpResponse:
    """Events, newest first."""
    chosen = AuditFilter(request.GET, queryset=AuditEvent.objects.select_related("actor"))
    page = paginate(chosen.qs, cursor=request.GET.get("cursor", ""), order=NEWEST_FIRST)
    context = {
        "title": "Audit log",
        "lead": "Who did what, newest first. Events are chained: a changed one is found.",
        "filter": chosen,
        "entries": [Entry.of(event) for event in page.rows],
        "page": page,
    }
    part = request.htmx and not request.htmx.boosted
    return render(request, "audit/results.html" if part else "audit/audit.html", context)


def _midnight(day: datetime) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))
