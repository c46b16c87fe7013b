"""Rows in Kamailio's database: domain, subscriber and dbaliases; live contacts in location."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from types import MappingProxyType
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, column, func, literal, select, text

from provisioning.core.errors import KindUnavailable
from provisioning.core.records import Presence, Registration, StoreRecord
from provisioning.drivers.base import (
    ForeignAccount,
    Kind,
    KindSupport,
    Outcome,
    Row,
    RowChange,
)
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
from provisioning.drivers.database.unusable import is_unusable
from provisioning.drivers.database.writing import Item, write
from provisioning.drivers.kamailio.contacts import registration_from_row
from provisioning.drivers.kamailio.inspection import (
    columns_of,
    findings,
    has_table,
    versions_of,
)
from provisioning.drivers.kamailio.presence import PRESENTITY, PRESENTITY_COLUMNS, published
from provisioning.drivers.kamailio.routing_tables import ROUTING_TABLES
from provisioning.drivers.kamailio.tables import (
    KIND_TABLES,
    LOCATION,
    OPTIONAL_TABLES,
    ROW_FROM,
    SUBSCRIBER,
    compared_values,
    defects,
    key_values,
    tells_secrets,
    written_values,
)

# Rows per answer: what reading holds in memory.
_PAGE = 10_000

_LOCATION_KEY = ("username", "domain")
_LOCATION_COLUMNS = (
    "ruid", "username", "domain", "contact", "received", "user_agent", "socket", "expires",
    "last_modified",
)  # fmt: skip
# Schemas before 5.0 had these, and sites keep or add them.
_OPTIONAL_COLUMNS = ("first_name", "last_name", "email_address")

# Seconds that the database's time zone is ahead of UTC.
_UTC_OFFSETS: Mapping[str, Select[Any]] = MappingProxyType(
    {
        "mysql": select(func.timestampdiff(text("SECOND"), func.utc_timestamp(), func.now())),
        "postgresql": select(func.date_part("timezone", func.now())),
        "sqlite": select(literal(0)),
    }
)


class KamailioStore:
    """A Kamailio database on PostgreSQL or SQLite; implements StoreDriver.

    For one thread at a time. No transaction stays open between the rows of a stream: it goes by
    pages in the order of `id`, so a row that stays is read once; one that comes meanwhile, too.
    """

    kinds: Mapping[Kind, KindSupport] = MappingProxyType(dict.fromkeys(KIND_TABLES, "pushed"))
    reload_kinds: frozenset[Kind] = frozenset({Kind.SIP_DOMAIN, *ROUTING_TABLES, Kind.SETTING})
    # Accounts in one store; measured with 100,000.
    capacity: int = 1_000_000

    def __init__(self, store: StoreRecord) -> None:
        self._store = store
        self._database = Database(store)

    def check(self) -> list[str]:
        """Connect and verify schema versions and rights; returns what was found, line by line."""
        return findings(self._database, self._store)

    def read(self, kind: Kind, keys: Collection[str] | None = None) -> Iterator[Row]:
        """Existing rows of `kind`: those of `keys`, or all as a stream with bounded memory."""
        target = KIND_TABLES[kind]
        if keys is None:
            rows = self._all(target.table, target.owned, target.within)
        else:
            wanted = filter(None, (key_values(kind, key) for key in sorted(set(keys))))
            rows = self._those(*_reading(kind, self._store.dialect), list(wanted))
        with _about(kind):
            yield from map(ROW_FROM[kind], rows)

    def differing(self, kind: Kind, rows: Sequence[Row]) -> dict[str, Row | None]:
        """What stands at the keys of those `rows` that `apply` would write; None for nothing.

        The database compares, so what is as it should be costs no answer. A row that cannot be
        written is among them, as one that is not there.
        """
        bad = defects(kind, rows)
        found: dict[str, Row | None] = {rows[n].key: None for n in bad}
        good = [row for n, row in enumerate(rows) if n not in bad] if bad else rows
        secrets = any(map(tells_secrets, good))
        incoming, statement = _comparing(kind, self._store.dialect, secrets=secrets)
        for start in range(0, len(good), _PAGE):
            page = good[start : start + _PAGE]
            parameters = incoming.parameters(compared_values(page, secrets=secrets))
            with _about(kind), self._database.transaction() as transaction:
                answer = transaction.rows(statement, parameters)
            for n, *values in answer:
                found[page[n].key] = None if values[0] is None else ROW_FROM[kind](values)
        return found

    def digests(self, kind: Kind) -> Mapping[str, str] | None:
        """A hash of all that stands there, by the last ENDING characters of the keys' user parts.

        None for kinds whose keys have no user part, and are few.
        """
        if kind not in (Kind.SUBSCRIBER, Kind.ALIAS):
            return None
        with self._database.transaction() as transaction:
            rows = transaction.rows(_hashing(kind, self._store.dialect))
        return {_text(ending): digest for ending, digest in rows}

    def apply(self, changes: Sequence[RowChange]) -> list[Outcome]:
        """Make the rows so, in bulk and idempotently. One outcome per change, in their order.

        Deletes come first, aliases before subscribers before domains; then the rest, the other
        way round. Of several changes to one key the last counts.
        """
        errors: dict[Kind, dict[str, str]] = {}
        last = {kind: {c.key: c.after for c in changes if c.kind is kind} for kind in Kind}
        for kind in reversed(Kind):
            errors[kind] = self._delete(kind, [k for k, row in last[kind].items() if row is None])
        for kind in Kind:
            errors[kind] |= self._merge(kind, {k: row for k, row in last[kind].items() if row})
        return [
            Outcome(change.kind, change.key, errors[change.kind].get(change.key, ""))
            for change in changes
        ]

    def registrations(self, aors: Collection[str] | None = None) -> Iterator[Registration] | None:
        """Live contacts of table `location`, or None where the database has no such table.

        Except on SQLite, Kamailio writes its own local time: times are right where the database's
        time zone is Kamailio's. Where usrloc keeps contacts in memory only, the table is empty.
        """
        with self._database.transaction() as transaction:
            if LOCATION.name not in versions_of(transaction):
                return None
            ((utc_offset,),) = transaction.rows(_UTC_OFFSETS[self._store.dialect])
        if aors is None:
            rows = self._all(LOCATION, _LOCATION_COLUMNS)
        else:
            wanted = (key_values(Kind.SUBSCRIBER, aor) for aor in sorted(set(aors)))
            incoming = Incoming(self._store.dialect, _LOCATION_KEY)
            columns = select(*(LOCATION.c[name] for name in _LOCATION_COLUMNS))
            statement = join_keys(columns, LOCATION, _LOCATION_KEY, incoming.source())
            rendered = render(statement, self._store.dialect)
            rows = self._those(incoming, rendered, list(filter(None, wanted)))
        return self._live(rows, int(utc_offset))

    def presence(self, aors: Collection[str]) -> list[Presence] | None:
        """What clients published, of table `presentity`; None where the database has none."""
        with self._database.transaction() as transaction:
            if not has_table(transaction, PRESENTITY.name):
                return None
        keys = filter(None, (key_values(Kind.SUBSCRIBER, aor) for aor in sorted(set(aors))))
        incoming = Incoming(self._store.dialect, _LOCATION_KEY)
        columns = select(*(PRESENTITY.c[name] for name in PRESENTITY_COLUMNS))
        statement = join_keys(columns, PRESENTITY, _LOCATION_KEY, incoming.source())
        statement = statement.where(PRESENTITY.c.event == "presence")
        rows = self._those(incoming, render(statement, self._store.dialect), list(keys))
        return published(rows, time.time())

    def accounts(self) -> Iterator[ForeignAccount]:
        """Every account of the store, foreign ones included, for Observe."""
        with self._database.transaction() as transaction:
            existing = columns_of(transaction, SUBSCRIBER.name)
        further = [name for name in _OPTIONAL_COLUMNS if name in existing]
        for user, domain, ha1, password, *values in self._all(
            SUBSCRIBER, ("username", "domain", "ha1", "password", *further)
        ):
            known = dict(zip(further, values, strict=True))
            names = (known.get("first_name"), known.get("last_name"))
            yield ForeignAccount(
                user=user,
                domain=domain,
                display_name=" ".join(name for name in names if name),
                mail=known.get("email_address") or "",
                digest_set=bool(ha1) and not is_unusable(ha1),
                clear_text=bool(password) and not is_unusable(password),
            )

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
        last, full = -1, True
        while full:
            with self._database.transaction() as transaction:
                rows = transaction.rows(page.where(table.c.id > last))
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
        items = [(key, key_values(kind, key)) for key in keys]
        refused = {
            key: f"“{key[:80]}” is not a key of {kind}." for key, values in items if not values
        }
        incoming, statements = _deleting(kind, self._store.dialect)
        good = [item for item in items if item[1]]
        return refused | self._write(kind, incoming, statements, good)

    def _merge(self, kind: Kind, rows: Mapping[str, Row]) -> dict[str, str]:
        keys, values = list(rows), list(rows.values())
        refused = {keys[n]: said for n, said in defects(kind, values).items()}
        for key, row in rows.items():
            if row.key != key:
                refused[key] = f"The row does not belong to the key “{key[:80]}”."
        incoming, statements = _merging(kind, self._store.dialect)
        good = {key: row for key, row in rows.items() if key not in refused} if refused else rows
        items = list(zip(good, written_values(kind, list(good.values())), strict=True))
        return refused | self._write(kind, incoming, statements, items)

    def _write(
        self, kind: Kind, incoming: Incoming, statements: Sequence[Rendered], items: Sequence[Item]
    ) -> dict[str, str]:
        """The server's words by key of those it refused: all, where it cannot hold the kind."""
        try:
            with _about(kind):
                return write(self._database, self._store, incoming, statements, items)
        except KindUnavailable as error:
            return dict.fromkeys((key for key, _ in items), error.message)

    def _live(self, rows: Iterator[tuple[Any, ...]], utc_offset: int) -> Iterator[Registration]:
        now = time.time()
        for values in rows:
            registration = registration_from_row(utc_offset, *values)
            if registration.expires_at == 0 or registration.expires_at > now:
                yield registration


