"""The tables in which Kamailio keeps its routing; their rows as records.

dispatcher: one set a gateway, so that Kamailio probes it and a route can name it; one with the
servers of all other pools. mtree: the longest prefix, what its numbers are, and the sets to try.
address: trusted hosts, a group for each treatment. uacreg: registrations at gateways. dialplan:
what becomes of a number that was dialled.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from sqlalchemy import Column, Integer, MetaData, String, Table

from provisioning.core.calls import Category
from provisioning.drivers.base import Kind
from provisioning.drivers.database.kind_table import KindTable
from provisioning.drivers.routing import (
    DialRuleRow,
    GatewayRow,
    PoolServerRow,
    RouteRow,
    RoutingRow,
    Transport,
    Treatment,
    TrunkRow,
    TrustedHostRow,
)

_METADATA = MetaData()
_ID = "id"

DISPATCHER = Table(
    "dispatcher",
    _METADATA,
    Column(_ID, Integer, primary_key=True),
    Column("setid", Integer),
    Column("destination", String(192)),
    Column("attrs", String(128)),
    Column("description", String(64)),
)
MTREE = Table(
    "mtree",
    _METADATA,
    Column(_ID, Integer, primary_key=True),
    Column("tprefix", String(32)),
    Column("tvalue", String(128)),
)
ADDRESS = Table(
    "address",
    _METADATA,
    Column(_ID, Integer, primary_key=True),
    Column("grp", Integer),
    Column("ip_addr", String(50)),
    Column("mask", Integer),
    Column("tag", String(64)),
)
UACREG = Table(
    "uacreg",
    _METADATA,
    Column(_ID, Integer, primary_key=True),
    Column("l_uuid", String(64)),
    Column("l_username", String(64)),
    Column("l_domain", String(64)),
    Column("r_username", String(64)),
    Column("r_domain", String(64)),
    Column("realm", String(64)),
    Column("auth_username", String(64)),
    Column("auth_password", String(64)),
    Column("auth_ha1", String(128)),
    Column("auth_proxy", String(255)),
    Column("expires", Integer),
)

DIALPLAN = Table(
    "dialplan",
    _METADATA,
    Column(_ID, Integer, primary_key=True),
    Column("dpid", Integer),
    Column("pr", Integer),
    Column("match_op", Integer),
    Column("match_exp", String(64)),
    Column("match_len", Integer),
    Column("subst_exp", String(64)),
    Column("repl_exp", String(256)),
    Column("attrs", String(64)),
)

# As in Kamailio 5.6 to 6.1.
ROUTING_VERSIONS: Mapping[str, int] = MappingProxyType(
    {"address": 6, "dispatcher": 4, "dialplan": 2, "mtree": 1, "uacreg": 5}
)

# Groups of table address that the lines of the setup guide ask for; others are not touched.
GROUPS: Mapping[Treatment, int] = MappingProxyType(
    {Treatment.AUTHENTICATED: 1001, Treatment.INBOUND: 1002, Treatment.OUTBOUND: 1003}
)
_TREATMENTS = {group: treatment for treatment, group in GROUPS.items()}

# The dial plan of a site is this and the site's id here; those below are of others.
FIRST_DIAL_PLAN = 10_000
# "Regular expression", of any length.
_BY_PATTERN, _ANY_LENGTH = "1", "0"

# The set of the servers of other pools: beyond the number of any gateway.
OTHER_POOLS = 1_000_000_000

# "By priority", of which a set of one gateway has only one: the order is that of the sets.
_ALGORITHM = 8
# What a route without gateways leads to.
REFUSED = "refused"

ROUTING_TABLES: Mapping[Kind, KindTable] = MappingProxyType(
    {
        Kind.TRUSTED_HOST: KindTable(
            ADDRESS,
            ("grp", "ip_addr", "mask"),
            ("tag",),
            unique=False,
            within=ADDRESS.c.grp.in_(sorted(_TREATMENTS)),
        ),
        Kind.GATEWAY: KindTable(
            DISPATCHER,
            ("setid",),
            ("destination", "attrs", "description"),
            unique=False,
            within=DISPATCHER.c.setid != OTHER_POOLS,
        ),
        Kind.POOL_SERVER: KindTable(
            DISPATCHER,
            ("setid", "destination"),
            ("attrs", "description"),
            unique=False,
            within=DISPATCHER.c.setid == OTHER_POOLS,
        ),
        Kind.TRUNK: KindTable(
            UACREG,
            ("l_uuid",),
            (
                "l_username", "l_domain", "r_username", "r_domain", "realm", "auth_username",
                "auth_password", "auth_ha1", "auth_proxy", "expires",
            ),
            unique=True,
            optional=("auth_password",),
        ),
        Kind.ROUTE: KindTable(
            MTREE,
            ("tprefix",),
            ("tvalue",),
            unique=True,
        ),
        Kind.DIAL_RULE: KindTable(
            DIALPLAN,
            ("dpid", "pr"),
            ("match_op", "match_exp", "match_len", "subst_exp", "repl_exp", "attrs"),
            unique=False,
            optional=("attrs",),
            within=DIALPLAN.c.dpid >= FIRST_DIAL_PLAN,
        ),
    }
)  # fmt: skip

_URI = re.compile(
    r"sips?:(?P<host>\[[^]]+\]|[^:;]+)(:(?P<port>\d+))?(;transport=(?P<transport>udp|tcp|tls))?",
    re.ASCII,
)
_ATTRS = re.compile(r"strip=(\d+);t38=(yes|no)(?:;prefix=([^;]+))?")
_SET = re.compile(rf"(\d+)={_ALGORITHM}")
# What a route says: category, prefix, sets, callback number.
_TOLD = re.compile(rf"({'|'.join(Category)})/([^/]*)/([^/]*)/([^/]*)")
_NOTHING = (Category.INTERNAL, "", "", "?")
_SITE = re.compile(r"s(\d+)#(.+)")
_POOL = re.compile(r"pool=(\d+)", re.ASCII)
_NUMBER = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)


def routing_key(kind: Kind, key: str) -> tuple[str, ...]:
    """The key columns' values; empty when `key` is none of this kind."""
    if kind in (Kind.GATEWAY, Kind.TRUNK):
        return (key,) if _NUMBER.fullmatch(key) else ()
    if kind is Kind.POOL_SERVER:
        return (str(OTHER_POOLS), key) if _URI.fullmatch(key) else ()
    if kind is Kind.ROUTE:
        site, _, prefix = key.rpartition(":")
        return (_of_site(prefix, site),) if prefix else ()
    if kind is Kind.DIAL_RULE:
        site, _, position = key.partition(":")
        if not (_NUMBER.fullmatch(site) and _NUMBER.fullmatch(position)):
            return ()
        return str(FIRST_DIAL_PLAN + int(site)), position
    treatment, _, network = key.partition(" ")
    address, _, mask = network.partition("/")
    if treatment not in GROUPS or not address or not mask.isdecimal():
        return ()
    return (str(GROUPS[Treatment(treatment)]), address, mask)


