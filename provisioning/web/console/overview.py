"""The overview."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from provisioning.core.roles import Capability
from provisioning.services.alerts.alerts import acknowledged
from provisioning.services.console.overview import Overview, overview
from provisioning.web.access import needs
from provisioning.web.console.audit import Entry
from provisioning.web.links import where_to_look
from provisioning.web.servers.server_health import registrations_chart
from provisioning.web.shell import href_of

# The page on which each of the first steps is done; the first name that exists.
STEP_PAGES = {
    "source": ("source-new", "sources"),
    "domain": ("domain-new", "domains"),
    "pool": ("pool-new", "pools"),
    "store": ("store-new", "pools"),
    "server": ("server-new", "servers"),
    "rule": ("rule-new", "rules"),
    "profile": ("profile-new", "profiles"),
    "sync": ("sources",),
    "manage": ("pools",),
}


@needs(Capability.VIEW)
@require_safe
def overview_page(request: HttpRequest) -> HttpResponse:
    """Figures, alerts, what waits, servers, activity; the first steps until all are done."""
    found = overview()
    known = acknowledged([each.key for each in found.alerts])
    context = {
        "title": "Overview",
        "lead": _lead(found),
        "overview": found,
        "registrations": registrations_chart(),
        "maintained": [
            *{each.pool for each in found.servers if each.pool.in_maintenance},
            *(each for each in found.servers if each.in_maintenance),
        ],
        "alerts": [
            (each, *where_to_look(each.noun, each.pk), known.get(each.key)) for each in found.alerts
        ],
        "waiting": [(each, where_to_look(each.noun, each.pk)[0]) for each in found.waiting],
        "activity": [Entry.of(event).brief() for event in found.activity],
        "steps": [
            (step, next(filter(None, map(href_of, STEP_PAGES[step.key])), ""))
            for step in found.steps
        ],
    }
    return render(request, "overview/overview.html", context)


def _lead(found: Overview) -> str:
    """One sentence about what matters now."""
    if found.setting_up and not found.accounts:
        return "A few steps, and the first account registers. Nothing is written before you say so."
    parts = []
    if alerts := len(found.alerts):
        needs = "One thing needs" if alerts == 1 else f"{alerts} things need"
        parts.append(f"{needs} your attention.")
    if waiting := len(found.waiting):
        parts.append("One decision waits." if waiting == 1 else f"{waiting} decisions wait.")
    if not parts:
        return "Everything works and nothing waits for you."
    return " ".join(parts)
