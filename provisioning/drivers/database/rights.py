"""What the console may do in a database: whether it could write, found out without writing."""

from __future__ import annotations

import os
from collections.abc import Sequence

import pymysql
from pymysql.constants import ER
from sqlalchemy import Table, delete, false, func, insert, select, text, update

from provisioning.core.records import StoreRecord
from provisioning.drivers.database.connection import Transaction

_WRITE_RIGHTS = ("INSERT", "UPDATE", "DELETE")
_READ_ONLY_MODE = 1836
_DENIED = frozenset({ER.TABLEACCESS_DENIED_ERROR, ER.COLUMNACCESS_DENIED_ERROR})
_READ_ONLY = frozenset({ER.OPTION_PREVENTS_STATEMENT, _READ_ONLY_MODE})


def rights(transaction: Transaction, store: StoreRecord, tables: Sequence[Table]) -> list[str]:
    """A line or two on writing to `tables`; one that begins with "Read only" says what lacks."""
    match store.dialect:
        case "mysql":
            return [_of_mysql(transaction, tables)]
        case "postgresql":
            return [_of_postgresql(transaction, tables)]
        case "sqlite":
            return [_sqlite_journal(transaction), _of_sqlite(store.database)]


def _of_postgresql(transaction: Transaction, tables: Sequence[Table]) -> str:
    questions = {
        f"{right} on {table.name}": func.has_table_privilege(table.name, right)
        for table in tables
        for right in _WRITE_RIGHTS
    }
    for table in tables:
        column = table.c.id.name if "id" in table.c else "id"
        sequence = func.pg_get_serial_sequence(table.name, column)
        questions[f"USAGE on the sequence of {table.name}"] = func.coalesce(
            func.has_sequence_privilege(sequence, "USAGE"), True
        )
    mode = func.current_setting("transaction_read_only")
    ((read_only, *answers),) = transaction.rows(select(mode, *questions.values()))
    if read_only == "on":
        return (
            "Read only: the database takes no changes. It is a standby, or "
            "default_transaction_read_only is on."
        )
    return _told([name for name, held in zip(questions, answers, strict=True) if not held])


def _of_mysql(transaction: Transaction, tables: Sequence[Table]) -> str:
    """Asked by statements that concern no row, for roles and defaults count too."""
    lacking = []
    for table in tables:
        nothing = select(*table.c).where(false())
        same = {column: column for column in table.c}
        statements = (
            insert(table).from_select(list(same), nothing),
            update(table).values(same).where(false()),
            delete(table).where(false()),
        )
        for right, statement in zip(_WRITE_RIGHTS, statements, strict=True):
            try:
                transaction.execute(statement)
            except pymysql.Error as error:
                number = error.args[0] if error.args else 0
                if number in _READ_ONLY:
                    return (
                        "Read only: the database takes no changes. It is a replica, or read_only "
                        "is on."
                    )
                if number not in _DENIED:
                    raise
                lacking.append(f"{right} on {table.name}")
    return _told(lacking)


def _told(lacking: Sequence[str]) -> str:
    if lacking:
        return f"Read only: the role lacks {', '.join(lacking)}."
    return "The role may read and write."


def _sqlite_journal(transaction: Transaction) -> str:
    ((mode,),) = transaction.rows(text("PRAGMA journal_mode"))
    if mode == "wal":
        return "Journal mode WAL: servers read while the console writes."
    return f"Journal mode {mode}: the first push changes it to WAL."


def _of_sqlite(file: str) -> str:
    if os.access(file, os.W_OK) and os.access(os.path.dirname(file), os.W_OK):
        return "The file may be read and written."
    return "Read only: the file and its folder are not both writable."
