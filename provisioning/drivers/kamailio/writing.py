"""Writes blocks of rows so that a bad row is refused alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Executable
from sqlalchemy.exc import DBAPIError

from provisioning.core.records import StoreRecord
from provisioning.drivers.kamailio.database import Database, Transaction
from provisioning.drivers.kamailio.faults import concerns_a_row, words
from provisioning.drivers.kamailio.statements import Incoming

# Rows per transaction. On SQLite a long one makes Kamailio fail, which waits for no lock; on
# PostgreSQL a slow server must finish one within the statement time-out.
_BLOCK = {"sqlite": 500, "postgresql": 10_000}

# A row to write: the key of its change, and the values of the columns.
Item = tuple[str, tuple[str, ...]]


def write(
    database: Database,
    store: StoreRecord,
    incoming: Incoming,
    statements: Sequence[Executable],
    items: Sequence[Item],
) -> dict[str, str]:
    """Runs `statements` over all items; returns the server's words by key of those it refused."""
    refused: dict[str, str] = {}
    size = _BLOCK[store.dialect]
    for start in range(0, len(items), size):
        with database.transaction(write=True) as transaction:
            block = items[start : start + size]
            refused.update(_written(transaction, store, incoming, statements, block))
    return refused


def _written(
    transaction: Transaction,
    store: StoreRecord,
    incoming: Incoming,
    statements: Sequence[Executable],
    items: Sequence[Item],
) -> Iterator[tuple[str, str]]:
    """Halves what is refused until the bad rows stand alone; yields their keys and why."""
    parameters = incoming.parameters([values for _, values in items])
    try:
        with transaction.savepoint():
            for statement in statements:
                transaction.execute(statement, parameters)
    except DBAPIError as error:
        if not concerns_a_row(error):
            raise
        if len(items) == 1:
            yield items[0][0], words(error, store)
            return
    else:
        return
    half = len(items) // 2
    for part in (items[:half], items[half:]):
        yield from _written(transaction, store, incoming, statements, part)
