"""Alerts: what is wrong now, what was, and who knows of it."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from provisioning.core.errors import ProvisioningError
from provisioning.core.roles import Capability
from provisioning.core.severity import Severity
from provisioning.models import Alert, ConsoleUser
from provisioning.services.alerts.alerts import acknowledge
from provisioning.web.access import ConsoleRequest, actor_of, needs
from provisioning.web.ids import row_id
from provisioning.web.keyset import Order, paginate
from provisioning.web.links import where_to_look

_NEWEST = Order("id", descending=True)
_ORDER = {severity.value: n for n, severity in enumerate(Severity)}
_PAGES = (("alerts", "Now"), ("alerts-past", "Past"), ("alert-channels", "Channels"))


@dataclass(frozen=True, slots=True)
class Entry:
    """An alert with the page where it is dealt with."""

    alert: Alert
    href: str
    link: str
    tone: str
    severity: str

    @classmethod
    def of(cls, alert: Alert) -> Entry:
        """The entry of `alert`."""
        href, link = where_to_look(alert.noun, alert.object_id)
        return cls(alert, href, link, alert.tone, Severity(alert.severity).label)


@needs(Capability.VIEW)
@require_safe
def alerts(request: ConsoleRequest) -> HttpResponse:
    """What is wrong now, the worst first."""
    found = Alert.objects.filter(ended_at=None).select_related("acknowledged_by").order_by("-since")
    entries = sorted(map(Entry.of, found), key=lambda each: _ORDER[each.alert.severity])
    context = {
        "title": "Alerts",
        "lead": "What is wrong now and what waits for somebody, found every half minute.",
        "tabs": tabs("alerts", request.user),
        "new": [each for each in entries if each.alert.acknowledged_at is None],
        "known": [each for each in entries if each.alert.acknowledged_at is not None],
    }
    return render(request, "alerts/alerts.html", context)


@needs(Capability.VIEW)
@require_safe
def past(request: ConsoleRequest) -> HttpResponse:
    """What was wrong in the last 90 days, the newest first."""
    ended = Alert.objects.exclude(ended_at=None).select_related("acknowledged_by")
    page = paginate(ended, cursor=request.GET.get("cursor", ""), order=_NEWEST)
    context = {
        "title": "Past alerts",
        "lead": "What is over, kept for 90 days.",
        "crumbs": [("Alerts", reverse("alerts")), ("Past", "")],
        "tabs": tabs("alerts-past", request.user),
        "page": page,
        "entries": [Entry.of(alert) for alert in page.rows],
    }
    part = request.htmx and not request.htmx.boosted
    return render(request, "alerts/_past.html" if part else "alerts/past.html", context)


@needs(Capability.OPERATE)
@require_POST
def alerts_acknowledge(request: ConsoleRequest) -> HttpResponse:
    """Say that somebody knows of the chosen alerts."""
    ticked = request.POST.getlist("pk")
    ids = [pk for pk in map(row_id, ticked) if pk is not None]
    if len(ids) != len(ticked):
        raise BadRequest("An alert is chosen by its number.")
    try:
        count = acknowledge(
            alert_ids=ids, note=request.POST.get("note", ""), actor=actor_of(request)
        )
    except ProvisioningError as error:
        messages.error(request, f"That did not work.\n{error.message}")
    else:
        what = "1 alert" if count == 1 else f"{count:,} alerts"
        messages.success(request, f"{what} acknowledged.\nNobody is told again of them.")
    return redirect("alerts")


def tabs(current: str, user: ConsoleUser) -> list[dict[str, object]]:
    """Now, past, and for whoever may configure them the channels."""
    return [
        {"label": label, "href": reverse(name), "active": name == current}
        for name, label in _PAGES
        if name != "alert-channels" or user.may(Capability.CONFIGURE)
    ]
