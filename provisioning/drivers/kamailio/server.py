"""Control of one Kamailio over JSON-RPC: reload, health, and the contacts it holds."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from provisioning.core.errors import Rejected, Unreachable
from provisioning.core.records import Registration, ServerHealth, ServerRecord
from provisioning.drivers.base import Kind
from provisioning.drivers.jsonrpc import RpcClient, RpcFault
from provisioning.drivers.kamailio.contacts import registrations_from_lookup

_LOCATION = "location"
_RELOADS: dict[Kind, tuple[str, tuple[str, ...]]] = {
    Kind.SIP_DOMAIN: ("domain.reload", ()),
    Kind.TRUSTED_HOST: ("permissions.addressReload", ()),
    Kind.GATEWAY: ("dispatcher.reload", ()),
    Kind.POOL_SERVER: ("dispatcher.reload", ()),
    Kind.TRUNK: ("uac.reg_reload", ()),
    Kind.ROUTE: ("mtree.reload", ()),
    Kind.DIAL_RULE: ("dialplan.reload", ()),
    Kind.SETTING: ("htable.reload", ("cfg",)),
}
# What Kamailio says while it reloads, or has done so in the last seconds (reload_delta).
_BUSY_RELOADING = "ongoing reload"
# What it says where its own database fails it: the row is there, the server is not ready for it.
_FAILED_RELOADING = re.compile(r"reload of .* failed", re.IGNORECASE)
# What it does not say: one host without an address makes it call the whole reload failed.
_HINTS = {
    "dispatcher.reload": "Kamailio says so too where DNS has no address for the host of a gateway: "
    "it leaves that one out and uses the others."
}
_PAUSE_SECONDS = 0.5

# One by one, because a server without TCP refuses all of them together.
_STATISTICS = ("usrloc:", "shmem:", "tcp:")

_UNKNOWN = re.compile(r"(aor|contact) not found", re.IGNORECASE)
# Room for no line break, hence for no header of its own in anything that is made of it.
_AOR = re.compile(r"[^\s@\x00-\x1f\x7f]{1,64}@[^\s@\x00-\x1f\x7f]{1,64}")


class KamailioServer:
    """One Kamailio; implements ServerDriver. Every method ends within the server's total time-out.

    For one thread at a time.
    """

    def __init__(self, server: ServerRecord) -> None:
        self._server = server
        self._rpc = RpcClient(server)

    def activate(self, kinds: Iterable[Kind]) -> None:
        """Reload what `kinds` need; returns after the server confirmed."""
        until = self._rpc.deadline()
        for kind in sorted(set(kinds) & _RELOADS.keys()):
            self._reload(*_RELOADS[kind], until)

    def health(self) -> ServerHealth:
        """Ask the server how it is; the latency is that of a call on the open connection."""
        until = self._rpc.deadline()
        version = self._rpc.call("core.version", (), until)
        started = time.perf_counter()
        uptime = _fields(self._rpc.call("core.uptime", (), until))
        latency = (time.perf_counter() - started) * 1000
        statistics = self._statistics(until)
        registrations = statistics.get("usrloc.registered_users")
        contacts = statistics.get("usrloc.location_contacts")
        connections = statistics.get("tcp.current_opened_connections")
        return ServerHealth(
            version=str(version).strip(),
            uptime_seconds=int(uptime.get("uptime", 0)),
            latency_ms=latency,
            registrations=None if registrations is None else int(registrations),
            details={} if contacts is None else {"contacts": str(contacts)},
            memory_percent=_percent(
                statistics.get("shmem.real_used_size"), statistics.get("shmem.total_size")
            ),
            connections=None if connections is None else int(connections),
        )

    def end_registration(self, aor: str, contact: str = "") -> bool:
        """Drop every contact of `aor`, or the one given; False when there was none."""
        until = self._rpc.deadline()
        # ul.rm alone would not tell: Kamailio 5.6 answers alike whether there was a contact or not.
        live = self._lookup(aor, until)
        if not contact:
            return bool(live) and self._known("ul.rm", until, aor) is not None
        if contact not in {each.contact for each in live}:
            return False
        return self._known("ul.rm_contact", until, aor, contact) is not None

    def registrations_of(self, aor: str) -> list[Registration]:
        """Live contacts of one address-of-record, asked of the server itself."""
        return self._lookup(aor, self._rpc.deadline())

    def reload_certificate(self) -> None:
        """Read certificate and key anew; where they are broken, the old ones go on serving."""
        self._rpc.call("tls.reload", (), self._rpc.deadline())

    def close(self) -> None:
        """Give connections back; the driver is not used afterwards."""
        self._rpc.close()

    def _lookup(self, aor: str, until: float) -> list[Registration]:
        if not _AOR.fullmatch(aor):
            raise Rejected(f"{aor[:130]!r} is not an address-of-record: it was not sent.")
        return registrations_from_lookup(self._known("ul.lookup", until, aor), time.time())

    def _known(self, method: str, until: float, aor: str, *contact: str) -> object | None:
        """The answer to a call about a contact; None where the server does not know it."""
        try:
            return self._rpc.call(method, (_LOCATION, aor, *contact), until)
        except RpcFault as fault:
            if _UNKNOWN.search(fault.said):
                return None
            raise

    def _reload(self, method: str, params: tuple[str, ...], until: float) -> None:
        while True:
            try:
                self._rpc.call(method, params, until)
            except RpcFault as fault:
                if _FAILED_RELOADING.search(fault.said):
                    raise Unreachable(fault.message) from fault
                if _BUSY_RELOADING not in fault.said.lower():
                    if method in _HINTS:
                        raise Rejected(f"{fault.message}. {_HINTS[method]}") from fault
                    raise
                # The call after the pause needs time as well.
                if time.monotonic() + 2 * _PAUSE_SECONDS >= until:
                    raise Unreachable(f"{fault.message}; it stayed so.") from fault
                time.sleep(_PAUSE_SECONDS)
            else:
                return

    def _statistics(self, until: float) -> dict[str, Any]:
        """Numbers by group and name; none where the server's allow-list or its build has none."""
        found: dict[str, Any] = {}
        for group in _STATISTICS:
            with suppress(Rejected):
                found |= _fields(self._rpc.call("stats.fetchn", (group,), until))
        return found


def _percent(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else round(100 * part / whole, 1)


def _fields(answer: object) -> dict[str, Any]:
    return answer if isinstance(answer, dict) else {}
