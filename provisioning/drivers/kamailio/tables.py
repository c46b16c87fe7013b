"""The tables of Kamailio's database that the console reads and writes; their rows as records."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from types import MappingProxyType
from typing import Any

from sqlalchemy import Column, Integer, MetaData, String, Table, Text
from sqlalchemy.types import NullType

from provisioning.drivers.base import (
    ROW_CLASSES,
    AliasRow,
    Kind,
    Row,
    SipDomainRow,
    SubscriberRow,
)
from provisioning.drivers.database.kind_table import KindTable
from provisioning.drivers.database.unusable import is_unusable, unusable
from provisioning.drivers.kamailio.routing_tables import (
    ROUTING_ROW_FROM,
    ROUTING_TABLES,
    ROUTING_VERSIONS,
    routing_key,
    routing_values,
)
from provisioning.drivers.kamailio.settings_tables import (
    SETTINGS_ROW_FROM,
    SETTINGS_TABLES,
    SETTINGS_VERSIONS,
    settings_key,
    settings_values,
)
from provisioning.drivers.setting_rows import PreferenceRow, SettingRow

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
    Column("ruid", String(64)),
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

# Without these tables a store holds accounts all the same.
OPTIONAL_TABLES: Mapping[Kind, KindTable] = MappingProxyType({**ROUTING_TABLES, **SETTINGS_TABLES})
OPTIONAL_VERSIONS: Mapping[str, int] = MappingProxyType({**ROUTING_VERSIONS, **SETTINGS_VERSIONS})

# Further credential columns of Kamailio's. They verify nobody unless a row says otherwise.
SECRETS = ("ha1b", "password")
CREDENTIALS = ("ha1", *SECRETS)


KIND_TABLES: Mapping[Kind, KindTable] = MappingProxyType(
    {
        Kind.SIP_DOMAIN: KindTable(DOMAIN, ("domain",), (), unique=True),
        Kind.SUBSCRIBER: KindTable(
            SUBSCRIBER,
            ("username", "domain"),
            CREDENTIALS,
            unique=True,
            credentials=CREDENTIALS,
            secrets=SECRETS,
        ),
        Kind.ALIAS: KindTable(
            DBALIASES, ("alias_username", "alias_domain"), ("username", "domain"), unique=False
        ),
        **OPTIONAL_TABLES,
    }
)

_HA1 = re.compile(r"[0-9a-f]{32}|[0-9a-f]{64}", re.ASCII)
# Line breaks beyond ASCII among them: no SIP URI has any.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def key_values(kind: Kind, key: str) -> tuple[str, ...]:
    """The key columns' values; empty when `key` is none of this kind.

    Addresses are ASCII (RFC 3261 section 25.1): what a database makes of other characters, each
    collation sees differently.
    """
    if not key.isascii() or _CONTROL.search(key):
        return ()
    if kind is Kind.SIP_DOMAIN:
        return (key,) if key else ()
    if kind in ROUTING_TABLES:
        return routing_key(kind, key)
    if kind in SETTINGS_TABLES:
        return settings_key(kind, key)
    user, _, domain = key.rpartition("@")
    return (user, domain) if user and domain else ()


def written_values(kind: Kind, rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """The owned columns' values of each row, in the order of KindTable.owned."""
    nobodies = unusable(len(rows)) if kind is Kind.SUBSCRIBER else [""] * len(rows)
    return [
        (*values, *_secrets(row, nobody)) if isinstance(row, SubscriberRow) else values
        for row, values, nobody in zip(rows, _told(rows, nobodies), nobodies, strict=True)
    ]


def compared_values(rows: Sequence[Row], *, secrets: bool = False) -> list[tuple[str, ...]]:
    """The values that tell whether a row is there, in the order of KindTable.compared.

    With `secrets`, in the order of KindTable.owned.
    """
    (nobody,) = unusable(1)
    told = _told(rows, repeat(nobody))
    if not secrets:
        return list(told)
    return [
        (*values, *_secrets(row, nobody)) if isinstance(row, SubscriberRow) else values
        for row, values in zip(rows, told, strict=True)
    ]


