"""The way of a call: what becomes of the number that was dialled, and where it then goes."""

from __future__ import annotations

from dataclasses import dataclass

from provisioning.core.calls import Category
from provisioning.core.dialling import Translated, read_rules, translate
from provisioning.models import GroupAddress, Number, Route, Site
from provisioning.services.routing.routes import SEPARATORS, find_route


@dataclass(frozen=True, slots=True)
class Way:
    """What the rules make of a number, and who gets the call.

    An account or a group address here, a route, or nobody.
    """

    translated: Translated
    account: str = ""
    route: Route | None = None


def find_way(*, dialled: str, rules: str, site: Site | None = None) -> Way:
    """The way of a call from `site` by these dial rules, as SIP servers find it.

    An emergency number is not translated. Raises InvalidInput where a rule cannot be read.
    """
    read = read_rules(rules)
    number = dialled.translate(SEPARATORS)
    route = find_route(number=number, site=site)
    if route is not None and route.category == Category.EMERGENCY:
        return Way(Translated(number), route=route)
    translated = translate(read, number)
    owner = Number.objects.filter(e164=translated.number, account__isnull=False)
    account = owner.values_list("account__aor", flat=True).first()
    if account is None:
        group = GroupAddress.objects.filter(number=translated.number).first()
        account = group.aor if group else None
    if account is not None:
        return Way(translated, account=account)
    return Way(translated, route=find_route(number=translated.number, site=site))
