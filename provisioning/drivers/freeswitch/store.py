"""Rows that the console keeps for FreeSWITCH, and how a server is answered that asks for one."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import cache
from types import MappingProxyType

from sqlalchemy import select

from provisioning.core.errors import Rejected
from provisioning.core.records import Presence, Registration, StoreRecord
from provisioning.drivers.base import ForeignAccount, Kind, KindSupport, Served, SubscriberRow
from provisioning.drivers.database.connection import Rendered, render
from provisioning.drivers.database.faults import TableRefused
from provisioning.drivers.database.rights import rights
from provisioning.drivers.database.table_store import TableStore
from provisioning.drivers.freeswitch import directory
from provisioning.drivers.freeswitch.tables import STORED, TABLES


class FreeSwitchStore(TableStore):
    """The console's tables for FreeSWITCH; implements ServingStore. For one thread at a time."""

    kinds: Mapping[Kind, KindSupport] = MappingProxyType(
        {kind: "served" if kind in STORED else "unsupported" for kind in Kind}
    )
    # FreeSWITCH asks anew each time.
    reload_kinds: frozenset[Kind] = frozenset()
    capacity: int = 1_000_000

    def __init__(self, store: StoreRecord) -> None:
        super().__init__(store, STORED, "FreeSWITCH")

    def check(self) -> list[str]:
        """Connect and verify tables and rights; returns what was found, line by line."""
        try:
            with self._database.transaction() as transaction:
                for table in TABLES:
                    transaction.execute(select(table).limit(0))
                lines = [f"Table {table.name}: there." for table in TABLES]
                return [*lines, *rights(transaction, self._store, TABLES)]
        except TableRefused as error:
            raise Rejected(
                f"{error.message} The console's tables for FreeSWITCH are made once, with the "
                "statements in docs/freeswitch.md or in a server's setup guide."
            ) from error

    def registrations(self, aors: Collection[str] | None = None) -> Iterator[Registration] | None:
        """None: FreeSWITCH keeps contacts itself."""
        return None

    def presence(self, aors: Collection[str]) -> list[Presence] | None:
        """None: FreeSWITCH keeps what clients publish itself."""
        return None

    def accounts(self) -> Iterator[ForeignAccount]:
        """Every account of the tables, for Observe."""
        for row in self.read(Kind.SUBSCRIBER):
            if isinstance(row, SubscriberRow):
                yield ForeignAccount(row.user, row.domain, digest_set=bool(row.ha1))

    def answer(self, path: str, asked: Mapping[str, str]) -> Served | None:
        """What a FreeSWITCH is told that asks the console: one user, or that there is none."""
        if path != directory.PATH:
            return None
        question = directory.question_of(asked)
        if question is None:
            return directory.NOT_FOUND
        statement = _looking_up(self._store.dialect, signs_in=question.signs_in)
        with self._database.transaction() as transaction:
            rows = transaction.rows(statement, question.parameters)
        return directory.answer(question, rows)


@cache
def _looking_up(dialect: str, *, signs_in: bool) -> Rendered:
    return render(directory.OF_USER if signs_in else directory.OF_ADDRESS, dialect)
