"""Routes: saving, deleting, and which of them a number takes."""

from __future__ import annotations

import re

from django.db.models import Q, QuerySet

from provisioning.core.calls import Category
from provisioning.core.errors import InvalidFields, about
from provisioning.core.text import require_line
from provisioning.models import Route, Site
from provisioning.services.actor import Actor
from provisioning.services.console import saving
from provisioning.services.routing.marking import marking_routing

# As wide as the column of Kamailio's table.
_PREFIX = re.compile(r"(?=.{1,24}\Z)\+?[0-9*#]*", re.ASCII)
_NUMBER = re.compile(r"[0-9*#]+", re.ASCII)
SEPARATORS = str.maketrans("", "", " -./()\t")


def save_route(*, route: Route, actor: Actor) -> None:
    """Keep a new or changed route and ask for it at every managed store."""
    before = saving.find_stored(route)
    with about("prefix"):
        route.prefix = require_line(route.prefix, "The prefix").translate(SEPARATORS)
    if not _PREFIX.fullmatch(route.prefix):
        raise InvalidFields(
            {"prefix": "Give the beginning of numbers, such as +44; + alone is every number."}
        )
    route.name = require_line(route.name, "The name").strip()
    if route.category == Category.EMERGENCY and not _NUMBER.fullmatch(route.prefix):
        raise InvalidFields({"prefix": "Give the whole emergency number, such as 112."})
    _close_ranks(route)
    saving.check_fields(route)
    with marking_routing(actor=actor, about=f"route {route}"):
        saving.save(row=route, before=before, actor=actor)


def delete_route(*, route: Route, actor: Actor) -> None:
    """Delete a route, and take it from every managed store."""
    with marking_routing(actor=actor, about=f"route {route} deleted"):
        saving.delete(row=route, actor=actor)


def find_route(*, number: str, site: Site | None = None) -> Route | None:
    """The route that a call from `site` to `number` takes; None where none fits.

    The longest beginning wins; of two the site's own. An emergency number is no beginning.
    """
    dialled = number.translate(SEPARATORS)
    beginnings = [dialled[:length] for length in range(1, len(dialled[:24]) + 1)]
    routes = with_gateways().filter(Q(site=None) | Q(site=site), prefix__in=beginnings)
    fitting = [
        route for route in routes if route.category != Category.EMERGENCY or route.prefix == dialled
    ]
    return max(fitting, key=lambda r: (len(r.prefix), r.site_id is not None), default=None)


def with_gateways() -> QuerySet[Route]:
    """Every route with its gateways, in the order of the prefixes."""
    return Route.objects.select_related(
        "site", "first_gateway", "second_gateway", "third_gateway"
    ).order_by("prefix", "site__name")


def _close_ranks(route: Route) -> None:
    """No gaps between the gateways; one that is named twice is an error."""
    given = route.gateways
    if len(set(given)) < len(given):
        raise InvalidFields({"second_gateway": "Each gateway is tried once: name another or none."})
    places = [*given, None, None, None]
    route.first_gateway, route.second_gateway, route.third_gateway = places[:3]
