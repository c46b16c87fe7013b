"""Rows for SIP servers that ask the console instead of reading a store's database themselves.

They are given what was pushed to the store, and nothing else: what waits, is held by a limit or
paused is not yet there. So all that is true of a store is true of one that is served.
"""

from __future__ import annotations

import hmac
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from provisioning.core.errors import Unreachable
from provisioning.core.records import StoreRecord
from provisioning.core.sealing import SealBroken
from provisioning.drivers.base import Served, ServingStore
from provisioning.models import SipServer
from provisioning.services.console.guessing import count_wrong
from provisioning.services.servers.driver_access import serving_store

log = structlog.stdlib.get_logger(__name__)

# Compared with where there is nothing to compare with, so that both take as long.
_NO_SECRET = secrets.token_urlsafe(32)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A server that is not known by this secret; `wait` in seconds where it came too often."""

    wait: int = 0


class _Kept(threading.local):
    """The drivers that this thread has open: a connection for each look-up would cost more."""

    def __init__(self) -> None:
        self.drivers: dict[int, tuple[StoreRecord, ServingStore]] = {}


_KEPT = _Kept()


def answer_server(
    *, server_id: int, secret: str, address: str, path: str, asked: Mapping[str, str]
) -> Served | Refusal | None:
    """What a server is told that proves itself by its control secret; None for an unknown path.

    Raises Unreachable or Rejected where its store cannot be read.
    """
    server = (
        SipServer.objects.filter(pk=server_id, enabled=True, store__served=True)
        .select_related("store")
        .first()
    )
    if not hmac.compare_digest(_secret_of(server).encode(), secret.encode()) or server is None:
        # Only in the log of the server, so that guessing cannot fill the audit log.
        log.info("look-up refused", server=server_id, address=address)
        return Refusal(count_wrong(what="served", address=address))
    driver = _driver(server)
    try:
        return driver.answer(path, asked)
    except Unreachable:
        # The connection may have ended while nobody asked.
        return driver.answer(path, asked)


def _secret_of(server: SipServer | None) -> str:
    """The server's secret, or one that nobody knows."""
    try:
        return (server and server.as_record().rpc_secret) or _NO_SECRET
    except SealBroken:
        return _NO_SECRET


def _driver(server: SipServer) -> ServingStore:
    """The thread's driver of the server's store, opened anew where the store has changed."""
    record = server.store.as_record()
    kept = _KEPT.drivers.get(server.store_id)
    if kept is not None and kept[0] == record:
        return kept[1]
    if kept is not None:
        kept[1].close()
    driver = serving_store(record)
    _KEPT.drivers[server.store_id] = (record, driver)
    return driver
