"""Rows of kinds that have a table each: read, compared, hashed and written in bulk."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

from sqlalchemy import ColumnElement, Table, column, select

from provisioning.core.errors import KindUnavailable
from provisioning.core.records import StoreRecord
from provisioning.drivers.base import Kind, Outcome, Row, RowChange
from provisioning.drivers.database.connection import Database, Rendered, render
from provisioning.drivers.database.faults import TableRefused
from provisioning.drivers.database.standing import digests
from provisioning.drivers.database.statements import (
    Incoming,
    delete_keys,
    differing,
    join_keys,
    merge,
)
from provisioning.drivers.database.stored_kind import StoredKind
from provisioning.drivers.database.writing import Item, write

# Rows per answer: what reading holds in memory.
_PAGE = 10_000


class TableStore:
    """The part of StoreDriver that is the same wherever each kind of row has a table of its own.

    `family` is whose script makes the tables.

    For one thread at a time. No transaction stays open between the rows of a stream: it goes by
    pages in the order of `id`, so a row that stays is read once; one that comes meanwhile, too.
    """

    def __init__(self, store: StoreRecord, stored: Mapping[Kind, StoredKind], family: str) -> None:
        self._store = store
        self._stored = stored
        self._family = family
        self._database = Database(store)

    def read(self, kind: Kind, keys: Collection[str] | None = None) -> Iterator[Row]:
        """Existing rows of `kind`: those of `keys`, or all as a stream with bounded memory."""
        stored = self._stored.get(kind)
        if stored is None:
            return
        target = stored.target
        if keys is None:
            rows = self._all(target.table, target.owned, target.within)
        else:
            wanted = filter(None, (stored.key_values(key) for key in sorted(set(keys))))
            rows = self._those(*_reading(stored, self._store.dialect), list(wanted))
        with self._about(stored):
            yield from map(stored.row, rows)

    def differing(self, kind: Kind, rows: Sequence[Row]) -> dict[str, Row | None]:
        """What stands at the keys of those `rows` that `apply` would write; None for nothing.

        The database compares, so what is as it should be costs no answer. A row that cannot be
        written is among them, as one that is not there.
        """
        stored = self._stored.get(kind)
        if stored is None:
            return dict.fromkeys(row.key for row in rows)
        secrets = any(map(stored.tells_secrets, rows))
        bad, values = stored.examined(rows, partial(stored.compared_values, secrets=secrets))
        found: dict[str, Row | None] = {rows[n].key: None for n in bad}
        good = [row for n, row in enumerate(rows) if n not in bad] if bad else rows
        incoming, statement = _comparing(stored, self._store.dialect, secrets=secrets)
        for start in range(0, len(good), _PAGE):
            page = good[start : start + _PAGE]
            parameters = incoming.parameters(values[start : start + _PAGE])
            with self._about(stored), self._database.transaction() as transaction:
                answer = transaction.rows(statement, parameters)
            for n, *standing in answer:
                found[page[n].key] = None if standing[0] is None else stored.row(standing)
        return found

    def digests(self, kind: Kind) -> Mapping[str, str] | None:
        """A hash of all that stands there, by the last ENDING characters of the keys' user parts.

        None for kinds whose keys have no user part, and are few.
        """
        if kind not in (Kind.SUBSCRIBER, Kind.ALIAS):
            return None
        with self._database.transaction() as transaction:
            rows = transaction.rows(_hashing(self._stored[kind], self._store.dialect))
        return {_text(ending): digest for ending, digest in rows}

    def apply(self, changes: Sequence[RowChange]) -> list[Outcome]:
        """Make the rows so, in bulk and idempotently. One outcome per change, in their order.

        Deletes come first, aliases before subscribers before domains; then the rest, the other
        way round. Of several changes to one key the last counts.
        """
        errors: dict[Kind, dict[str, str]] = {}
        last = {kind: {c.key: c.after for c in changes if c.kind is kind} for kind in self._stored}
        ordered = [self._stored[kind] for kind in Kind if kind in self._stored]
        for stored in reversed(ordered):
            gone = [key for key, row in last[stored.kind].items() if row is None]
            errors[stored.kind] = self._delete(stored, gone)
        for stored in ordered:
            kept = {key: row for key, row in last[stored.kind].items() if row}
            errors[stored.kind] |= self._merge(stored, kept)
        none = f"{self._family} has no place for it."
        return [
            Outcome(
                change.kind,
                change.key,
                errors[change.kind].get(change.key, "") if change.kind in errors else none,
            )
            for change in changes
        ]

    def close(self) -> None:
        """Give connections back; the driver is not used afterwards."""
        self._database.close()

    def _all(
        self, table: Table, columns: Sequence[str], within: ColumnElement[bool] | None = None
    ) -> Iterator[tuple[Any, ...]]:
        page = (
            select(table.c.id, *(_column(table, name) for name in columns))
            .order_by(table.c.id)
            .limit(_PAGE)
        )
        if within is not None:
            page = page.where(within)
        last, full = None, True
        while full:
            after = page if last is None else page.where(table.c.id > last)
            with self._database.transaction() as transaction:
                rows = transaction.rows(after)
            full = len(rows) == _PAGE
            for row in rows:
                yield row[1:]
            last = rows[-1][0] if rows else last

    def _those(
        self, incoming: Incoming, statement: Rendered, wanted: Sequence[tuple[str, ...]]
    ) -> Iterator[tuple[Any, ...]]:
        for start in range(0, len(wanted), _PAGE):
            parameters = incoming.parameters(wanted[start : start + _PAGE])
            with self._database.transaction() as transaction:
                rows = transaction.rows(statement, parameters)
            yield from rows

    def _delete(self, stored: StoredKind, keys: Sequence[str]) -> dict[str, str]:
        items = [(key, stored.key_values(key)) for key in keys]
        refused = {
            key: f"“{key[:80]}” is not a key of {stored.kind}."
            for key, values in items
            if not values
        }
        incoming, statements = _deleting(stored, self._store.dialect)
        good = [item for item in items if item[1]]
        return refused | self._write(stored, incoming, statements, good)

    def _merge(self, stored: StoredKind, rows: Mapping[str, Row]) -> dict[str, str]:
        refused = {
            key: f"The row does not belong to the key “{key[:80]}”."
            for key, row in rows.items()
            if row.key != key
        }
        keys = [key for key in rows if key not in refused]
        bad, values = stored.examined([rows[key] for key in keys], stored.written_values)
        refused |= {keys[n]: said for n, said in bad.items()}
        incoming, statements = _merging(stored, self._store.dialect)
        good = [key for n, key in enumerate(keys) if n not in bad] if bad else keys
        items = list(zip(good, values, strict=True))
        return refused | self._write(stored, incoming, statements, items)

    def _write(
        self,
        stored: StoredKind,
        incoming: Incoming,
        statements: Sequence[Rendered],
        items: Sequence[Item],
    ) -> dict[str, str]:
        """The server's words by key of those it refused: all, where it cannot hold the kind."""
        try:
            with self._about(stored):
                return write(self._database, self._store, incoming, statements, items)
        except KindUnavailable as error:
            return dict.fromkeys((key for key, _ in items), error.message)

    @contextmanager
    def _about(self, stored: StoredKind) -> Iterator[None]:
        """A table that accounts do not need and that is not as it should be leaves them alone."""
        try:
            yield
        except TableRefused as error:
            if not stored.optional:
                raise
            raise KindUnavailable(
                f"{error.message} A {stored.kind.label} stands in the table "
                f"{stored.target.table.name}: make it with {self._family}'s own script and "
                "grant the rights that the setup guide names. Then try again."
            ) from error


