"""Connection tests of stores and servers: each step says what was found, or what to do."""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from provisioning.core.errors import ProvisioningError, Rejected, Unreachable
from provisioning.core.records import Listener, ServerHealth, ServerRecord, StoreRecord
from provisioning.core.text import counted
from provisioning.drivers.registry import DRIVERS
from provisioning.services.servers import driver_access, targets

# How a driver's finding begins when reading works and writing would not.
_READ_ONLY = "Read only"


class StepState(StrEnum):
    """What became of a step; a warning does not stop the console from being useful."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a connection test: what was found, and what to do where that is not enough.

    `milliseconds` is how long it took, None where that was not measured.
    """

    name: str
    state: StepState
    detail: str
    advice: str = ""
    milliseconds: int | None = None


def probe_store(*, record: StoreRecord) -> list[Step]:
    """Address, connection, then sign-in, tables and rights; the first failure ends the test."""
    return list(_until_failure(_store_steps(record)))


def probe_server(*, record: ServerRecord, listeners: Sequence[Listener] = ()) -> list[Step]:
    """Address, connection, control, then the SIP ports; the first failure ends the test."""
    return list(_until_failure(_server_steps(record, listeners)))


def _store_steps(record: StoreRecord) -> Iterator[Step]:
    if record.dialect == "sqlite":
        yield _step("File", lambda: f"{targets.check_sqlite_path(record.database)} is there.")
    else:
        yield from _network_steps(
            "The database host", record.host, record.port, record.connect_timeout
        )
    findings: list[str] = []

    def sign_in() -> str:
        with driver_access.open_store_record(record) as driver:
            findings.extend(driver.check())
        return "\n".join(line for line in findings if not line.startswith(_READ_ONLY))

    advice = (
        "Check the database name, user and password, the certificate authority, and that the "
        "database was "
        "made with the SIP server's own scripts."
    )
    yield _step("Sign-in and tables", sign_in, advice)
    limits = [line for line in findings if line.startswith(_READ_ONLY)]
    if limits:
        yield Step(
            "Rights", StepState.WARNING, " ".join(limits),
            "Enough for Observe. Grant these rights before you switch the store to Manage.",
        )  # fmt: skip


def _server_steps(record: ServerRecord, listeners: Sequence[Listener]) -> Iterator[Step]:
    try:
        endpoint = driver_access.control_endpoint(driver=record.driver, url=record.rpc_url)
    except ProvisioningError as error:
        yield Step("Address", StepState.FAILED, error.message)
        return
    yield from _network_steps(
        driver_access.CONTROL, endpoint.host, endpoint.port, record.connect_timeout
    )

    def ask() -> str:
        with driver_access.open_server_record(record) as driver:
            return describe_health(driver.health())

    advice = (
        "Check the secret, the allow-list for this console, and the path of the control address."
    )
    yield _step("Control", ask, advice)
    if endpoint.scheme != "https" and not _stays_here(endpoint):
        advice = "otherwise let the server listen with TLS."
        if "https" not in DRIVERS[record.driver].schemes:
            advice = "otherwise lead it through a tunnel, since it can do no TLS."
        yield Step(
            "Encryption", StepState.WARNING, f"The control address is {endpoint.scheme}://: its "
            "secret travels in clear.",
            f"Right on one machine or a protected network; {advice}",
        )  # fmt: skip
    for listener in listeners:
        if listener.transport != "udp":
            yield _listener_step(listener, record.connect_timeout)


def _listener_step(listener: Listener, timeout: float) -> Step:
    step = _step(
        f"SIP over {listener.transport.upper()}",
        lambda: _connect("The SIP host", listener.host, listener.port, timeout),
        "Clients may still reach it from their networks; check the port if they cannot either.",
    )
    return (
        Step(step.name, StepState.WARNING, step.detail, step.advice)
        if step.state == StepState.FAILED
        else step
    )


def _network_steps(what: str, host: str, port: int, timeout: float) -> Iterator[Step]:
    yield _step("Address", lambda: _resolve(what, host, port))
    yield _step(
        "Connection",
        lambda: _connect(what, host, port, timeout),
        "Check the port, that the service listens on this address, and the firewalls between.",
    )


def _resolve(what: str, host: str, port: int) -> str:
    addresses = targets.check_target(host=host, port=port, what=what)
    return (
        f"{host} is {', '.join(addresses)}."
        if addresses != [host]
        else f"{host} may be connected to."
    )


def _connect(what: str, host: str, port: int, timeout: float) -> str:
    addresses = targets.check_target(host=host, port=port, what=what)
    began = time.monotonic()
    failure: OSError | None = None
    for address in addresses:
        try:
            socket.create_connection((address, port), timeout=timeout).close()
        except OSError as error:
            failure = error
        else:
            return f"{address} port {port} answers in {(time.monotonic() - began) * 1000:.0f} ms."
    said = (
        "no answer in time"
        if isinstance(failure, TimeoutError)
        else (failure and failure.strerror) or failure
    )
    raise Unreachable(f"{host} port {port} does not answer: {said}.")


def describe_health(health: ServerHealth) -> str:
    """What a server says of itself, in one sentence."""
    minutes = health.uptime_seconds // 60
    up = counted(minutes, "minute")
    if minutes >= 120:
        up = f"{minutes // 60:,} hours" if minutes < 48 * 60 else f"{minutes // 1440:,} days"
    known = (
        "" if health.registrations is None else f", {counted(health.registrations, 'registration')}"
    )
    return f"{health.version}, up {up}, answers in {health.latency_ms:.0f} ms{known}."


def _step(name: str, act: Callable[[], str], advice: str = "") -> Step:
    try:
        return Step(name, StepState.OK, act())
    except (Unreachable, Rejected) as error:
        return Step(name, StepState.FAILED, error.message, advice)
    except ProvisioningError as error:
        return Step(name, StepState.FAILED, error.message)


def _stays_here(endpoint: targets.Endpoint) -> bool:
    addresses = targets.check_target(
        host=endpoint.host, port=endpoint.port, what=driver_access.CONTROL
    )
    return all(ipaddress.ip_address(address).is_loopback for address in addresses)


def _until_failure(steps: Iterator[Step]) -> Iterator[Step]:
    for step in steps:
        yield step
        if step.state == StepState.FAILED:
            return
