"""Rows in OpenSIPS's database: domain, subscriber and dbaliases; live contacts in location."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType

from provisioning.core.records import Presence, StoreRecord
from provisioning.core.sip import main_algorithm
from provisioning.drivers.base import Kind, KindSupport
from provisioning.drivers.database.proxy_store import ProxyStore
from provisioning.drivers.opensips.tables import PUSHED, SCHEMAS


class OpenSipsStore(ProxyStore):
    """An OpenSIPS database on PostgreSQL, MySQL or SQLite; implements StoreDriver."""

    kinds: Mapping[Kind, KindSupport] = MappingProxyType(
        {kind: "pushed" if kind in PUSHED else "unsupported" for kind in Kind}
    )
    reload_kinds: frozenset[Kind] = frozenset(
        {Kind.SIP_DOMAIN, Kind.TRUSTED_HOST, Kind.GATEWAY, Kind.ROUTE, Kind.DIAL_RULE}
    )
    # As a Kamailio, whose statements these are: the server asks the database for one account.
    capacity: int = 1_000_000

    def __init__(self, store: StoreRecord) -> None:
        super().__init__(store, SCHEMAS[main_algorithm(store.algorithm)])

    def presence(self, aors: Collection[str]) -> list[Presence] | None:
        """None: what its module `presence` keeps is not read."""
        return None
