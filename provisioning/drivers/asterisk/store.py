"""Rows in Asterisk's PJSIP realtime database: accounts and numbers; live contacts."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from provisioning.core.records import Presence, Registration, StoreRecord
from provisioning.drivers.asterisk import accounts, lookups, statements
from provisioning.drivers.asterisk.contacts import registration_from_row
from provisioning.drivers.asterisk.inspection import findings, holds_contacts
from provisioning.drivers.asterisk.numbers import NUMBERS
from provisioning.drivers.asterisk.own_tables import OWN_STORED
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
from provisioning.drivers.database.connection import Rendered
from provisioning.drivers.database.stored_kind import StoredKind
from provisioning.drivers.database.table_store import TableStore
from provisioning.drivers.database.writing import write

# Rows per answer: what reading holds in memory.
_PAGE = 10_000
# What has a table of its own; an account is spread over three.
_STORED: Mapping[Kind, StoredKind] = MappingProxyType({Kind.ALIAS: NUMBERS, **OWN_STORED})
_HELD = frozenset({Kind.SUBSCRIBER, *_STORED})
_NO_PLACE = "Asterisk's database has no place for it."
_NO_KEY = "“{}” is not a key that Asterisk can keep."


class AsteriskStore(TableStore):
    """A PJSIP realtime database on PostgreSQL; implements ServingStore. For one thread at a time.

    No transaction stays open between the rows of a stream: it goes by pages in the order of ids.
    """

    kinds: Mapping[Kind, KindSupport] = MappingProxyType(
        {kind: "pushed" if kind in _HELD else "unsupported" for kind in Kind}
    )
    # Servers keep accounts in a cache, and routing as configuration. Numbers they look up.
    reload_kinds: frozenset[Kind] = _HELD - {Kind.ALIAS}
    # Accounts in one store; measured with 100,000.
    capacity: int = 1_000_000

    def __init__(self, store: StoreRecord) -> None:
        super().__init__(store, _STORED, "the console")

    def check(self) -> list[str]:
        """Connect and verify tables, columns and rights; returns what was found, line by line."""
        return findings(self._database, self._store)

    def read(self, kind: Kind, keys: Collection[str] | None = None) -> Iterator[Row]:
        """Existing rows of `kind`: those of `keys`, or all as a stream with bounded memory."""
        if kind in self._stored:
            return super().read(kind, keys)
        if kind is not Kind.SUBSCRIBER:
            return iter(())
        if keys is None:
            return map(accounts.row_from, self._pages(statements.PAGE))
        found = self._those(statements.NAMED, statements.THOSE, _named(keys))
        return map(accounts.row_from, found)

    def differing(self, kind: Kind, rows: Sequence[Row]) -> dict[str, Row | None]:
        """What stands at the keys of those `rows` that `apply` would write; None for nothing."""
        if kind is not Kind.SUBSCRIBER:
            return super().differing(kind, rows)
        answer: dict[str, Row | None] = {row.key: None for row in rows if accounts.defect(row)}
        good = [row for row in rows if row.key not in answer]
        for start in range(0, len(good), _PAGE):
            page = good[start : start + _PAGE]
            parameters = statements.WRITTEN.parameters(_values(page))
            with self._database.transaction() as transaction:
                found = transaction.rows(statements.DIFFERING, parameters)
            for n, there, *known in found:
                answer[page[n].key] = accounts.row_from(known) if there else None
        return answer

    def digests(self, kind: Kind) -> Mapping[str, str] | None:
        """A hash of all that stands there, by the last ENDING characters of the keys' user parts.

        None for kinds of which there are few, or that stand in the console's own tables.
        """
        if kind is not Kind.SUBSCRIBER:
            return super().digests(kind)
        with self._database.transaction() as transaction:
            return dict(transaction.rows(statements.DIGESTS))

    def apply(self, changes: Sequence[RowChange]) -> list[Outcome]:
        """Make the rows so, in bulk and idempotently. One outcome per change, in their order.

        What leads to accounts is deleted before them, and made after them. Of several changes to
        one key the last counts.
        """
        last = {(change.kind, change.key): change for change in changes}
        others = [change for change in last.values() if change.kind in self._stored]
        outcomes = [
            *super().apply([change for change in others if change.after is None]),
            *self._apply_accounts(
                {key: each.after for (kind, key), each in last.items() if kind is Kind.SUBSCRIBER}
            ),
            *super().apply([change for change in others if change.after is not None]),
        ]
        errors = {(outcome.kind, outcome.key): outcome.error for outcome in outcomes}
        return [
            Outcome(change.kind, change.key, errors.get((change.kind, change.key), _NO_PLACE))
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
            rows = self._pages(statements.CONTACTS)
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
        for row in map(accounts.row_from, self._pages(statements.ACCOUNTS)):
            yield ForeignAccount(
                user=row.user,
                domain=row.domain,
                digest_set=bool(row.ha1),
                clear_text=bool(row.password),
            )

    def _apply_accounts(self, wanted: Mapping[str, Row | None]) -> Iterator[Outcome]:
        errors = dict.fromkeys(wanted, "")
        errors |= self._delete_accounts([key for key, row in wanted.items() if row is None])
        errors |= self._merge_accounts({key: row for key, row in wanted.items() if row})
        return (Outcome(Kind.SUBSCRIBER, key, error) for key, error in errors.items())

    def _delete_accounts(self, keys: Sequence[str]) -> dict[str, str]:
        refused = {key: _NO_KEY.format(key[:80]) for key in keys if not accounts.key_parts(key)}
        good = sorted(key for key in keys if key not in refused)
        items = list(zip(good, _named(good), strict=True))
        written = write(self._database, self._store, statements.NAMED, statements.DELETE, items)
        return refused | written

    def _merge_accounts(self, rows: Mapping[str, Row]) -> dict[str, str]:
        refused = {key: said for key, row in rows.items() if (said := accounts.defect(row))}
        for key, row in rows.items():
            if row.key != key:
                refused[key] = f"The row does not belong to the key “{key[:80]}”."
        good = {key: row for key, row in rows.items() if key not in refused}
        items = list(zip(good, _values(list(good.values())), strict=True))
        written = write(self._database, self._store, statements.WRITTEN, statements.MERGE, items)
        return refused | written

    def _pages(self, page: Rendered) -> Iterator[tuple[Any, ...]]:
        """What a statement finds, page by page; its first column is the order."""
        last, full = "", True
        while full:
            with self._database.transaction() as transaction:
                rows = transaction.rows(page, {"last": last, "page": _PAGE})
            full = len(rows) == _PAGE
            for row in rows:
                yield row[1:]
            last = rows[-1][0] if rows else last


def _named(keys: Collection[str]) -> list[tuple[str, ...]]:
    """The values of statements.NAMED for those keys that Asterisk can have, in their order."""
    return [(key, key.rpartition("@")[0]) for key in sorted(set(keys)) if accounts.key_parts(key)]


def _values(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    return accounts.values_of([row for row in rows if isinstance(row, SubscriberRow)])
