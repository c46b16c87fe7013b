"""The rows of routing that every store should hold: few, so all of a kind are made at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from django.db.models import Exists, Q, QuerySet

from provisioning.core.calls import Category
from provisioning.core.dialling import read_rules
from provisioning.core.sealing import SealBroken
from provisioning.core.settings.account_settings import OF_SITE, PRESENTED_NUMBER
from provisioning.core.sip import ha1
from provisioning.drivers.base import Kind
from provisioning.drivers.routing import (
    DialRuleRow,
    GatewayRow,
    GroupAddressRow,
    RouteRow,
    RoutingRow,
    Treatment,
    TrunkRow,
    TrustedHostRow,
)
from provisioning.drivers.setting_rows import main_number_key
from provisioning.models import Gateway, GroupAddress, Route, SettingValue, Site, TrustedHost
from provisioning.services.routing.probe_routes import (
    probe_dial_rules,
    probe_gateways,
    probe_group_addresses,
    probe_routes,
)

_ERASED = (
    "The password of its registration was erased when it moved. What stands at the server was left "
    "as it is; type the password again."
)


@dataclass(slots=True)
class RoutingRows:
    """All rows of one kind by key; `failed` tells of some keys why their row cannot be made."""

    rows: dict[str, RoutingRow | GroupAddressRow] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def routing_rows(*, kind: Kind) -> RoutingRows:
    """What every store should hold of a kind of MAKERS."""
    made = RoutingRows()
    MAKERS[kind](made)
    return made


def sites_that_dial() -> QuerySet[Site]:
    """The sites whose callers differ from others: servers must know who belongs to them."""
    differ = ~Q(dial_rules="") | ~Q(emergency_callback="") | Q(routes__isnull=False)
    return Site.objects.filter(differ | _shows_main_number()).distinct()


def main_numbers() -> dict[str, str]:
    """The main number of each site, by the key of its row; none where no account presents any."""
    shown = Site.objects.filter(_shows_main_number()).values_list("pk", "main_number")
    return {main_number_key(site): number for site, number in shown}


def _shows_main_number() -> Q:
    presented = SettingValue.objects.filter(key=PRESENTED_NUMBER, value=OF_SITE)
    return ~Q(main_number="") & Q(Exists(presented))


def gateway_row(gateway: Gateway) -> GatewayRow:
    """The row of a gateway, in use or not."""
    return GatewayRow(
        number=gateway.number,
        name=gateway.name,
        host=gateway.host,
        port=gateway.port,
        transport=gateway.transport,  # type: ignore[arg-type]
        strip=gateway.strip,
        prefix=gateway.prefix,
        t38=gateway.t38,
    )


def trusted_host_row(host: TrustedHost) -> TrustedHostRow:
    """The row of a trusted host."""
    return TrustedHostRow(Treatment(host.treatment), host.network, host.name)


def _keep(made: RoutingRows, rows: Iterator[RoutingRow | GroupAddressRow]) -> None:
    made.rows.update((row.key, row) for row in rows)


def _gateways(made: RoutingRows) -> None:
    _keep(made, iter(probe_gateways()))
    _keep(made, map(gateway_row, Gateway.objects.filter(enabled=True)))


def _trunks(made: RoutingRows) -> None:
    for gateway in Gateway.objects.filter(enabled=True, registers=True):
        try:
            secret = gateway.secret()
        except SealBroken as error:
            made.failed[str(gateway.number)] = error.message
            continue
        if not secret:
            made.failed[str(gateway.number)] = _ERASED
            continue
        row = TrunkRow(
            number=gateway.number,
            user=gateway.user,
            domain=gateway.domain,
            realm=gateway.realm,
            auth_user=gateway.auth_user,
            ha1=ha1(gateway.auth_user, gateway.realm, secret),
            proxy=gateway_row(gateway).uri,
            expires=gateway.expires,
        )
        made.rows[row.key] = row


def _routes(made: RoutingRows) -> None:
    """A site with routes of its own has all the others too: so the longest prefix of all wins."""
    numbers = dict(Gateway.objects.filter(enabled=True).values_list("pk", "number"))
    own: dict[int, dict[str, RouteRow]] = {0: {}}
    chosen = ("first_gateway_id", "second_gateway_id", "third_gateway_id")
    columns = ("site_id", "prefix", "category", *chosen)
    for site, prefix, category, *gateways in Route.objects.values_list(*columns):
        usable = tuple(numbers[pk] for pk in gateways if pk in numbers)
        row = RouteRow(prefix, Category(category), usable, site or 0)
        own.setdefault(row.site, {})[prefix] = row
    everywhere = own.pop(0)
    _keep(made, iter(probe_routes()))
    _keep(made, iter(everywhere.values()))
    for site, callback in Site.objects.values_list("pk", "emergency_callback"):
        mine = own.get(site, {})
        for row in {**everywhere, **mine}.values():
            emergency = row.category is Category.EMERGENCY
            if mine or (emergency and callback):
                told = replace(row, site=site, callback=callback if emergency else "")
                made.rows[told.key] = told


def _dial_rules(made: RoutingRows) -> None:
    _keep(made, iter(probe_dial_rules()))
    for site, text in Site.objects.exclude(dial_rules="").values_list("pk", "dial_rules"):
        for position, rule in enumerate(read_rules(text), start=1):
            row = DialRuleRow(site, position, rule.pattern, rule.translation)
            made.rows[row.key] = row


def _trusted_hosts(made: RoutingRows) -> None:
    _keep(made, map(trusted_host_row, TrustedHost.objects.all()))


def _group_addresses(made: RoutingRows) -> None:
    _keep(made, iter(probe_group_addresses()))
    for group in GroupAddress.objects.select_related("domain"):
        user, at = group.leads_to
        named = [GroupAddressRow(each, group.domain.domain, user, at) for each in group.users]
        _keep(made, iter(named))


MAKERS: Mapping[Kind, Callable[[RoutingRows], None]] = MappingProxyType(
    {
        Kind.GROUP_ADDRESS: _group_addresses,
        Kind.TRUSTED_HOST: _trusted_hosts,
        Kind.GATEWAY: _gateways,
        Kind.TRUNK: _trunks,
        Kind.ROUTE: _routes,
        Kind.DIAL_RULE: _dial_rules,
    }
)