def _of_site(prefix: str, site: str) -> str:
    """The prefix for callers of a site: no number begins with an s."""
    return f"s{site}#{prefix}" if site else prefix


def routing_values(row: RoutingRow) -> tuple[str, ...]:
    """The values of the columns that the console owns, in their order."""
    if isinstance(row, GatewayRow):
        t38 = "yes" if row.t38 else "no"
        # dispatcher refuses a parameter without a value.
        prefix = f";prefix={row.prefix}" if row.prefix else ""
        attrs = f"strip={row.strip};t38={t38}{prefix}"
        return str(row.number), row.uri, attrs, row.name
    if isinstance(row, PoolServerRow):
        return str(OTHER_POOLS), row.uri, f"pool={row.pool}", row.name
    if isinstance(row, TrunkRow):
        return (
            row.key, row.user, row.domain, row.user, row.domain, row.realm, row.auth_user, "",
            row.ha1, row.proxy, str(row.expires),
        )  # fmt: skip
    if isinstance(row, RouteRow):
        sets = ";".join(f"{number}={_ALGORITHM}" for number in row.gateways) or REFUSED
        prefix = _of_site(row.prefix, str(row.site or ""))
        return prefix, f"{row.category}/{row.prefix}/{sets}/{row.callback}"
    if isinstance(row, DialRuleRow):
        pattern = f"^(?:{row.pattern})$"
        return (
            str(FIRST_DIAL_PLAN + row.site), str(row.position), _BY_PATTERN, pattern, _ANY_LENGTH,
            pattern, row.translation, "",
        )  # fmt: skip
    address, _, mask = row.network.partition("/")
    return str(GROUPS[row.treatment]), address, mask, row.name


