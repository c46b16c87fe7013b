"""What a database is before anything is written: versions of tables, rights, further columns."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sqlalchemy import func, select, text

from provisioning.core.errors import Rejected
from provisioning.core.records import StoreRecord
from provisioning.drivers.database.connection import Database, Transaction
from provisioning.drivers.database.rights import rights
from provisioning.drivers.kamailio.tables import (
    EXPECTED_VERSIONS,
    KIND_TABLES,
    LOCATION,
    OPTIONAL_TABLES,
    OPTIONAL_VERSIONS,
    VERSION,
)

# Every Kamailio has these; the others only where it routes, or takes settings.
_WRITTEN = tuple(
    target.table for kind, target in KIND_TABLES.items() if kind not in OPTIONAL_TABLES
)
# The first that make a table of JSON, which the driver's statements join.
_OLDEST = {"MariaDB": (10, 6), "MySQL": (8, 0)}


def findings(database: Database, store: StoreRecord) -> list[str]:
    """A line per table and one on writing; raises Rejected naming everything that is wrong.

    Lacking rights to write are a finding, not an error: a store may be there to be read only.
    """
    with database.transaction() as transaction:
        if store.dialect == "mysql":
            _require_json_table(transaction, store)
        versions = versions_of(transaction)
        if problems := list(_problems(versions)):
            raise Rejected(f"Store “{store.name}” cannot be used: {' '.join(problems)}")
        for table in (*_WRITTEN, LOCATION):
            # Asks for every column that the driver reads, and for the right to read it.
            transaction.execute(select(table).limit(0))
        lines = [f"Table {name}: version {versions[name]}." for name in EXPECTED_VERSIONS]
        lines += _optional(transaction, versions, store)
        return [*lines, *rights(transaction, store, _WRITTEN)]


def versions_of(transaction: Transaction) -> dict[str, int]:
    """Version by table, of those tables that the driver uses and the database has."""
    statement = select(VERSION.c.table_name, VERSION.c.table_version)
    used = statement.where(VERSION.c.table_name.in_([*EXPECTED_VERSIONS, *OPTIONAL_VERSIONS]))
    return dict(transaction.rows(used))


def has_table(transaction: Transaction, name: str) -> bool:
    """Whether table `version` lists a table that the driver can do without."""
    statement = select(VERSION.c.table_name).where(VERSION.c.table_name == name)
    return bool(transaction.rows(statement))


def columns_of(transaction: Transaction, name: str) -> set[str]:
    """The names of a table's columns."""
    return set(transaction.columns(select(text("*")).select_from(text(name)).limit(0)))


def _optional(
    transaction: Transaction, versions: dict[str, int], store: StoreRecord
) -> Iterator[str]:
    """A line per table that may be missing: the store then holds accounts all the same."""
    for kind, target in OPTIONAL_TABLES.items():
        name, expected = target.table.name, OPTIONAL_VERSIONS[target.table.name]
        found = versions.get(name)
        if found != expected:
            what = "is missing" if found is None else f"has version {found} instead of {expected}"
            yield (
                f"Table {name} {what}: no {kind.label} is written here until Kamailio's own script "
                "made it."
            )
            continue
        told = rights(transaction, store, [target.table])[-1]
        if told.startswith("Read only"):
            yield f"Table {name}: no {kind.label} is written here. {told}"
        else:
            yield f"Table {name}: version {expected}."


def _problems(versions: dict[str, int]) -> Iterator[str]:
    for name, expected in EXPECTED_VERSIONS.items():
        found = versions.get(name)
        if found is None:
            yield f"Table {name} is missing: table version does not list it."
        elif found != expected:
            yield (
                f"Table {name} has version {found}; this driver needs version {expected} "
                "(Kamailio 5.6 to 6.1)."
            )


def _require_json_table(transaction: Transaction, store: StoreRecord) -> None:
    ((told,),) = transaction.rows(select(func.version()))
    family = "MariaDB" if "MariaDB" in told else "MySQL"
    numbers = re.search(r"(\d+)\.(\d+)", told)
    if numbers and (int(numbers[1]), int(numbers[2])) < _OLDEST[family]:
        raise Rejected(
            f"Store “{store.name}” cannot be used: it is {family} {told}. The oldest that can are "
            "MariaDB 10.6 and MySQL 8.0. Nothing was changed."
        )
