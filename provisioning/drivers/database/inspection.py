"""What a database is before anything is written: versions of tables, rights, further columns."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from sqlalchemy import Column, Integer, MetaData, String, Table, func, select, text

from provisioning.core.errors import Rejected
from provisioning.core.records import StoreRecord
from provisioning.drivers.base import Kind
from provisioning.drivers.database.connection import Database, Transaction
from provisioning.drivers.database.rights import rights
from provisioning.drivers.database.stored_kind import StoredKind

_VERSION = Table(
    "version",
    MetaData(),
    Column("table_name", String(32)),
    Column("table_version", Integer),
)
# The first that make a table of JSON, which the drivers' statements join.
_OLDEST = {"MariaDB": (10, 6), "MySQL": (8, 0)}

Versions = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Schema:
    """Tables that carry versions: those that a store needs, and those of `optional` kinds.

    Both by the versions that the driver knows. `releases` are the servers that have these.
    `location` holds the live contacts: its columns in the order of `registration_from_row`.
    """

    family: str
    releases: str
    needed: Versions
    optional: Versions
    stored: Mapping[Kind, StoredKind]
    location: Table
    location_columns: tuple[str, ...]

    @cached_property
    def written(self) -> list[Table]:
        """The tables that every store of accounts is written to."""
        return [each.target.table for each in self.stored.values() if not each.optional]

    def findings(self, database: Database, store: StoreRecord) -> list[str]:
        """A line per table and one on writing; raises Rejected naming everything that is wrong.

        Lacking rights to write are a finding, not an error: a store may be there to be read only.
        """
        with database.transaction() as transaction:
            if store.dialect == "mysql":
                _require_json_table(transaction, store)
            versions = self.versions_of(transaction)
            if problems := list(self._problems(versions)):
                raise Rejected(f"Store “{store.name}” cannot be used: {' '.join(problems)}")
            for table in (*self.written, self.location):
                # Asks for every column that the driver reads, and for the right to read it.
                transaction.execute(select(table).limit(0))
            lines = [f"Table {name}: version {versions[name]}." for name in self.needed]
            lines += self._optional(transaction, versions, store)
            # Two kinds may share a table.
            return [*dict.fromkeys(lines), *rights(transaction, store, self.written)]

    def versions_of(self, transaction: Transaction) -> dict[str, int]:
        """Version by table, of those tables that the driver uses and the database has."""
        statement = select(_VERSION.c.table_name, _VERSION.c.table_version)
        used = statement.where(_VERSION.c.table_name.in_([*self.needed, *self.optional]))
        return dict(transaction.rows(used))

    def _optional(
        self, transaction: Transaction, versions: Mapping[str, int], store: StoreRecord
    ) -> Iterator[str]:
        """A line per table that may be missing: the store then holds accounts all the same."""
        for each in self.stored.values():
            if not each.optional:
                continue
            table = each.target.table
            known, found = self.optional[table.name], versions.get(table.name)
            if found not in known:
                expected = _or(known)
                what = (
                    "is missing" if found is None else f"has version {found} instead of {expected}"
                )
                yield (
                    f"Table {table.name} {what}: no {each.kind.label} is written here until "
                    f"{self.family}'s own script made it."
                )
                continue
            told = rights(transaction, store, [table])[-1]
            if told.startswith("Read only"):
                yield f"Table {table.name}: no {each.kind.label} is written here. {told}"
            else:
                yield f"Table {table.name}: version {found}."

    def _problems(self, versions: Mapping[str, int]) -> Iterator[str]:
        for name, known in self.needed.items():
            found = versions.get(name)
            if found is None:
                yield f"Table {name} is missing: table version does not list it."
            elif found not in known:
                yield (
                    f"Table {name} has version {found}; this driver needs version {_or(known)} "
                    f"({self.releases})."
                )


def has_table(transaction: Transaction, name: str) -> bool:
    """Whether table `version` lists a table that the driver can do without."""
    statement = select(_VERSION.c.table_name).where(_VERSION.c.table_name == name)
    return bool(transaction.rows(statement))


def columns_of(transaction: Transaction, name: str) -> set[str]:
    """The names of a table's columns."""
    return set(transaction.columns(select(text("*")).select_from(text(name)).limit(0)))


def _or(versions: tuple[int, ...]) -> str:
    return " or ".join(map(str, versions))


def _require_json_table(transaction: Transaction, store: StoreRecord) -> None:
    ((told,),) = transaction.rows(select(func.version()))
    family = "MariaDB" if "MariaDB" in told else "MySQL"
    numbers = re.search(r"(\d+)\.(\d+)", told)
    if numbers and (int(numbers[1]), int(numbers[2])) < _OLDEST[family]:
        raise Rejected(
            f"Store “{store.name}” cannot be used: it is {family} {told}. The oldest that can are "
            "MariaDB 10.6 and MySQL 8.0. Nothing was changed."
        )
