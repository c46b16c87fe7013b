"""Routes: saving, deleting, and which of them a number takes."""

from __future__ import annotations

import re

from django.db import transaction
from django.db.models import QuerySet

from provisioning.core.errors import InvalidFields, about
from provisioning.core.text import require_line
from provisioning.drivers.base import Kind
from provisioning.models import Route
from provisioning.services.actor import Actor
from provisioning.services.console import saving
from provisioning.services.push import outbox

# As wide as the column of Kamailio's table.
_PREFIX = re.compile(r"(?=.{1,32}\Z)\+?[0-9*#]*", re.ASCII)
_SEPARATORS = str.maketrans("", "", " -./()\t")


def save_route(*, route: Route, actor: Actor) -> None:
    """Keep a new or changed route and ask for it at every managed store."""
    before = saving.find_stored(route)
    with about("prefix"):
        route.prefix = require_line(route.prefix, "The prefix").translate(_SEPARATORS)
    if not _PREFIX.fullmatch(route.prefix):
        raise InvalidFields(
            {"prefix": "Give the beginning of numbers, such as +44; + alone is every number."}
        )
    route.note = require_line(route.note, "The note").strip()
    _close_ranks(route)
    saving.check_fields(route)
    with transaction.atomic():
        saving.save(row=route, before=before, actor=actor)
        _mark({route.prefix, before.prefix if before else route.prefix})


def delete_route(*, route: Route, actor: Actor) -> None:
    """Delete a route, and take it from every managed store."""
    with transaction.atomic():
        prefix = route.prefix
        saving.delete(row=route, actor=actor)
        _mark({prefix})


def find_route(*, number: str) -> Route | None:
    """The route that calls to `number` take, as it is dialled; None where none fits."""
    dialled = number.translate(_SEPARATORS)
    beginnings = [dialled[:length] for length in range(1, len(dialled[:32]) + 1)]
    fitting = with_gateways().filter(prefix__in=beginnings)
    return max(fitting, key=lambda route: len(route.prefix), default=None)


def with_gateways() -> QuerySet[Route]:
    """Every route with its gateways, in the order of the prefixes."""
    return Route.objects.select_related(
        "first_gateway", "second_gateway", "third_gateway"
    ).order_by("prefix")


def _close_ranks(route: Route) -> None:
    """No gaps between the gateways; one that is named twice is an error."""
    given = route.gateways
    if len(set(given)) < len(given):
        raise InvalidFields({"second_gateway": "Each gateway is tried once: name another or none."})
    places = [*given, None, None, None]
    route.first_gateway, route.second_gateway, route.third_gateway = places[:3]


def _mark(prefixes: set[str]) -> None:
    outbox.mark(store_ids=outbox.manageable_stores(), kind=Kind.ROUTE, keys=sorted(prefixes))
