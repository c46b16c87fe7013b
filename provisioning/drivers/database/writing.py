"""Writes blocks of rows so that a bad row is refused alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from provisioning.core.records import StoreRecord
from provisioning.drivers.database.connection import Database, Rendered
from provisioning.drivers.database.faults import RowRefused
from provisioning.drivers.database.statements import Incoming

# Rows per transaction. On SQLite a long one makes SIP servers fail, which wait for no lock; on the
# others a slow server must finish one within the statement time-out.
_BLOCK = {"mysql": 10_000, "postgresql": 10_000, "sqlite": 500}

# A row to write: the key of its change, and the values of the columns.
Item = tuple[str, tuple[str, ...]]


def write(
    database: Database,
    store: StoreRecord,
    incoming: Incoming,
    statements: Sequence[Rendered],
    items: Sequence[Item],
) -> dict[str, str]:
    """Runs `statements` over all items; returns the server's words by key of those it refused."""
    refused: dict[str, str] = {}
    size = _BLOCK[store.dialect]
    for start in range(0, len(items), size):
        refused.update(_written(database, incoming, statements, items[start : start + size]))
    return refused


def _written(
    database: Database,
    incoming: Incoming,
    statements: Sequence[Rendered],
    items: Sequence[Item],
) -> Iterator[tuple[str, str]]:
    """Halves what is refused until the bad rows stand alone; yields their keys and why."""
    parameters = incoming.parameters([values for _, values in items])
    try:
        with database.transaction(write=True) as transaction:
            for statement in statements:
                transaction.execute(statement, parameters)
    except RowRefused as error:
        if len(items) == 1:
            yield items[0][0], error.said
            return
    else:
        return
    half = len(items) // 2
    for part in (items[:half], items[half:]):
        yield from _written(database, incoming, statements, part)
