"""The console's own tables for FreeSWITCH: who may sign in, and the numbers that lead to them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from sqlalchemy import Column, Integer, MetaData, String, Table, UniqueConstraint
from sqlalchemy.schema import CreateTable

from provisioning.core.records import Dialect
from provisioning.drivers.base import AliasRow, Kind, Row, SubscriberRow
from provisioning.drivers.database.checked_kind import CheckedKind
from provisioning.drivers.database.connection import render
from provisioning.drivers.database.kind_table import KindTable
from provisioning.drivers.database.stored_kind import StoredKind, Values, address
from provisioning.drivers.database.unusable import LONGEST, is_unusable

_METADATA = MetaData()

USERS = Table(
    "freeswitch_users",
    _METADATA,
    Column("id", Integer, primary_key=True),
    Column("username", String(64), nullable=False),
    Column("domain", String(64), nullable=False),
    Column("a1_hash", String(64), nullable=False),
    UniqueConstraint("username", "domain"),
)
NUMBERS = Table(
    "freeswitch_numbers",
    _METADATA,
    Column("id", Integer, primary_key=True),
    Column("number", String(64), nullable=False),
    Column("number_domain", String(64), nullable=False),
    Column("username", String(64), nullable=False),
    Column("domain", String(64), nullable=False),
    UniqueConstraint("number", "number_domain"),
)
TABLES = (USERS, NUMBERS)

# What means nothing in a dial string, a regular expression's replacement, XML or an API command.
_USER = re.compile(r"[A-Za-z0-9._~+*#!=-]{1,64}", re.ASCII)
_DOMAIN = re.compile(r"[A-Za-z0-9.-]{1,64}", re.ASCII)


def schema(dialect: Dialect) -> str:
    """The statements that make the tables, as somebody pastes them."""
    made = (render(CreateTable(table, if_not_exists=True), dialect).text for table in TABLES)
    return "".join(f"{text.strip()};\n" for text in made)


def parts(key: str) -> Values:
    """User part and domain of a key; empty where FreeSWITCH could not keep it safely."""
    user, domain = address(key) or ("", "")
    return (user, domain) if _USER.fullmatch(user) and _DOMAIN.fullmatch(domain) else ()


def _unfit(row: Row) -> str:
    if isinstance(row, AliasRow):
        addresses: Iterable[str] = (row.key, f"{row.user}@{row.domain}")
    else:
        addresses = (row.key,)
    if not all(map(parts, addresses)):
        return (
            "FreeSWITCH can keep a user part of letters, digits and . _ ~ + * # ! = - only, and a "
            "SIP domain of letters, digits, . and -."
        )
    if not isinstance(row, SubscriberRow):
        return ""
    if row.ha1 == "":
        # With an empty one FreeSWITCH lets everybody in.
        return "There is no digest."
    if row.tells_further:
        return "FreeSWITCH verifies one digest of an account."
    if row.realm and row.realm.lower() != row.domain.lower():
        return (
            f"Its SIP domain has the realm {row.realm[:80]}, and FreeSWITCH looks accounts up by "
            "the realm: both must be the same."
        )
    if row.auth_user and row.auth_user != row.user:
        return "FreeSWITCH lets nobody sign in by another name than the user part of the SIP URI."
    return ""


def _subscriber_from(values: Sequence[Any]) -> SubscriberRow:
    user, domain, a1_hash = values
    return SubscriberRow(user, domain, None if is_unusable(a1_hash) else a1_hash)


STORED: Mapping[Kind, StoredKind] = MappingProxyType(
    {
        each.kind: each
        for each in (
            CheckedKind(
                Kind.SUBSCRIBER,
                SubscriberRow,
                KindTable(
                    USERS,
                    ("username", "domain"),
                    ("a1_hash",),
                    unique=True,
                    credentials={"a1_hash": LONGEST},
                ),
                key=parts,
                values=lambda row, nobody: (row.user, row.domain, row.ha1 or nobody),
                row=_subscriber_from,
                digests={"a1_hash": (32, 64)},
                defect=_unfit,
            ),
            CheckedKind(
                Kind.ALIAS,
                AliasRow,
                KindTable(
                    NUMBERS, ("number", "number_domain"), ("username", "domain"), unique=True
                ),
                key=parts,
                values=lambda row, _: (row.alias_user, row.alias_domain, row.user, row.domain),
                row=lambda values: AliasRow(*values),
                defect=_unfit,
            ),
        )
    }
)
