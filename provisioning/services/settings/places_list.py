"""Lists of places: those that the console offers, and those where one setting has a value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from provisioning.core.settings.resolver import Given
from provisioning.core.settings.setting import SettingScope
from provisioning.models import GroupRank, ServerPool, SettingValue, SipDomain, SipServer, Site
from provisioning.services.settings.places import EVERYWHERE, Place, as_given

_PLACES = ("domain", "site", "pool", "server", "group", "account", "by")
# So many places of one setting are named.
SHOWN = 50


@dataclass(frozen=True, slots=True)
class GivenAt:
    """A value at a place, with who gave it and when."""

    place: Place
    given: Given
    row: SettingValue


def offered_places() -> list[tuple[str, list[Place]]]:
    """Every place but single accounts, and of groups those with settings, by scope; five queries.

    Accounts and the other groups are come to from their own pages.
    """
    groups = [rank.group for rank in GroupRank.objects.select_related("group")]
    found = (
        (SettingScope.DOMAIN, list(SipDomain.objects.order_by("domain"))),
        (SettingScope.SITE, list(Site.objects.order_by("name"))),
        (SettingScope.POOL, list(ServerPool.objects.order_by("name"))),
        (SettingScope.SERVER, list(SipServer.objects.order_by("name"))),
        (SettingScope.GROUP, groups),
    )
    offered = [(EVERYWHERE.scope.label, [EVERYWHERE])]
    offered += [(scope.label, [Place(scope, obj) for obj in objs]) for scope, objs in found if objs]
    return offered


def given_at(*, key: str) -> tuple[list[GivenAt], int]:
    """Where a setting has values, in the order of the scopes: the first, and how many there are."""
    rows = SettingValue.objects.filter(key=key)
    order = {scope.value: n for n, scope in enumerate(SettingScope)}
    first = sorted(
        rows.select_related(*_PLACES).order_by("id")[:SHOWN], key=lambda row: order[row.scope]
    )
    return list(_told(first)), rows.count()


def _told(rows: list[SettingValue]) -> Iterator[GivenAt]:
    for row in rows:
        for given in as_given([row]).get(row.key, ()):
            scope = SettingScope(row.scope)
            yield GivenAt(Place(scope, getattr(row, scope.value, None)), given, row)