def _gateway(values: Sequence[Any]) -> GatewayRow:
    """What somebody else wrote in another form differs from every gateway that is wanted."""
    number, destination, attrs, name = values
    found, told = _URI.fullmatch(destination), _ATTRS.fullmatch(attrs or "")
    transport: Transport = (found and found["transport"]) or "udp"  # type: ignore[assignment]
    return GatewayRow(
        number=number,
        name=name or "",
        host=found["host"].strip("[]") if found else destination,
        port=int(found["port"] or 5060) if found else 0,
        transport=transport,
        strip=int(told[1]) if told else 0,
        prefix=(told and told[3]) or "",
        t38=bool(told and told[2] == "yes"),
    )


def _pool_server(values: Sequence[Any]) -> PoolServerRow:
    _, destination, attrs, name = values
    told = _POOL.fullmatch(attrs or "")
    return PoolServerRow(int(told[1]) if told else 0, destination, name or "")


def _trunk(values: Sequence[Any]) -> TrunkRow:
    number, user, domain, _, _, realm, auth_user, _, ha1, proxy, expires = values
    given = int(number) if _NUMBER.fullmatch(number) else 0
    return TrunkRow(given, user, domain, realm, auth_user, ha1, proxy, expires)


def _route(values: Sequence[Any]) -> RouteRow:
    """What somebody else wrote in another form differs from every route that is wanted."""
    where, told = values
    of_site = _SITE.fullmatch(where)
    category, _, sets, callback = found.groups() if (found := _TOLD.fullmatch(told)) else _NOTHING
    return RouteRow(
        of_site[2] if of_site else where,
        Category(category),
        tuple(int(each[1]) for each in _SET.finditer(sets)),
        int(of_site[1]) if of_site else 0,
        callback,
    )


def _dial_rule(values: Sequence[Any]) -> DialRuleRow:
    """What somebody else wrote in another form differs from every rule that is wanted."""
    plan, position, by, pattern, length, subst, translation, _ = values
    ours = (str(by), str(length), subst) == (_BY_PATTERN, _ANY_LENGTH, pattern)
    told = pattern.removeprefix("^(?:").removesuffix(")$") if ours else f"{pattern} / {subst}"
    return DialRuleRow(plan - FIRST_DIAL_PLAN, position, told, translation)


def _trusted_host(values: Sequence[Any]) -> TrustedHostRow:
    group, address, mask, tag = values
    return TrustedHostRow(_TREATMENTS[group], f"{address}/{mask}", tag or "")


# Makes the record of the owned columns' values.
ROUTING_ROW_FROM: Mapping[Kind, Callable[[Sequence[Any]], RoutingRow]] = MappingProxyType(
    {
        Kind.TRUSTED_HOST: _trusted_host,
        Kind.GATEWAY: _gateway,
        Kind.POOL_SERVER: _pool_server,
        Kind.TRUNK: _trunk,
        Kind.ROUTE: _route,
        Kind.DIAL_RULE: _dial_rule,
    }
)
