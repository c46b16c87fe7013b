"""The tables by which OpenSIPS routes calls and trusts hosts; their rows as records.

Gateways and routes stand among those of others in drouting's tables, with names and groups of
their own. A group of callers is a site: 10000 and its id, 10000 alone for all callers; the plan of
its dial rules has the same number.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from sqlalchemy import Column, Integer, MetaData, String, Table, and_

from provisioning.core.calls import Category
from provisioning.drivers.base import Kind
from provisioning.drivers.database.kind_table import KindTable
from provisioning.drivers.database.stored_kind import StoredKind, Values
from provisioning.drivers.routing import (
    DialRuleRow,
    GatewayRow,
    RouteRow,
    Transport,
    Treatment,
    TrustedHostRow,
)
from provisioning.drivers.setting_rows import CALLER_SITE, PreferenceRow

_METADATA = MetaData()
_ID = "id"

ADDRESS = Table(
    "address",
    _METADATA,
    Column(_ID, Integer, primary_key=True),
    Column("grp", Integer),
    Column("ip", String(50)),
    Column("mask", Integer),
    Column("context_info", String(32)),
)
DR_GATEWAYS = Table(
    "dr_gateways",
    _METADATA,
    Column(_ID, Integer, primary_key=True),
    Column("gwid", String(64)),
    Column("address", String(128)),
    Column("strip", Integer),
    Column("pri_prefix", String(16)),
    Column("attrs", String(255)),
    Column("probe_mode", Integer),
    Column("description", String(128)),
)
DR_RULES = Table(
    "dr_rules",
    _METADATA,
    Column("ruleid", Integer, primary_key=True, key=_ID),
    Column("groupid", String(255)),
    Column("prefix", String(64)),
    Column("gwlist", String(255)),
    Column("attrs", String(255)),
)
DR_GROUPS = Table(
    "dr_groups",
    _METADATA,
    Column(_ID, Integer, primary_key=True),
    Column("username", String(64)),
    Column("domain", String(128)),
    Column("groupid", Integer),
)
DIALPLAN = Table(
    "dialplan",
    _METADATA,
    Column(_ID, Integer, primary_key=True),
    Column("dpid", Integer),
    Column("pr", Integer),
    Column("match_op", Integer),
    Column("match_exp", String(64)),
    Column("subst_exp", String(64)),
    Column("repl_exp", String(32)),
)

# As in OpenSIPS 3.4 to 3.6.
ROUTING_VERSIONS: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {"address": (5,), "dr_gateways": (6,), "dr_rules": (4,), "dr_groups": (2,), "dialplan": (5,)}
)

# Groups of table address that the lines of the setup guide ask for; others are not touched.
_GROUPS: Mapping[Treatment, int] = MappingProxyType(
    {Treatment.AUTHENTICATED: 1001, Treatment.INBOUND: 1002, Treatment.OUTBOUND: 1003}
)
_TREATMENTS = {group: treatment for treatment, group in _GROUPS.items()}
# Those below are of others; this one alone is of callers everywhere.
_EVERYWHERE, _LAST = 10_000, 19_999
# A gateway's name begins so: others may have gateways of their own.
_OURS = "rtc"
# Of dialplan: "regular expression".
_BY_PATTERN = "1"
# Every gateway is asked with OPTIONS whether it is there.
_ALWAYS_PROBED = "2"

_URI = re.compile(
    r"sips?:(?P<host>\[[^]]+\]|[^:;]+)(:(?P<port>\d+))?(;transport=(?P<transport>udp|tcp|tls))?",
    re.ASCII,
)
_NUMBER = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
_SITE = re.compile(r"[1-9][0-9]{0,3}", re.ASCII)
# What a rule says: category, prefix, callback number, and whether its calls are refused.
_TOLD = re.compile(rf"({'|'.join(Category)})/([^/]*)/([^/]*)/(?:refused)?")
_NOTHING = (Category.INTERNAL, "", "?")


def _gateway_key(key: str) -> Values:
    return (f"{_OURS}{key}",) if _NUMBER.fullmatch(key) else ()


def _gateway_values(row: GatewayRow, _: str) -> Values:
    return (
        f"{_OURS}{row.number}", row.uri, str(row.strip), row.prefix,
        f"t38={'yes' if row.t38 else 'no'}", _ALWAYS_PROBED, row.name,
    )  # fmt: skip


def _gateway(values: Sequence[Any]) -> GatewayRow:
    """What somebody else wrote in another form differs from every gateway that is wanted."""
    name, address, strip, prefix, attrs, _, description = values
    number = name.removeprefix(_OURS)
    found = _URI.fullmatch(address)
    transport: Transport = (found and found["transport"]) or "udp"  # type: ignore[assignment]
    return GatewayRow(
        number=int(number) if _NUMBER.fullmatch(number) else 0,
        name=description or "",
        host=found["host"].strip("[]") if found else address,
        port=int(found["port"] or 5060) if found else 0,
        transport=transport,
        strip=strip,
        prefix=prefix or "",
        t38=attrs == "t38=yes",
    )


def _route_key(key: str) -> Values:
    site, _, prefix = key.rpartition(":")
    if not prefix or (site and not _SITE.fullmatch(site)):
        return ()
    return str(_EVERYWHERE + int(site or 0)), prefix


def _route_values(row: RouteRow, _: str) -> Values:
    gateways = ",".join(f"{_OURS}{number}" for number in row.gateways)
    attrs = f"{row.category}/{row.prefix}/{row.callback}/{'' if row.gateways else 'refused'}"
    return str(_EVERYWHERE + row.site), row.prefix, gateways, attrs


def _route(values: Sequence[Any]) -> RouteRow:
    """What somebody else wrote in another form differs from every route that is wanted."""
    group, prefix, gateways, attrs = values
    found = _TOLD.fullmatch(attrs or "")
    category, _, callback = found.groups() if found else _NOTHING
    numbers = (name.removeprefix(_OURS) for name in (gateways or "").split(","))
    return RouteRow(
        prefix,
        Category(category),
        tuple(int(number) for number in numbers if _NUMBER.fullmatch(number)),
        int(group) - _EVERYWHERE,
        callback,
    )


def _trusted_key(key: str) -> Values:
    treatment, _, network = key.partition(" ")
    address, _, mask = network.partition("/")
    if treatment not in _GROUPS or not address or not mask.isdecimal():
        return ()
    return str(_GROUPS[Treatment(treatment)]), address, mask


def _trusted_values(row: TrustedHostRow, _: str) -> Values:
    address, _, mask = row.network.partition("/")
    # For administrators who read the table: what does not fit says no less of who is trusted.
    return str(_GROUPS[row.treatment]), address, mask, row.name[:32]


def _trusted(values: Sequence[Any]) -> TrustedHostRow:
    group, address, mask, name = values
    return TrustedHostRow(_TREATMENTS[group], f"{address}/{mask}", name or "")


def _site_key(key: str) -> Values:
    setting, _, aor = key.partition("/")
    user, _, domain = aor.rpartition("@")
    return (user, domain) if setting == CALLER_SITE and user and domain else ()


def _site_values(row: PreferenceRow, _: str) -> Values:
    return row.user, row.domain, str(_EVERYWHERE + int(row.value))


def _site(values: Sequence[Any]) -> PreferenceRow:
    user, domain, group = values
    return PreferenceRow(CALLER_SITE, user, domain or "", str(group - _EVERYWHERE))


def _dial_rule_key(key: str) -> Values:
    site, _, position = key.partition(":")
    if not (_SITE.fullmatch(site) and _NUMBER.fullmatch(position)):
        return ()
    return str(_EVERYWHERE + int(site)), position


def _dial_rule_values(row: DialRuleRow, _: str) -> Values:
    pattern = f"^(?:{row.pattern})$"
    return (
        str(_EVERYWHERE + row.site), str(row.position), _BY_PATTERN, pattern, pattern,
        row.translation,
    )  # fmt: skip


def _dial_rule(values: Sequence[Any]) -> DialRuleRow:
    """What somebody else wrote in another form differs from every rule that is wanted."""
    plan, position, by, pattern, subst, translation = values
    ours = (str(by), subst) == (_BY_PATTERN, pattern)
    told = pattern.removeprefix("^(?:").removesuffix(")$") if ours else f"{pattern} / {subst}"
    return DialRuleRow(plan - _EVERYWHERE, position, told, translation or "")


# A single group of five digits: others may list several.
_OUR_GROUP = and_(
    DR_RULES.c.groupid.like("1____"),
    DR_RULES.c.groupid.not_like("%,%"),
    DR_RULES.c.groupid.not_like("%;%"),
)

ROUTING: Mapping[Kind, StoredKind] = MappingProxyType(
    {
        Kind.TRUSTED_HOST: StoredKind(
            Kind.TRUSTED_HOST,
            TrustedHostRow,
            KindTable(
                ADDRESS,
                ("grp", "ip", "mask"),
                ("context_info",),
                unique=False,
                optional=("context_info",),
                within=ADDRESS.c.grp.in_(sorted(_TREATMENTS)),
            ),
            key=_trusted_key,
            values=_trusted_values,
            row=_trusted,
            optional=True,
        ),
        Kind.GATEWAY: StoredKind(
            Kind.GATEWAY,
            GatewayRow,
            KindTable(
                DR_GATEWAYS,
                ("gwid",),
                ("address", "strip", "pri_prefix", "attrs", "probe_mode", "description"),
                unique=True,
                optional=("pri_prefix", "description"),
                within=DR_GATEWAYS.c.gwid.like(f"{_OURS}%"),
            ),
            key=_gateway_key,
            values=_gateway_values,
            row=_gateway,
            optional=True,
        ),
        Kind.ROUTE: StoredKind(
            Kind.ROUTE,
            RouteRow,
            KindTable(
                DR_RULES,
                ("groupid", "prefix"),
                ("gwlist", "attrs"),
                unique=False,
                optional=("gwlist",),
                within=_OUR_GROUP,
            ),
            key=_route_key,
            values=_route_values,
            row=_route,
            optional=True,
        ),
        Kind.DIAL_RULE: StoredKind(
            Kind.DIAL_RULE,
            DialRuleRow,
            KindTable(
                DIALPLAN,
                ("dpid", "pr"),
                ("match_op", "match_exp", "subst_exp", "repl_exp"),
                unique=False,
                within=DIALPLAN.c.dpid.between(_EVERYWHERE, _LAST),
            ),
            key=_dial_rule_key,
            values=_dial_rule_values,
            row=_dial_rule,
            optional=True,
        ),
        Kind.PREFERENCE: StoredKind(
            Kind.PREFERENCE,
            PreferenceRow,
            KindTable(
                DR_GROUPS,
                ("username", "domain"),
                ("groupid",),
                unique=False,
                within=DR_GROUPS.c.groupid.between(_EVERYWHERE, _LAST),
            ),
            key=_site_key,
            values=_site_values,
            row=_site,
            optional=True,
        ),
    }
)
