"""Rows in Asterisk's PJSIP realtime database: accounts and numbers; live contacts."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from provisioning.core.errors import KindUnavailable
from provisioning.core.records import Presence, Registration, StoreRecord
from provisioning.drivers.asterisk import accounts, lookups, statements, tables
from provisioning.drivers.asterisk.contacts import registration_from_row
from provisioning.drivers.asterisk.inspection import findings, holds_contacts
from provisioning.drivers.asterisk.own_tables import OWN_TABLES
from provisioning.drivers.base import (
    ForeignAccount,
    Kind,
    KindSupport,
    Outcome,
    Row,
    RowChange,
    Served,
    SubscriberRow,
)
from provisioning.drivers.database.connection import Database, Rendered
from provisioning.drivers.database.faults import TableRefused
from provisioning.drivers.database.statements import Incoming
from provisioning.drivers.database.writing import Item, write

# Rows per answer: what reading holds in memory.
_PAGE = 10_000
_HELD = tuple(kind for kind in Kind if kind is not Kind.SIP_DOMAIN)
# Kinds with a row for each account or number; of the others there are few.
_MANY = (Kind.SUBSCRIBER, Kind.ALIAS)
_NO_PLACE = "Asterisk's database has no place for it."
_NO_KEY = "“{}” is not a key that Asterisk can keep."


class AsteriskStore:
    """A PJSIP realtime database on PostgreSQL; implements StoreDriver. For one thread at a time.

    No transaction stays open between the rows of a stream: it goes by pages in the order of ids.
    """

    kinds: Mapping[Kind, KindSupport] = MappingProxyType(
        {kind: "pushed" if kind in _HELD else "unsupported" for kind in Kind}
    )
    # Servers keep accounts in a cache, and routing as configuration. Numbers they look up.
    reload_kinds: frozenset[Kind] = frozenset(_HELD) - {Kind.ALIAS}

    # Accounts in one store; measured with 100,000.
    capacity: int = 1_000_000

    def __init__(self, store: StoreRecord) -> None:
        self._store = store
        self._database = Database(store)

    def check(self) -> list[str]:
        """Connect and verify tables, columns and rights; returns what was found, line by line."""
        return findings(self._database, self._store)

    def read(self, kind: Kind, keys: Collection[str] | None = None) -> Iterator[Row]:
        """Existing rows of `kind`: those of `keys`, or all as a stream with bounded memory."""
        if kind is Kind.SUBSCRIBER:
            if keys is None:
                return (accounts.row_from(values) for values in self._all(statements.PAGE))
            found = self._those(statements.NAMED, statements.THOSE, _named(keys))
            return map(accounts.row_from, found)
        return self._read_table(kind, keys) if kind in _HELD else iter(())

    def differing(self, kind: Kind, rows: Sequence[Row]) -> dict[str, Row | None]:
        """What stands at the keys of those `rows` that `apply` would write; None for nothing."""
        bad = {n for n, row in enumerate(rows) if _defect(kind, row)}
        answer: dict[str, Row | None] = {rows[n].key: None for n in bad}
        good = [row for n, row in enumerate(rows) if n not in bad] if bad else rows
        incoming, statement = _comparing(kind)
        for start in range(0, len(good), _PAGE):
            page = good[start : start + _PAGE]
            parameters = incoming.parameters(_values(kind, page))
            with _about(kind), self._database.transaction() as transaction:
                found = transaction.rows(statement, parameters)
            for n, *values in found:
                answer[page[n].key] = _standing(kind, values)
        return answer

    def digests(self, kind: Kind) -> Mapping[str, str] | None:
        """A hash of all that stands there, by the last characters of the keys' user parts.

        None for kinds of which there are few, or that stand in the console's own tables.
        """
        if kind not in _MANY:
            return None
        with self._database.transaction() as transaction:
            return dict(transaction.rows(_hashing(kind)))

    def apply(self, changes: Sequence[RowChange]) -> list[Outcome]:
        """Make the rows so, in bulk and idempotently. One outcome per change, in their order.

        Deletes come first, numbers before accounts; then the rest, the other way round. Of several
        changes to one key the last counts.
        """
        last = {kind: {c.key: c.after for c in changes if c.kind is kind} for kind in Kind}
        errors = {kind: dict.fromkeys(last[kind], _NO_PLACE) for kind in Kind}
        for kind in reversed(_HELD):
            errors[kind] = self._delete(kind, [k for k, row in last[kind].items() if row is None])
        for kind in _HELD:
            errors[kind] |= self._merge(kind, {k: row for k, row in last[kind].items() if row})
        return [
            Outcome(change.kind, change.key, errors[change.kind].get(change.key, ""))
            for change in changes
        ]

    def registrations(self, aors: Collection[str] | None = None) -> Iterator[Registration] | None:
        """Live contacts of ps_contacts, or None where the servers keep them elsewhere."""
        if self._store.served:
            return None
        with self._database.transaction() as transaction:
            if not holds_contacts(transaction):
                return None
        if aors is None:
            rows = self._all(statements.CONTACTS)
        else:
            rows = self._those(statements.NAMED, statements.CONTACTS_OF, _named(aors))
        now = time.time()
        live = map(registration_from_row, rows)
        return (each for each in live if each.expires_at == 0 or each.expires_at > now)

    def answer(self, path: str, asked: Mapping[str, str]) -> Served | None:
        """What an Asterisk is told that asks the console: one row or one file, or nothing."""
        question = lookups.question_of(path, asked)
        if not isinstance(question, lookups.Question):
            return question
        with self._database.transaction() as transaction:
            if question.reader:
                transaction.rows(lookups.AS_SERVER, {"reader": question.reader})
            rows = transaction.rows(question.statement, dict(asked))
        return lookups.answer(row for (row,) in rows)

    def presence(self, aors: Collection[str]) -> list[Presence] | None:
        """None: Asterisk keeps what clients publish in its memory."""
        return None

    def accounts(self) -> Iterator[ForeignAccount]:
        """Every account that somebody could register with, foreign ones included, for Observe."""
        for row in map(accounts.row_from, self._all(statements.ACCOUNTS)):
            yield ForeignAccount(
                user=row.user,
                domain=row.domain,
                digest_set=bool(row.ha1),
                clear_text=bool(row.password),
            )

    def close(self) -> None:
        """Give connections back; the driver is not used afterwards."""
        self._database.close()

    def _read_table(self, kind: Kind, keys: Collection[str] | None) -> Iterator[Row]:
        with _about(kind):
            if keys is None:
                found = self._all(tables.every(kind), first=-1)
            else:
                found = self._those(*tables.reading(kind), tables.keys_of(kind, keys))
            for values in found:
                yield tables.row_from(kind, values)

    def _all(self, page: Rendered, *, first: str | int = "") -> Iterator[tuple[Any, ...]]:
        """What a statement finds, page by page; its first column is the order."""
        last, full = first, True
        while full:
            with self._database.transaction() as transaction:
                rows = transaction.rows(page, {"last": last, "page": _PAGE})
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

    def _delete(self, kind: Kind, keys: Sequence[str]) -> dict[str, str]:
        refused = {key: _NO_KEY.format(key[:80]) for key in keys if not _key(kind, key)}
        good = sorted(key for key in keys if key not in refused)
        items = [(key, _key(kind, key)) for key in good]
        return refused | self._write(kind, *_deleting(kind), items)

    def _merge(self, kind: Kind, rows: Mapping[str, Row]) -> dict[str, str]:
        refused = {key: said for key, row in rows.items() if (said := _defect(kind, row))}
        for key, row in rows.items():
            if row.key != key:
                refused[key] = f"The row does not belong to the key “{key[:80]}”."
        good = {key: row for key, row in rows.items() if key not in refused}
        items = list(zip(good, _values(kind, list(good.values())), strict=True))
        return refused | self._write(kind, *_merging(kind), items)

    def _write(
        self, kind: Kind, incoming: Incoming, made: Sequence[Rendered], items: Sequence[Item]
    ) -> dict[str, str]:
        """The server's words by key of those it refused: all, where it cannot hold the kind."""
        try:
            with _about(kind):
                return write(self._database, self._store, incoming, made, items)
        except KindUnavailable as error:
            return dict.fromkeys((key for key, _ in items), error.message)


