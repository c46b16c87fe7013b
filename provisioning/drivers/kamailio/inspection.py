"""What a database is before anything is written: versions of tables, rights, further columns."""

from __future__ import annotations

import os
from collections.abc import Iterator

from sqlalchemy import func, select, text

from provisioning.core.errors import Rejected
from provisioning.core.records import StoreRecord
from provisioning.drivers.database.connection import Database, Transaction
from provisioning.drivers.kamailio.tables import EXPECTED_VERSIONS, KIND_TABLES, LOCATION, VERSION

_WRITTEN = tuple(target.table for target in KIND_TABLES.values())
_WRITE_RIGHTS = ("INSERT", "UPDATE", "DELETE")


def findings(database: Database, store: StoreRecord) -> list[str]:
    """A line per table and one on writing; raises Rejected naming everything that is wrong.

    Lacking rights to write are a finding, not an error: a store may be there to be read only.
    """
    with database.transaction() as transaction:
        versions = versions_of(transaction)
        if problems := list(_problems(versions)):
            raise Rejected(f"Store “{store.name}” cannot be used: {' '.join(problems)}")
        for table in (*_WRITTEN, LOCATION):
            # Asks for every column that the driver reads, and for the right to read it.
            transaction.execute(select(table).limit(0))
        lines = [f"Table {name}: version {versions[name]}." for name in EXPECTED_VERSIONS]
        if store.dialect == "sqlite":
            return [*lines, _sqlite_journal(transaction), _sqlite_rights(store.database)]
        return [*lines, _postgresql_rights(transaction)]


def versions_of(transaction: Transaction) -> dict[str, int]:
    """Version by table, of those tables that the driver uses and the database has."""
    statement = select(VERSION.c.table_name, VERSION.c.table_version)
    used = statement.where(VERSION.c.table_name.in_(list(EXPECTED_VERSIONS)))
    return dict(transaction.rows(used))


def has_table(transaction: Transaction, name: str) -> bool:
    """Whether table `version` lists a table that the driver can do without."""
    statement = select(VERSION.c.table_name).where(VERSION.c.table_name == name)
    return bool(transaction.rows(statement))


def columns_of(transaction: Transaction, name: str) -> set[str]:
    """The names of a table's columns."""
    return set(transaction.columns(select(text("*")).select_from(text(name)).limit(0)))


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


def _postgresql_rights(transaction: Transaction) -> str:
    questions = {
        f"{right} on {table.name}": func.has_table_privilege(table.name, right)
        for table in _WRITTEN
        for right in _WRITE_RIGHTS
    }
    for table in _WRITTEN:
        sequence = func.pg_get_serial_sequence(table.name, "id")
        questions[f"USAGE on the sequence of {table.name}"] = func.coalesce(
            func.has_sequence_privilege(sequence, "USAGE"), True
        )
    (answers,) = transaction.rows(select(*questions.values()))
    lacking = [name for name, held in zip(questions, answers, strict=True) if not held]
    if lacking:
        return f"Read only: the role lacks {', '.join(lacking)}."
    return "The role may read and write."


def _sqlite_journal(transaction: Transaction) -> str:
    ((mode,),) = transaction.rows(text("PRAGMA journal_mode"))
    if mode == "wal":
        return "Journal mode WAL: Kamailio reads while the console writes."
    return f"Journal mode {mode}: the first push changes it to WAL."


def _sqlite_rights(file: str) -> str:
    if os.access(file, os.W_OK) and os.access(os.path.dirname(file), os.W_OK):
        return "The file may be read and written."
    return "Read only: the file and its folder are not both writable."
