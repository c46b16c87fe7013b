"""Drivers of stores and servers: their targets are judged, and they are always closed again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TypeVar

from provisioning.core.errors import ProvisioningError
from provisioning.core.records import ServerRecord, StoreRecord
from provisioning.drivers.base import ServerDriver, StoreDriver
from provisioning.drivers.registry import DRIVERS
from provisioning.models import ConfigStore, SipServer
from provisioning.services.servers import targets

Answer = TypeVar("Answer")

# SIP servers that are asked at the same time.
_THREADS = 16


@contextmanager
def open_store(store: ConfigStore) -> Iterator[StoreDriver]:
    """The driver of a store; raises InvalidInput or Unreachable when its target is refused."""
    with open_store_record(store.as_record()) as driver:
        yield driver


@contextmanager
def open_server(server: SipServer) -> Iterator[ServerDriver]:
    """The driver of a SIP server; raises InvalidInput or Unreachable when its target is refused."""
    with open_server_record(server.as_record()) as driver:
        yield driver


@contextmanager
def open_store_record(record: StoreRecord) -> Iterator[StoreDriver]:
    """The same for values that are not saved yet, as in a connection test."""
    if record.dialect == "sqlite":
        record = replace(record, database=str(targets.check_sqlite_path(record.database)))
    else:
        found = targets.check_target(host=record.host, port=record.port, what="The database host")
        record = replace(record, addresses=tuple(found))
    with closing(DRIVERS[record.driver].store(record)) as driver:
        yield driver


@contextmanager
def open_server_record(record: ServerRecord) -> Iterator[ServerDriver]:
    """The same for values that are not saved yet, as in a connection test."""
    what = "The control address"
    endpoint = targets.parse_url(url=record.rpc_url, schemes=targets.HTTP, what=what)
    found = targets.check_target(host=endpoint.host, port=endpoint.port, what=what)
    record = replace(record, addresses=tuple(found))
    with closing(DRIVERS[record.driver].server(record)) as driver:
        yield driver


def ask_servers(
    servers: Sequence[SipServer], questions: Sequence[Callable[[ServerDriver], Answer]]
) -> list[Answer | ProvisioningError]:
    """Ask each server its question, all at the same time; what they answer, or why not.

    A question runs in a thread of its own and must leave the console's database alone.
    """
    with ThreadPoolExecutor(_THREADS) as threads:
        return list(threads.map(_ask, [_record(server) for server in servers], questions))


def _record(server: SipServer) -> ServerRecord | ProvisioningError:
    try:
        return server.as_record()
    except ProvisioningError as error:
        return error


def _ask(
    record: ServerRecord | ProvisioningError, question: Callable[[ServerDriver], Answer]
) -> Answer | ProvisioningError:
    if isinstance(record, ProvisioningError):
        return record
    try:
        with open_server_record(record) as driver:
            return question(driver)
    except ProvisioningError as error:
        return error