def _named(keys: Collection[str]) -> list[tuple[str, ...]]:
    """The values of statements.NAMED for those keys that Asterisk can have, in their order."""
    return [(key, key.rpartition("@")[0]) for key in sorted(set(keys)) if accounts.key_parts(key)]


def _key(kind: Kind, key: str) -> tuple[str, ...]:
    if kind is Kind.SUBSCRIBER:
        return (key, key.rpartition("@")[0]) if accounts.key_parts(key) else ()
    return tables.key_of(kind, key)


def _values(kind: Kind, rows: Sequence[Row]) -> list[tuple[str, ...]]:
    if kind is Kind.SUBSCRIBER:
        return accounts.values_of([row for row in rows if isinstance(row, SubscriberRow)])
    return tables.values_of(kind, rows)


def _defect(kind: Kind, row: Row) -> str:
    return accounts.defect(row) if kind is Kind.SUBSCRIBER else tables.defect(kind, row)


def _standing(kind: Kind, values: Sequence[Any]) -> Row | None:
    if kind is Kind.SUBSCRIBER:
        there, *known = values
        return accounts.row_from(known) if there else None
    return None if values[0] is None else tables.row_from(kind, values)


def _hashing(kind: Kind) -> Rendered:
    return statements.DIGESTS if kind is Kind.SUBSCRIBER else tables.hashing(kind)


def _comparing(kind: Kind) -> tuple[Incoming, Rendered]:
    if kind is Kind.SUBSCRIBER:
        return statements.WRITTEN, statements.DIFFERING
    return tables.comparing(kind)


def _deleting(kind: Kind) -> tuple[Incoming, list[Rendered]]:
    if kind is Kind.SUBSCRIBER:
        return statements.NAMED, statements.DELETE
    return tables.deleting(kind)


def _merging(kind: Kind) -> tuple[Incoming, list[Rendered]]:
    if kind is Kind.SUBSCRIBER:
        return statements.WRITTEN, statements.MERGE
    return tables.merging(kind)


@contextmanager
def _about(kind: Kind) -> Iterator[None]:
    """A table of the console's own that is not as it should be leaves accounts alone."""
    try:
        yield
    except TableRefused as error:
        if kind not in OWN_TABLES:
            raise
        raise KindUnavailable(
            f"{error.message} A {kind.label} stands in the table {OWN_TABLES[kind].table.name}: "
            "make it with the lines for the database in the server's setup guide, which grant the "
            "rights too. Then try again."
        ) from error