def _text(value: str | bytes | None) -> str:
    return value.decode() if isinstance(value, bytes) else value or ""


def _column(table: Table, name: str) -> Any:
    return table.c[name] if name in table.c else column(name)


@cache
def _comparing(stored: StoredKind, dialect: str, *, secrets: bool) -> tuple[Incoming, Rendered]:
    target = stored.target
    columns = target.owned if secrets else target.compared
    incoming = Incoming(dialect, columns, target.may_be_empty, target.integers)
    return incoming, render(differing(target, incoming.source()), dialect)


@cache
def _hashing(stored: StoredKind, dialect: str) -> Rendered:
    return render(digests(stored.target, dialect), dialect)


@cache
def _reading(stored: StoredKind, dialect: str) -> tuple[Incoming, Rendered]:
    target = stored.target
    incoming = Incoming(dialect, target.key, integers=target.integers)
    owned = select(*(target.table.c[name] for name in target.owned))
    return incoming, render(join_keys(owned, target.table, target.key, incoming.source()), dialect)


@cache
def _deleting(stored: StoredKind, dialect: str) -> tuple[Incoming, list[Rendered]]:
    target = stored.target
    incoming = Incoming(dialect, target.key, integers=target.integers)
    return incoming, [render(delete_keys(target, incoming.source(), dialect), dialect)]


@cache
def _merging(stored: StoredKind, dialect: str) -> tuple[Incoming, list[Rendered]]:
    target = stored.target
    incoming = Incoming(dialect, target.owned, target.may_be_empty, target.integers)
    statements = merge(target, incoming.source(), dialect)
    return incoming, [render(statement, dialect) for statement in statements]