def tells_secrets(row: Row) -> bool:
    """Whether a row says what stands in SECRETS."""
    return isinstance(row, SubscriberRow) and (row.ha1b is not None or row.password is not None)


def _secrets(row: SubscriberRow, nobody: str) -> tuple[str, str]:
    return (
        nobody if row.ha1b is None else row.ha1b,
        nobody if row.password is None else row.password,
    )


def _told(rows: Sequence[Row], nobodies: Iterable[str]) -> Iterator[tuple[str, ...]]:
    """The values that a row itself tells; one of `nobodies` stands where nobody may be let in."""
    for row, nobody in zip(rows, nobodies, strict=False):
        if isinstance(row, SubscriberRow):
            yield row.user, row.domain, nobody if row.ha1 is None else row.ha1
        elif isinstance(row, AliasRow):
            yield row.alias_user, row.alias_domain, row.user, row.domain
        elif isinstance(row, SipDomainRow):
            yield (row.domain,)
        elif isinstance(row, SettingRow | PreferenceRow):
            yield settings_values(row)
        else:
            yield routing_values(row)


def _subscriber_from(values: Sequence[str]) -> SubscriberRow:
    """An HA1 that is empty or merely mangled is handed on as it is.

    It differs from every HA1 that is wanted, so it gets replaced.
    """
    user, domain, *credentials = values
    ha1, ha1b, password = (None if is_unusable(value) else value for value in credentials)
    return SubscriberRow(user, domain, ha1, ha1b, password)


# Makes the record of the owned columns' values.
ROW_FROM: Mapping[Kind, Callable[[Sequence[Any]], Row]] = MappingProxyType(
    {
        Kind.SIP_DOMAIN: lambda values: SipDomainRow(*values),
        Kind.SUBSCRIBER: _subscriber_from,
        Kind.ALIAS: lambda values: AliasRow(*values),
        **ROUTING_ROW_FROM,
        **SETTINGS_ROW_FROM,
    }
)


def defects(kind: Kind, rows: Sequence[Row]) -> dict[int, str]:
    """Why some of `rows` cannot be written, by their place; says nothing of an HA1's content."""
    if {type(row) for row in rows} <= {ROW_CLASSES[kind]} and not _defective(kind, rows):
        return {}
    found = ((n, _defect(kind, row)) for n, row in enumerate(rows))
    return {n: said for n, said in found if said}


def _defective(kind: Kind, rows: Sequence[Row]) -> bool:
    """Whether some row may have a defect; looked at by columns, which is quick."""
    if any(map(tells_secrets, rows)):
        return True
    target = KIND_TABLES[kind]
    columns = dict(zip(target.compared, zip(*compared_values(rows), strict=True), strict=False))
    for width, (name, column) in zip(target.widths, columns.items(), strict=False):
        lengths = set(map(len, column))
        least = 0 if name in target.optional else 1
        if min(lengths) < least or max(lengths) > width or _CONTROL.search("".join(column)):
            return True
    if not all("".join(columns.get(name, ())).isascii() for name in target.key):
        return True
    ha1s = columns.get("ha1", ())
    return not all(_HA1.fullmatch(ha1) or is_unusable(ha1) for ha1 in ha1s)


def _defect(kind: Kind, row: Row) -> str:
    if not isinstance(row, ROW_CLASSES[kind]):
        return f"The row does not belong to the key “{row.key[:80]}”."
    if isinstance(row, SubscriberRow) and row.ha1 and not _HA1.fullmatch(row.ha1):
        return "The HA1 is not 32 or 64 lower-case hexadecimal digits."
    target = KIND_TABLES[kind]
    (values,) = compared_values([row], secrets=True)
    # SQLite does not enforce widths, and Kamailio copies into buffers made for them.
    for column, width, value in zip(target.owned, target.widths, values, strict=True):
        if not value and column not in target.may_be_empty:
            return f"{column} is empty."
        if len(value) > width:
            return f"{column} has {len(value)} characters; the column holds {width}."
        if _CONTROL.search(value):
            return f"{column} holds a control character."
        if column in target.key and not value.isascii():
            return f"{column} holds “{value[:80]}”, which is not of ASCII characters alone."
    return ""
