"""The tables of OpenSIPS's database that the console reads and writes; their rows as records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from types import MappingProxyType
from typing import Any

from sqlalchemy import BigInteger, Column, Integer, MetaData, String, Table, Text
from sqlalchemy.types import NullType

from provisioning.core.sip import Algorithm
from provisioning.drivers.base import AliasRow, Kind, SipDomainRow, SubscriberRow
from provisioning.drivers.database.inspection import Schema
from provisioning.drivers.database.kind_table import KindTable
from provisioning.drivers.database.stored_kind import StoredKind, address, name
from provisioning.drivers.database.unusable import is_unusable
from provisioning.drivers.opensips.routing_tables import ROUTING, ROUTING_VERSIONS

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
    Column("ha1", String(64)),
    Column("ha1_sha256", String(64)),
    Column("ha1_sha512t256", String(64)),
    Column("password", String(25)),
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
    Column("contact_id", BigInteger, primary_key=True, key=_ID),
    Column("username", String(64)),
    Column("domain", String(64)),
    Column("contact", Text),
    Column("received", String(255)),
    Column("user_agent", String(255)),
    Column("socket", String(64)),
    Column("expires", Integer),
    Column("last_modified", NullType),
)

# The column that a server reads for an algorithm.
_COLUMNS: Mapping[Algorithm, str] = MappingProxyType(
    {"MD5": "ha1", "SHA-256": "ha1_sha256", "SHA-512-256": "ha1_sha512t256"}
)
# A value of another length than that of a digest is answered with an internal error.
_DIGITS: Mapping[str, int] = MappingProxyType({"ha1": 32, "ha1_sha256": 64, "ha1_sha512t256": 64})
_LENGTHS: Mapping[str, int] = MappingProxyType({**_DIGITS, "password": 25})
# What a row says of a column that is not that of its main digest.
_FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "ha1": "ha1_md5",
        "ha1_sha256": "ha1_sha256",
        "ha1_sha512t256": "ha1_sha512t256",
        "password": "password",
    }
)


def _subscribers(main: Algorithm) -> StoredKind:
    """Accounts whose main digest is that of one algorithm; the columns of others verify nobody."""
    first = _COLUMNS[main]
    others = tuple(column for column in _FIELDS if column != first)
    columns = [(first, "ha1"), *((column, _FIELDS[column]) for column in others)]

    told = attrgetter(*(field for _, field in columns))
    lengths = [_LENGTHS[column] for column, _ in columns]

    def values(row: SubscriberRow, nobody: str) -> tuple[str, ...]:
        each = zip(lengths, told(row), strict=True)
        secrets = [nobody[:length] if value is None else value for length, value in each]
        return row.user, row.domain, *secrets

    def row_from(values: Sequence[str]) -> SubscriberRow:
        """A digest that is empty or merely mangled is handed on: it differs from all wanted."""
        user, domain, *credentials = values
        known: dict[str, Any] = {
            field: None if is_unusable(value, _LENGTHS[column]) else value
            for (column, field), value in zip(columns, credentials, strict=True)
        }
        return SubscriberRow(user, domain, **known)

    return StoredKind(
        Kind.SUBSCRIBER,
        SubscriberRow,
        KindTable(
            SUBSCRIBER,
            ("username", "domain"),
            (first, *others),
            unique=True,
            credentials={column: _LENGTHS[column] for column, _ in columns},
            secrets=others,
        ),
        key=address,
        values=values,
        row=row_from,
        tells_secrets=lambda row: isinstance(row, SubscriberRow) and row.tells_further,
        digests={column: (digits,) for column, digits in _DIGITS.items()},
    )


_OTHERS: Mapping[Kind, StoredKind] = MappingProxyType(
    {
        Kind.SIP_DOMAIN: StoredKind(
            Kind.SIP_DOMAIN,
            SipDomainRow,
            KindTable(DOMAIN, ("domain",), (), unique=True),
            key=name,
            values=lambda row, _: (row.domain,),
            row=lambda values: SipDomainRow(*values),
        ),
        Kind.ALIAS: StoredKind(
            Kind.ALIAS,
            AliasRow,
            KindTable(
                DBALIASES, ("alias_username", "alias_domain"), ("username", "domain"), unique=True
            ),
            key=address,
            values=lambda row, _: (row.alias_user, row.alias_domain, row.user, row.domain),
            row=lambda values: AliasRow(*values),
        ),
    }
)

PUSHED: frozenset[Kind] = frozenset({Kind.SUBSCRIBER, *_OTHERS, *ROUTING})


def _schema(main: Algorithm) -> Schema:
    return Schema(
        family="OpenSIPS",
        releases="OpenSIPS 3.4 to 3.6",
        # Version 4 of `domain` came with 3.6; its further column has a default.
        needed={"domain": (3, 4), "subscriber": (8,), "dbaliases": (2,), "location": (1013,)},
        optional=ROUTING_VERSIONS,
        stored={Kind.SUBSCRIBER: _subscribers(main), **_OTHERS, **ROUTING},
        location=LOCATION,
        location_columns=(
            _ID, "username", "domain", "contact", "received", "user_agent", "socket", "expires",
            "last_modified",
        ),
    )  # fmt: skip


# By the algorithm of the digest that every account of a store has.
SCHEMAS: Mapping[Algorithm, Schema] = MappingProxyType(
    {algorithm: _schema(algorithm) for algorithm in _COLUMNS}
)
