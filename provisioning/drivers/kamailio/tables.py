"""The tables of Kamailio's database that the console reads and writes; their rows as records."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from sys import maxsize
from types import MappingProxyType

from sqlalchemy import Column, Integer, MetaData, String, Table, Text
from sqlalchemy.types import NullType

from provisioning.drivers.base import (
    AliasRow,
    Kind,
    Row,
    RowChange,
    SipDomainRow,
    SubscriberRow,
)
from provisioning.drivers.kamailio.unusable import is_unusable, unusable

_METADATA = MetaData()
_ID = "id"

DOMAIN = Table(
    "domain",
    _METADATA,
    Column(_ID, Integer, primary_key=True),
    Column("domain", String(64)),
    Column("last_modified", NullType),
)
SUBSCRIBER = Table(
    "subscriber",
    _METADATA,
    Column(_ID, Integer, primary_key=True),
    Column("username", String(64)),
    Column("domain", String(64)),
    Column("ha1", String(128)),
    Column("ha1b", String(128)),
    Column("password", String(64)),
)
DBALIASES = Table(
    "dbaliases",
    _METADATA,
    Column(_ID, Integer, primary_key=True),
    Column("alias_username", String(64)),
    Column("alias_domain", String(64)),
    Column("username", String(64)),
    Column("domain", String(64)),
)
LOCATION = Table(
    "location",
    _METADATA,
    Column(_ID, Integer, primary_key=True),
    Column("username", String(64)),
    Column("domain", String(64)),
    Column("contact", Text),
    Column("received", Text),
    Column("user_agent", Text),
    Column("socket", Text),
    # A timestamp, a Julian day or Unix seconds: it depends on the database and on usrloc.
    Column("expires", NullType),
    Column("last_modified", NullType),
)
VERSION = Table(
    "version",
    _METADATA,
    Column("table_name", String(32)),
    Column("table_version", Integer),
)

# As in Kamailio 5.6 to 6.1.
EXPECTED_VERSIONS: Mapping[str, int] = MappingProxyType(
    {"domain": 2, "subscriber": 7, "dbaliases": 1, "location": 9}
)


@dataclass(frozen=True)
class KindTable:
    """Where rows of one kind live: `key` and `values` are the columns that the console owns.

    `unique` says whether the database itself keeps the key unique: dbaliases has no such index.
    """

    table: Table
    key: tuple[str, ...]
    values: tuple[str, ...]
    unique: bool

    @cached_property
    def owned(self) -> tuple[str, ...]:
        return self.key + self.values

    @cached_property
    def widths(self) -> tuple[int, ...]:
        """How many characters each owned column holds."""
        types = (self.table.c[name].type for name in self.owned)
        return tuple((isinstance(each, String) and each.length) or maxsize for each in types)


KIND_TABLES: Mapping[Kind, KindTable] = MappingProxyType(
    {
        Kind.SIP_DOMAIN: KindTable(DOMAIN, ("domain",), (), unique=True),
        Kind.SUBSCRIBER: KindTable(
            SUBSCRIBER, ("username", "domain"), ("ha1", "ha1b", "password"), unique=True
        ),
        Kind.ALIAS: KindTable(
            DBALIASES, ("alias_username", "alias_domain"), ("username", "domain"), unique=False
        ),
    }
)

_ROW_CLASSES = {
    Kind.SIP_DOMAIN: SipDomainRow,
    Kind.SUBSCRIBER: SubscriberRow,
    Kind.ALIAS: AliasRow,
}
_HA1 = re.compile(r"[0-9a-f]{32}|[0-9a-f]{64}", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def key_values(kind: Kind, key: str) -> tuple[str, ...]:
    """The key columns' values; empty when `key` is none of this kind."""
    if kind is Kind.SIP_DOMAIN:
        return (key,) if key else ()
    user, _, domain = key.rpartition("@")
    return (user, domain) if user and domain else ()


def row_values(row: Row) -> tuple[str, ...]:
    """The owned columns' values, in the order of KindTable.owned."""
    match row:
        case SipDomainRow():
            return (row.domain,)
        case SubscriberRow():
            nobody = unusable()
            return (row.user, row.domain, row.ha1 or nobody, nobody, nobody)
        case AliasRow():
            return (row.alias_user, row.alias_domain, row.user, row.domain)


def _subscriber_from(values: Sequence[str]) -> SubscriberRow:
    """An HA1 that is empty or merely mangled is handed on as it is.

    It differs from every HA1 that is wanted, so it gets replaced.
    """
    user, domain, ha1 = values[:3]
    return SubscriberRow(user, domain, None if is_unusable(ha1) else ha1)


# Makes the record of the owned columns' values.
ROW_FROM: Mapping[Kind, Callable[[Sequence[str]], Row]] = MappingProxyType(
    {
        Kind.SIP_DOMAIN: lambda values: SipDomainRow(*values),
        Kind.SUBSCRIBER: _subscriber_from,
        Kind.ALIAS: lambda values: AliasRow(*values),
    }
)


def defect(change: RowChange, values: tuple[str, ...]) -> str:
    """Why this change cannot be written, or an empty string; says nothing of an HA1's content.

    `values` are those of the row, or of the key where it is deleted.
    """
    if not key_values(change.kind, change.key):
        return f"“{change.key[:80]}” is not a key of {change.kind}."
    row = change.after
    if row is None:
        return ""
    if not isinstance(row, _ROW_CLASSES[change.kind]) or row.key != change.key:
        return f"The row does not belong to the key “{change.key[:80]}”."
    if isinstance(row, SubscriberRow) and row.ha1 is not None and not _HA1.fullmatch(row.ha1):
        return "The HA1 is not 32 or 64 lower-case hexadecimal digits."
    return _width_defect(KIND_TABLES[change.kind], values)


def _width_defect(target: KindTable, values: tuple[str, ...]) -> str:
    # SQLite does not enforce widths, and Kamailio copies into buffers made for them.
    for column, width, value in zip(target.owned, target.widths, values, strict=True):
        if len(value) > width:
            return f"{column} has {len(value)} characters; the column holds {width}."
    if not _CONTROL.search("".join(values)):
        return ""
    faulty = (c for c, value in zip(target.owned, values, strict=True) if _CONTROL.search(value))
    return f"{next(faulty)} holds a control character."
