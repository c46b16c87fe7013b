"""Whether calls may be forwarded to a target: only where the account that forwards may call."""

from __future__ import annotations

from provisioning.core.errors import InvalidInput
from provisioning.core.settings.types import Value
from provisioning.models import Account, GroupAddress, Number, SipDomain, Site
from provisioning.services.routing.routes import find_route
from provisioning.services.settings.effective import effective_at
from provisioning.services.settings.places import Place


def check_target(*, place: Place, target: Value) -> None:
    """Raise InvalidInput where calls of `place` may not go to `target`, a number or a SIP URI.

    The servers hold every forwarded call to the same; what no route here takes is theirs alone.
    """
    uri, number = _split(str(target))
    if isinstance(place.obj, Account) and _is_own(place.obj, uri, number):
        raise InvalidInput(
            f"{target} is {place.name} itself: its calls would come back. Nothing was changed."
        )
    values = {each.setting.key: each.value for each in effective_at(place=place)}
    if uri:
        domain = uri.partition("@")[2]
        if not values["federation"] and not SipDomain.objects.filter(domain=domain).exists():
            raise _refused(place, f"may not reach other SIP domains, such as {domain}", target)
    elif not _is_inside(number):
        route = find_route(number=number, site=_site(place))
        allowed = values["call_classes"]
        if route and isinstance(allowed, tuple) and route.category not in allowed:
            label = route.get_category_display().lower()
            raise _refused(place, f"may not call {label} numbers, such as {number}", target)


def _split(target: str) -> tuple[str, str]:
    """The address of a SIP URI, or a number; the other is empty."""
    if target.startswith("sip:"):
        return target.removeprefix("sip:"), ""
    return "", target


def _is_own(account: Account, uri: str, number: str) -> bool:
    if uri:
        return uri == account.aor
    return Number.objects.filter(e164=number, account=account).exists()


def _is_inside(number: str) -> bool:
    owned = Number.objects.filter(e164=number, account__isnull=False)
    return owned.exists() or GroupAddress.objects.filter(number=number).exists()


def _site(place: Place) -> Site | None:
    if isinstance(place.obj, Account):
        return place.obj.site
    return place.obj if isinstance(place.obj, Site) else None


def _refused(place: Place, why: str, target: Value) -> InvalidInput:
    return InvalidInput(
        f"{place.label} {why}, so its calls do not go to {target}. Nothing was changed. Name "
        "another target, or allow it first."
    )
