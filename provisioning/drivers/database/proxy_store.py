"""The database of a SIP proxy: its tables carry versions, and one of them holds live contacts."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Table, select

from provisioning.core.records import Registration, StoreRecord
from provisioning.drivers.base import ForeignAccount, Kind
from provisioning.drivers.database.connection import render
from provisioning.drivers.database.contacts import UTC_OFFSETS, live
from provisioning.drivers.database.inspection import Schema, columns_of
from provisioning.drivers.database.statements import Incoming, join_keys
from provisioning.drivers.database.table_store import TableStore
from provisioning.drivers.database.unusable import is_unusable

# Older schemas had these in the table of accounts, and sites keep or add them.
_OPTIONAL_COLUMNS = ("first_name", "last_name", "email_address")


class ProxyStore(TableStore):
    """The part of StoreDriver that is the same for all SIP proxies with such a database."""

    def __init__(self, store: StoreRecord, schema: Schema) -> None:
        super().__init__(store, schema.stored, schema.family)
        self._schema = schema

    def check(self) -> list[str]:
        """Connect and verify schema versions and rights; returns what was found, line by line."""
        return self._schema.findings(self._database, self._store)

    def registrations(self, aors: Collection[str] | None = None) -> Iterator[Registration] | None:
        """Live contacts of table `location`, or None where the database has no such table.

        The servers write some times as their own local time: these are right where the database's
        time zone is that of the servers. Where they keep contacts in memory, the table is empty.
        """
        location, columns = self._schema.location, self._schema.location_columns
        with self._database.transaction() as transaction:
            if location.name not in self._schema.versions_of(transaction):
                return None
            ((utc_offset,),) = transaction.rows(UTC_OFFSETS[self._store.dialect])
        rows = self._all(location, columns) if aors is None else self._of(location, columns, aors)
        return live(rows, int(utc_offset))

    def accounts(self) -> Iterator[ForeignAccount]:
        """Every account of the store, foreign ones included, for Observe."""
        stored = self._stored[Kind.SUBSCRIBER]
        table, digests, lengths = stored.target.table, stored.digests, stored.target.credentials
        with self._database.transaction() as transaction:
            existing = columns_of(transaction, table.name)
        further = [name for name in _OPTIONAL_COLUMNS if name in existing]
        for user, domain, password, *values in self._all(
            table, ("username", "domain", "password", *digests, *further)
        ):
            known = dict(zip((*digests, *further), values, strict=True))
            names = (known.get("first_name"), known.get("last_name"))
            yield ForeignAccount(
                user=user,
                domain=domain,
                display_name=" ".join(name for name in names if name),
                mail=known.get("email_address") or "",
                digest_set=any(
                    known[name] and not is_unusable(known[name], lengths[name]) for name in digests
                ),
                clear_text=bool(password) and not is_unusable(password, lengths["password"]),
            )

    def _of(
        self,
        table: Table,
        columns: Sequence[str],
        aors: Collection[str],
        where: ColumnElement[bool] | None = None,
    ) -> Iterator[tuple[Any, ...]]:
        """What a table that is only read holds of some addresses."""
        keys = filter(None, map(self._stored[Kind.SUBSCRIBER].key_values, sorted(set(aors))))
        incoming = Incoming(self._store.dialect, ("username", "domain"))
        statement = join_keys(
            select(*(table.c[name] for name in columns)), table, incoming.columns, incoming.source()
        )
        if where is not None:
            statement = statement.where(where)
        return self._those(incoming, render(statement, self._store.dialect), list(keys))
