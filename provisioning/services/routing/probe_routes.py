"""The routing of probes: numbers that are nobody's, through a gateway that does not exist.

Numbers that begin with +999 are given out in no country (ITU-T E.164), and 192.0.2.1 is nobody's
address (RFC 5737): a call there rings no telephone, whatever a server makes of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from provisioning.core.calls import Category
from provisioning.drivers.base import Kind
from provisioning.drivers.routing import DialRuleRow, GatewayRow, RouteRow
from provisioning.models import ProbeAccount

_PREFIX = "+999"
# What the probe account may call, and what it may not.
ALLOWED = (Category.INTERNAL, Category.NATIONAL)
ALLOWED_NUMBER, REFUSED_NUMBER = f"{_PREFIX}1000000", f"{_PREFIX}0000000"
_GATEWAY = GatewayRow(999_999_999, "Probe", "192.0.2.1", 5060, "udp")
_ROUTES = (
    RouteRow(f"{_PREFIX}0", Category.PREMIUM, (_GATEWAY.number,)),
    RouteRow(f"{_PREFIX}1", Category.NATIONAL, (_GATEWAY.number,)),
)
# Where a probe account is: the last site that every family of servers can tell from others.
PROBE_SITE = 9999
# Who dials 0 there in place of + calls the same number; only those that are nobody's.
_DIAL_RULE = DialRuleRow(PROBE_SITE, 1, "0(999[0-9]+)", r"+\1")
# The keys of these rows, which nobody but the console has a use for.
PROBE_KEYS: Mapping[Kind, tuple[str, ...]] = MappingProxyType(
    {
        Kind.GATEWAY: (_GATEWAY.key,),
        Kind.ROUTE: tuple(route.key for route in _ROUTES),
        Kind.DIAL_RULE: (_DIAL_RULE.key,),
    }
)


def number_of_probe(account_id: int) -> str:
    """The number that leads to a probe account."""
    return f"{_PREFIX}2{account_id:08}"


def dialled(number: str) -> str:
    """How a number of the probes is dialled at their site."""
    return f"0{number.removeprefix('+')}"


def callers_at_site() -> set[int]:
    """The probe accounts that are at it."""
    there = ProbeAccount.objects.filter(role=ProbeAccount.Role.OPEN)
    return set(there.values_list("account_id", flat=True))


def probe_dial_rules() -> list[DialRuleRow]:
    """The dial rule of their site."""
    return [_DIAL_RULE] if ProbeAccount.objects.exists() else []


def probe_gateways() -> list[GatewayRow]:
    """The gateway, where there is any probe account."""
    return [_GATEWAY] if ProbeAccount.objects.exists() else []


def probe_routes() -> list[RouteRow]:
    """The routes to it: one that the probe account may use, one that it may not."""
    if not ProbeAccount.objects.exists():
        return []
    return list(_ROUTES)
