"""The console's own tables in an Asterisk's database: routing and settings; rows as records.

Views make of them what Asterisk reads: lines of configuration, limits of registrations. They stand
in setup/rtcadmin.sql.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

from sqlalchemy import BigInteger, Column, Integer, MetaData, String, Table

from provisioning.core.calls import Category
from provisioning.drivers.base import ROW_CLASSES, Kind, Row
from provisioning.drivers.database.checked_kind import CheckedKind
from provisioning.drivers.database.kind_table import KindTable
from provisioning.drivers.database.stored_kind import StoredKind, Values
from provisioning.drivers.routing import (
    DialRuleRow,
    GatewayRow,
    RouteRow,
    Treatment,
    TrunkRow,
    TrustedHostRow,
)
from provisioning.drivers.setting_rows import PreferenceRow, SettingRow

_METADATA = MetaData()

VIEWS = ("rtcadmin_config", "rtcadmin_numbers", "rtcadmin_callers", "rtcadmin_aors")
"""What Asterisk reads of it; the console only writes the tables."""

HELD_SETTINGS = frozenset(
    {
        "min_expires", "default_expires", "max_expires", "max_devices", "messaging",
        "call_classes", "presented_number", "asserted_numbers",
    }
)  # fmt: skip
"""What view rtcadmin_aors and the dialplan of the setup guide ask for."""


def _table(name: str, key: dict[str, int], values: dict[str, int], *empty: str) -> KindTable:
    """A table by its columns and how many characters they hold, 0 for whole numbers."""
    columns = [
        Column(column, String(width) if width else Integer)
        for column, width in (key | values).items()
    ]
    table = Table(name, _METADATA, Column("id", BigInteger, primary_key=True), *columns)
    return KindTable(table, tuple(key), tuple(values), unique=True, optional=empty)


OWN_TABLES: Mapping[Kind, KindTable] = MappingProxyType(
    {
        Kind.TRUSTED_HOST: _table(
            "rtcadmin_trusted_hosts", {"treatment": 16, "network": 50}, {"name": 64}, "name"
        ),
        Kind.GATEWAY: _table(
            "rtcadmin_gateways",
            {"number": 0},
            {
                "name": 64, "host": 64, "port": 0, "transport": 3, "strip": 0, "prefix": 20,
                "t38": 3,
            },
            "name", "prefix",
        ),
        Kind.TRUNK: _table(
            "rtcadmin_trunks",
            {"number": 0},
            {
                "username": 64, "domain": 64, "realm": 64, "auth_username": 64, "ha1": 64,
                "proxy": 255, "expires": 0,
            },
        ),
        Kind.ROUTE: _table(
            "rtcadmin_routes",
            {"site": 0, "prefix": 32},
            {"category": 16, "gateways": 64, "callback": 32},
            "gateways", "callback",
        ),
        Kind.DIAL_RULE: _table(
            "rtcadmin_dial_rules",
            {"site": 0, "position": 0},
            {"pattern": 64, "translation": 64},
        ),
        Kind.SETTING: _table("rtcadmin_settings", {"name": 64}, {"value": 1024}, "value"),
        Kind.PREFERENCE: _table("rtcadmin_preferences", {"name": 160}, {"value": 1024}, "value"),
    }
)  # fmt: skip

_NUMBER = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)
# Between the numbers of gateways.
_AND = "-"
_GROUP = r"\1"
_ANY_GROUP = re.compile(r"\\[1-9]")
# What becomes part of the dialplan, and so must hold nothing that means something there.
_FORMS: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {
        "host": re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]"),
        "transport": re.compile("udp|tcp|tls"),
        "prefix": re.compile(r"[+0-9*#]*"),
        "callback": re.compile(r"[+0-9*#]*"),
        "network": re.compile(r"[0-9A-Fa-f.:/]+"),
        "pattern": re.compile(r"[-0-9*#.|()?+\\d\[\]{},]+"),
        "translation": re.compile(r"[+0-9*#\\]+"),
    }
)


def _key(kind: Kind, key: str) -> Values:
    """The key columns' values; empty when `key` is none of this kind."""
    if kind in (Kind.SETTING, Kind.PREFERENCE):
        return (key,) if key else ()
    if kind is Kind.TRUSTED_HOST:
        treatment, _, network = key.partition(" ")
        return (treatment, network) if treatment in set(Treatment) and network else ()
    if kind is Kind.ROUTE:
        site, _, prefix = key.rpartition(":")
        return (site or "0", prefix) if prefix and _NUMBER.fullmatch(site or "0") else ()
    parts = tuple(key.split(":"))
    numbers = len(OWN_TABLES[kind].key)
    return parts if len(parts) == numbers and all(map(_NUMBER.fullmatch, parts)) else ()


