"""The history of one SIP server as charts, a part of its page that htmx fills."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.core.exceptions import BadRequest
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from provisioning.core.roles import Capability
from provisioning.models import HealthSample, SipServer
from provisioning.services.servers.health_history import (
    history_of,
    length_of,
    reach_of,
    registrations_since,
    without_gaps,
)
from provisioning.web.access import ConsoleRequest, needs
from provisioning.web.charts import Chart, draw

RANGES = {
    "day": ("24 hours", timedelta(days=1)),
    "week": ("7 days", timedelta(days=7)),
    "month": ("30 days", timedelta(days=30)),
}
_Value = Callable[[HealthSample], float | None]
_LINES: tuple[tuple[str, str, _Value, Callable[[float], str]], ...] = (
    ("latency", "Answers in", lambda each: each.latency_ms, lambda value: f"{value:,.4g} ms"),
    ("registrations", "Registrations", lambda each: each.registrations, lambda v: f"{v:,.0f}"),
    ("memory", "Shared memory in use", lambda each: each.memory_percent, lambda v: f"{v:.3g} %"),
    ("connections", "Connections", lambda each: each.connections, lambda v: f"{v:,.0f}"),
)


@needs(Capability.VIEW)
@require_safe
def server_health(request: ConsoleRequest, pk: int) -> HttpResponse:
    """What the checks of a day, a week or a month found."""
    server = get_object_or_404(SipServer, pk=pk)
    chosen = request.GET.get("range", "day")
    if chosen not in RANGES:
        raise BadRequest("There is no such range.")
    label, length = RANGES[chosen]
    until = timezone.now()
    since = until - length
    samples = history_of(server=server, since=since)
    context = {
        "server": server,
        "range": label,
        "reach": reach_of(samples=samples),
        "charts": [
            _chart(name, title, samples, value, say, since) for name, title, value, say in _LINES
        ],
        "tabs": [
            {
                "label": each,
                "href": f"{reverse('server-health', args=[pk])}?range={name}",
                "active": name == chosen,
            }
            for name, (each, _) in RANGES.items()
        ],
    }
    return render(request, "servers/_history.html", context)


def registrations_chart() -> Chart:
    """How many were registered at all servers together in the last 24 hours."""
    until = timezone.now()
    since = until - timedelta(days=1)
    points = without_gaps(registrations_since(since=since), length_of(since))
    return draw(
        name="registrations", title="Registered", points=list(points), since=since, until=until
    )


def _chart(
    name: str,
    title: str,
    samples: list[HealthSample],
    value: _Value,
    say: Callable[[float], str],
    since: Any,
) -> Chart:
    points = [(each.at, value(each)) for each in samples]
    whole = list(without_gaps(points, length_of(since)))
    return draw(name=name, title=title, points=whole, since=since, until=timezone.now(), say=say)
