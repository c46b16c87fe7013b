"""The routing of probes: numbers that are nobody's, to a place that is the console itself, or none.

Numbers that begin with +999 are given out in no country (ITU-T E.164), and 192.0.2.1 is nobody's
address (RFC 5737): a call there rings no telephone, whatever a server makes of it.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence

from django.conf import settings
from django.db.models import Q

from provisioning.core.calls import Category
from provisioning.drivers.base import Kind
from provisioning.drivers.routing import DialRuleRow, GatewayRow, GroupAddressRow, RouteRow
from provisioning.models import ProbeAccount

_PREFIX = "+999"
# What the probe account may call, and what it may not.
ALLOWED = (Category.INTERNAL, Category.NATIONAL)
ALLOWED_NUMBER, REFUSED_NUMBER = f"{_PREFIX}1000000", f"{_PREFIX}0000000"
# The gateway, and the address of nobody that it has where the console takes no calls itself.
_GATEWAY, _NOWHERE = 999_999_999, ("192.0.2.1", 5060)
_ROUTES = (
    RouteRow(f"{_PREFIX}0", Category.PREMIUM, (_GATEWAY,)),
    RouteRow(f"{_PREFIX}1", Category.NATIONAL, (_GATEWAY,)),
)
# What the gateway gets in place of +.
_INSTEAD_OF_PLUS = "00"
# Where a probe account is: the last site that every family of servers can tell from others.
PROBE_SITE = 9999
# Who dials 0 there in place of + calls the same number; only those that are nobody's.
_DIAL_RULE = DialRuleRow(PROBE_SITE, 1, "0(999[0-9]+)", r"+\1")
# A group address in each of their SIP domains, and whom it leads to where the console takes calls.
GROUP_NUMBER, GROUP_USER = f"{_PREFIX}3000000", "rtcadmin-probe-group"
# The beginning of numbers that the probe account may assert, and of others.
ASSERTED, _NOT_ASSERTED = f"{_PREFIX}4", f"{_PREFIX}5"
# Rows at stores that are those of probes, which nobody but the console has a use for.
OF_PROBES = (
    Q(kind=Kind.GATEWAY, key=_GATEWAY)
    | Q(kind=Kind.ROUTE, key__in=[route.key for route in _ROUTES])
    | Q(kind=Kind.DIAL_RULE, key=_DIAL_RULE.key)
    | Q(kind=Kind.GROUP_ADDRESS, key__startswith=f"{GROUP_NUMBER}@")
)


def number_of_probe(account_id: int) -> str:
    """The number that leads to a probe account."""
    return f"{_PREFIX}2{account_id:08}"


def any_allowed_number() -> str:
    """A number that nobody else can guess, by the route that probe accounts may use."""
    return _any_below(f"{_PREFIX}1")


def any_asserted_number() -> str:
    """A number that the probe account may assert."""
    return _any_below(ASSERTED)


def any_other_number() -> str:
    """A number that no probe account may assert."""
    return _any_below(_NOT_ASSERTED)


def _any_below(beginning: str) -> str:
    return f"{beginning}{secrets.randbelow(10**6):06}"


def at_console() -> str:
    """Where the console takes calls itself, as host:port; empty where it does not."""
    if settings.PROBE_GATEWAY is None:
        return ""
    host, port = settings.PROBE_GATEWAY
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def keys_at_console() -> Mapping[Kind, Sequence[str]]:
    """The keys of the rows that depend on where that is."""
    return {
        Kind.GATEWAY: [str(_GATEWAY)],
        Kind.GROUP_ADDRESS: [f"{GROUP_NUMBER}@{domain}" for domain in _domains()],
    }


def _domains() -> list[str]:
    """The SIP domains that have probe accounts."""
    there = ProbeAccount.objects.filter(role=ProbeAccount.Role.OPEN)
    return sorted(set(there.values_list("account__domain__domain", flat=True)))


def as_sent(number: str) -> str:
    """A number as the gateway of probes gets it."""
    return f"{_INSTEAD_OF_PLUS}{number.removeprefix('+')}"


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
    """The gateway, where there is any probe account: the console itself, or nobody."""
    if not ProbeAccount.objects.exists():
        return []
    host, port = settings.PROBE_GATEWAY or _NOWHERE
    return [GatewayRow(_GATEWAY, "Probe", host, port, "udp", strip=1, prefix=_INSTEAD_OF_PLUS)]


def probe_group_addresses() -> list[GroupAddressRow]:
    """The group addresses, where the console takes calls itself."""
    at = at_console()
    return [GroupAddressRow(GROUP_NUMBER, each, GROUP_USER, at) for each in _domains() if at]


def probe_routes() -> list[RouteRow]:
    """The routes to it: one that the probe account may use, one that it may not."""
    if not ProbeAccount.objects.exists():
        return []
    return list(_ROUTES)