def _values(row: Row, _nobody: str) -> Values:
    match row:
        case TrustedHostRow():
            return row.treatment, row.network, row.name
        case GatewayRow():
            return (
                row.key, row.name, f"[{row.host}]" if ":" in row.host else row.host, str(row.port),
                row.transport, str(row.strip), row.prefix, "yes" if row.t38 else "no",
            )  # fmt: skip
        case TrunkRow():
            return (
                row.key, row.user, row.domain, row.realm, row.auth_user, row.ha1, row.proxy,
                str(row.expires),
            )  # fmt: skip
        case RouteRow():
            gateways = _AND.join(map(str, row.gateways))
            return str(row.site), row.prefix, row.category, gateways, row.callback
        case DialRuleRow():
            return str(row.site), str(row.position), row.pattern, row.translation
        case SettingRow() | PreferenceRow():
            return row.key, row.value
    return ()


def _defect(row: Row) -> str:
    kind = _KINDS[type(row)]
    if not OWN_STORED[kind].key_values(row.key):
        return f"It is not a {kind.label} that Asterisk can keep."
    for name, value in zip(OWN_TABLES[kind].owned, _values(row, ""), strict=True):
        if name in _FORMS and not _FORMS[name].fullmatch(value):
            return f"{name} holds a character that means something else in a dialplan."
    return _of_rule(row) if isinstance(row, DialRuleRow) else ""


def _of_rule(row: DialRuleRow) -> str:
    """Asterisk's dialplan tells the first group of a pattern, and no other."""
    groups = set(_ANY_GROUP.findall(row.translation))
    if groups - {_GROUP}:
        return (
            f"The translation “{row.translation}” takes more than the first group ( ) of its "
            r"pattern. Asterisk knows the first alone: write a rule for each case, with \1."
        )
    if groups and _has_choice(row.pattern):
        return (
            f"The pattern “{row.pattern}” is a choice between several, of which Asterisk finds no "
            "group ( ): write a rule for each of them."
        )
    return ""


def _has_choice(pattern: str) -> bool:
    """Whether a | stands outside of all groups."""
    depth = 0
    for character in pattern:
        depth += (character == "(") - (character == ")")
        if character == "|" and depth == 0:
            return True
    return False


def _gateway(values: Sequence[Any]) -> GatewayRow:
    number, name, host, port, transport, strip, prefix, t38 = values
    return GatewayRow(number, name, host.strip("[]"), port, transport, strip, prefix, t38 == "yes")


def _route(values: Sequence[Any]) -> RouteRow:
    """What somebody else wrote in another form differs from every route that is wanted."""
    site, prefix, category, gateways, callback = values
    known = category in set(Category)
    return RouteRow(
        prefix,
        Category(category) if known else Category.INTERNAL,
        tuple(int(each) for each in gateways.split(_AND) if each.isdecimal()),
        site,
        callback if known else f"{category} {callback}",
    )


def _trusted_host(values: Sequence[Any]) -> TrustedHostRow:
    treatment, network, name = values
    return TrustedHostRow(Treatment(treatment), network, name)


def _setting(values: Sequence[Any]) -> SettingRow:
    server, _, setting = values[0].rpartition(":")
    return SettingRow(setting, values[1], server)


def _preference(values: Sequence[Any]) -> PreferenceRow:
    setting, _, aor = values[0].partition("/")
    user, _, domain = aor.rpartition("@")
    return PreferenceRow(setting, user, domain, values[1])


_ROW_FROM: Mapping[Kind, Callable[[Sequence[Any]], Row]] = MappingProxyType(
    {
        Kind.TRUSTED_HOST: _trusted_host,
        Kind.GATEWAY: _gateway,
        Kind.TRUNK: lambda values: TrunkRow(*values),
        Kind.ROUTE: _route,
        Kind.DIAL_RULE: lambda values: DialRuleRow(*values),
        Kind.SETTING: _setting,
        Kind.PREFERENCE: _preference,
    }
)
_KINDS = {ROW_CLASSES[kind]: kind for kind in OWN_TABLES}

OWN_STORED: Mapping[Kind, StoredKind] = MappingProxyType(
    {
        kind: CheckedKind(
            kind,
            ROW_CLASSES[kind],
            target,
            key=partial(_key, kind),
            values=_values,
            row=_ROW_FROM[kind],
            optional=True,
            defect=_defect,
        )
        for kind, target in OWN_TABLES.items()
    }
)