@contextmanager
def _about(kind: Kind) -> Iterator[None]:
    """A table that accounts do not need and that is not as it should be leaves them alone."""
    try:
        yield
    except TableRefused as error:
        if kind not in OPTIONAL_TABLES:
            raise
        table = OPTIONAL_TABLES[kind].table.name
        raise KindUnavailable(
            f"{error.message} A {kind.label} stands in the table {table}: make it with Kamailio's "
            "own script and grant the rights that the setup guide names. Then try again."
        ) from error


def _text(value: str | bytes | None) -> str:
    return value.decode() if isinstance(value, bytes) else value or ""


def _column(table: Table, name: str) -> Any:
    return table.c[name] if name in table.c else column(name)


@cache
def _comparing(kind: Kind, dialect: str, *, secrets: bool) -> tuple[Incoming, Rendered]:
    target = KIND_TABLES[kind]
    columns = target.owned if secrets else target.compared
    incoming = Incoming(dialect, columns, target.may_be_empty, target.integers)
    return incoming, render(differing(target, incoming.source()), dialect)


@cache
def _hashing(kind: Kind, dialect: str) -> Rendered:
    return render(digests(KIND_TABLES[kind], dialect), dialect)


@cache
def _reading(kind: Kind, dialect: str) -> tuple[Incoming, Rendered]:
    target = KIND_TABLES[kind]
    incoming = Incoming(dialect, target.key, integers=target.integers)
    owned = select(*(target.table.c[name] for name in target.owned))
    return incoming, render(join_keys(owned, target.table, target.key, incoming.source()), dialect)


@cache
def _deleting(kind: Kind, dialect: str) -> tuple[Incoming, list[Rendered]]:
    target = KIND_TABLES[kind]
    incoming = Incoming(dialect, target.key, integers=target.integers)
    return incoming, [render(delete_keys(target, incoming.source(), dialect), dialect)]


@cache
def _merging(kind: Kind, dialect: str) -> tuple[Incoming, list[Rendered]]:
    target = KIND_TABLES[kind]
    incoming = Incoming(dialect, target.owned, target.may_be_empty, target.integers)
    statements = merge(target, incoming.source(), dialect)
    return incoming, [render(statement, dialect) for statement in statements]
