"""Drivers of stores and servers: their targets are judged, and they are always closed again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TypeVar

from provisioning.core.errors import InvalidInput, ProvisioningError
from provisioning.core.records import ServerRecord, StoreRecord
from provisioning.drivers.base import ServerDriver, ServingStore, StoreDriver
from provisioning.drivers.registry import DRIVERS
from provisioning.models import ConfigStore, SipServer
from provisioning.services.servers import targets

Answer = TypeVar("Answer")

CONTROL = "The control address"
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
    with closing(DRIVERS[record.driver].store(_judged(record))) as driver:
        yield driver


def serving_store(record: StoreRecord) -> ServingStore:
    """The driver of a store that is served, for whoever closes it; raises as `open_store` does."""
    serving = DRIVERS[record.driver].serving
    if serving is None:
        raise InvalidInput(f"The servers of “{record.name}” read their database themselves.")
    return serving(_judged(record))


def _judged(record: StoreRecord) -> StoreRecord:
    """`record` with a place that the console may open, and nothing else."""
    if record.dialect == "sqlite":
        return replace(record, database=str(targets.check_sqlite_path(record.database)))
    found = targets.check_target(host=record.host, port=record.port, what="The database host")
    return replace(record, addresses=tuple(found))


@contextmanager
def open_server_record(record: ServerRecord) -> Iterator[ServerDriver]:
    """The same for values that are not saved yet, as in a connection test."""
    endpoint = control_endpoint(driver=record.driver, url=record.rpc_url)
    found = targets.check_target(host=endpoint.host, port=endpoint.port, what=CONTROL)
    record = replace(record, addresses=tuple(found))
    with closing(DRIVERS[record.driver].server(record)) as driver:
        yield driver


def control_endpoint(*, driver: str, url: str) -> targets.Endpoint:
    """Where a control address leads, judged by its text and by what servers of this kind speak."""
    return targets.parse_url(url=url, schemes=DRIVERS[driver].schemes, what=CONTROL)


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
