"""How rows of each kind but accounts become values of their table's columns, and back."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cache
from typing import Any

from sqlalchemy import bindparam, not_, select

from provisioning.drivers.asterisk import numbers
from provisioning.drivers.asterisk.own_tables import (
    OWN_ROW_FROM,
    OWN_TABLES,
    own_defect,
    own_key,
    own_values,
)
from provisioning.drivers.base import AliasRow, Kind, Row
from provisioning.drivers.database.connection import Rendered, render
from provisioning.drivers.database.kind_table import KindTable
from provisioning.drivers.database.standing import digests
from provisioning.drivers.database.statements import (
    Incoming,
    delete_keys,
    differing,
    join_keys,
    merge,
)

_DIALECT = "postgresql"


def table_of(kind: Kind) -> KindTable:
    return numbers.NUMBERS if kind is Kind.ALIAS else OWN_TABLES[kind]


def key_of(kind: Kind, key: str) -> tuple[str, ...]:
    """The key columns' values; empty where no row can have that key."""
    return numbers.key_of(key) if kind is Kind.ALIAS else own_key(kind, key)


def keys_of(kind: Kind, keys: Collection[str]) -> list[tuple[str, ...]]:
    """The same of several keys, in their order; those that no row can have are left out."""
    return list(filter(None, (key_of(kind, key) for key in sorted(set(keys)))))


def values_of(kind: Kind, rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """The values of the owned columns for each row."""
    if kind is Kind.ALIAS:
        return numbers.values_of([row for row in rows if isinstance(row, AliasRow)])
    return list(map(own_values, rows))


def row_from(kind: Kind, values: Sequence[Any]) -> Row:
    """The record of the owned columns' values."""
    return numbers.row_from(values) if kind is Kind.ALIAS else OWN_ROW_FROM[kind](values)


def defect(kind: Kind, row: Row) -> str:
    """Why a row cannot be written; empty where it can be."""
    return numbers.defect(row) if kind is Kind.ALIAS else own_defect(kind, row)


@cache
def every(kind: Kind) -> Rendered:
    """All rows by pages in the order of `id`; patterns of the dialplan are no numbers."""
    target = table_of(kind)
    table = target.table
    page = select(*(table.c[name] for name in ("id", *target.owned)))
    if kind is Kind.ALIAS:
        patterns = table.c.exten.startswith("_", autoescape=True)
        page = page.where(table.c.priority == 1, not_(patterns))
    page = page.where(table.c.id > bindparam("last")).order_by(table.c.id)
    return render(page.limit(bindparam("page")), _DIALECT)


@cache
def reading(kind: Kind) -> tuple[Incoming, Rendered]:
    target = table_of(kind)
    incoming = Incoming(_DIALECT, target.key, integers=target.integers)
    owned = select(*(target.table.c[name] for name in target.owned))
    return incoming, render(join_keys(owned, target.table, target.key, incoming.source()), _DIALECT)


@cache
def comparing(kind: Kind) -> tuple[Incoming, Rendered]:
    target = table_of(kind)
    incoming = _whole(target)
    return incoming, render(differing(target, incoming.source()), _DIALECT)


@cache
def hashing(kind: Kind) -> Rendered:
    return render(digests(table_of(kind), _DIALECT), _DIALECT)


@cache
def deleting(kind: Kind) -> tuple[Incoming, list[Rendered]]:
    target = table_of(kind)
    incoming = Incoming(_DIALECT, target.key, integers=target.integers)
    return incoming, [render(delete_keys(target, incoming.source(), _DIALECT), _DIALECT)]


@cache
def merging(kind: Kind) -> tuple[Incoming, list[Rendered]]:
    target = table_of(kind)
    incoming = _whole(target)
    made = merge(target, incoming.source(), _DIALECT)
    return incoming, [render(statement, _DIALECT) for statement in made]


def _whole(target: KindTable) -> Incoming:
    return Incoming(_DIALECT, target.owned, target.may_be_empty, target.integers)
