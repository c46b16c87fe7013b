"""The tables of Kamailio's database that the console reads and writes; their rows as records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType

from sqlalchemy import Column, Integer, MetaData, String, Table, Text
from sqlalchemy.types import NullType

from provisioning.drivers.base import ROW_CLASSES, AliasRow, Kind, SipDomainRow, SubscriberRow
from provisioning.drivers.database.inspection import Schema
from provisioning.drivers.database.kind_table import KindTable
from provisioning.drivers.database.stored_kind import StoredKind, address, name
from provisioning.drivers.database.unusable import LONGEST, is_unusable
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
from provisioning.drivers.routing import GroupAddressRow

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
# Further credential columns of Kamailio's. They verify nobody unless a row says otherwise.
_SECRETS = ("ha1b", "password")
_CREDENTIALS = ("ha1", *_SECRETS)
# An HA1 is one of MD5 or of SHA-256; which of them, the server's configuration says.
_DIGESTS = {"ha1": (32, 64)}


def _subscriber_values(row: SubscriberRow, nobody: str) -> tuple[str, ...]:
    return (
        row.user,
        row.domain,
        nobody if row.ha1 is None else row.ha1,
        nobody if row.ha1b is None else row.ha1b,
        nobody if row.password is None else row.password,
    )


def _subscriber(values: Sequence[str]) -> SubscriberRow:
    """An HA1 that is empty or merely mangled is handed on as it is.

    It differs from every HA1 that is wanted, so it gets replaced.
    """
    user, domain, *credentials = values
    ha1, ha1b, password = (None if is_unusable(value) else value for value in credentials)
    return SubscriberRow(user, domain, ha1, ha1b, password)


STORED: Mapping[Kind, StoredKind] = MappingProxyType(
    {
        Kind.SIP_DOMAIN: StoredKind(
            Kind.SIP_DOMAIN,
            SipDomainRow,
            KindTable(DOMAIN, ("domain",), (), unique=True),
            key=name,
            values=lambda row, _: (row.domain,),
            row=lambda values: SipDomainRow(*values),
        ),
        Kind.SUBSCRIBER: StoredKind(
            Kind.SUBSCRIBER,
            SubscriberRow,
            KindTable(
                SUBSCRIBER,
                ("username", "domain"),
                _CREDENTIALS,
                unique=True,
                credentials=dict.fromkeys(_CREDENTIALS, LONGEST),
                secrets=_SECRETS,
            ),
            key=address,
            values=_subscriber_values,
            row=_subscriber,
            tells_secrets=lambda row: isinstance(row, SubscriberRow) and row.tells_further,
            digests=_DIGESTS,
        ),
        Kind.ALIAS: StoredKind(
            Kind.ALIAS,
            AliasRow,
            KindTable(
                DBALIASES, ("alias_username", "alias_domain"), ("username", "domain"), unique=False
            ),
            key=address,
            values=lambda row, _: (row.alias_user, row.alias_domain, row.user, row.domain),
            row=lambda values: AliasRow(*values),
        ),
        # Aliases that lead to a host with its port, which no SIP domain has.
        Kind.GROUP_ADDRESS: StoredKind(
            Kind.GROUP_ADDRESS,
            GroupAddressRow,
            KindTable(
                DBALIASES,
                ("alias_username", "alias_domain"),
                ("username", "domain"),
                unique=False,
                within=DBALIASES.c.domain.contains(":"),
            ),
            key=address,
            values=lambda row, _: (row.user, row.domain, row.target, row.at),
            row=lambda values: GroupAddressRow(*values),
        ),
        **{
            kind: StoredKind(
                kind,
                ROW_CLASSES[kind],
                target,
                key=partial(routing_key, kind),
                values=lambda row, _: routing_values(row),
                row=ROUTING_ROW_FROM[kind],
                optional=True,
            )
            for kind, target in ROUTING_TABLES.items()
        },
        **{
            kind: StoredKind(
                kind,
                ROW_CLASSES[kind],
                target,
                key=partial(settings_key, kind),
                values=lambda row, _: settings_values(row),
                row=SETTINGS_ROW_FROM[kind],
                optional=True,
            )
            for kind, target in SETTINGS_TABLES.items()
        },
    }
)

SCHEMA = Schema(
    family="Kamailio",
    releases="Kamailio 5.6 to 6.1",
    needed={"domain": (2,), "subscriber": (7,), "dbaliases": (1,), "location": (9,)},
    optional={
        name: (version,) for name, version in {**ROUTING_VERSIONS, **SETTINGS_VERSIONS}.items()
    },
    stored=STORED,
    location=LOCATION,
    location_columns=(
        "ruid", "username", "domain", "contact", "received", "user_agent", "socket", "expires",
        "last_modified",
    ),
)  # fmt: skip
