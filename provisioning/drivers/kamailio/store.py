"""Rows in Kamailio's database: domain, subscriber and dbaliases; live contacts in location."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from types import MappingProxyType

from provisioning.core.records import Presence, StoreRecord
from provisioning.drivers.base import Kind, KindSupport
from provisioning.drivers.database.inspection import has_table
from provisioning.drivers.database.proxy_store import ProxyStore
from provisioning.drivers.kamailio.presence import PRESENTITY, PRESENTITY_COLUMNS, published
from provisioning.drivers.kamailio.routing_tables import ROUTING_TABLES
from provisioning.drivers.kamailio.tables import SCHEMA, STORED


class KamailioStore(ProxyStore):
    """A Kamailio database on PostgreSQL, MySQL or SQLite; implements StoreDriver."""

    kinds: Mapping[Kind, KindSupport] = MappingProxyType(dict.fromkeys(STORED, "pushed"))
    reload_kinds: frozenset[Kind] = frozenset({Kind.SIP_DOMAIN, *ROUTING_TABLES, Kind.SETTING})
    # Accounts in one store; measured with 100,000.
    capacity: int = 1_000_000

    def __init__(self, store: StoreRecord) -> None:
        super().__init__(store, SCHEMA)

    def presence(self, aors: Collection[str]) -> list[Presence] | None:
        """What clients published, of table `presentity`; None where the database has none."""
        with self._database.transaction() as transaction:
            if not has_table(transaction, PRESENTITY.name):
                return None
        of_presence = PRESENTITY.c.event == "presence"
        rows = self._of(PRESENTITY, PRESENTITY_COLUMNS, aors, of_presence)
        return published(rows, time.time())
