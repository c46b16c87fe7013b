"""Control of one OpenSIPS by MI over HTTP: reload, health, and the contacts it holds."""

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
from provisioning.drivers.opensips.contacts import registrations_from_answer

_LOCATION = "location"
_RELOADS: dict[Kind, str] = {
    Kind.SIP_DOMAIN: "domain_reload",
    Kind.TRUSTED_HOST: "address_reload",
    Kind.GATEWAY: "dr_reload",
    Kind.ROUTE: "dr_reload",
    Kind.DIAL_RULE: "dp_reload",
}
_STATISTICS = ("usrloc:", "shmem:")

_UNKNOWN = re.compile(r"(aor|contact) not found", re.IGNORECASE)
# What it answers where its own database fails it, or it is busy: the row is there, it is not ready.
_INTERNAL = 500
_NO_METHOD = -32601
_VERSION = re.compile(r"OpenSIPS \(([\w.-]+)")
_SECONDS = re.compile(r"(\d+) \[sec\]")
# Room for no line break, hence for no header of its own in anything that is made of it.
_AOR = re.compile(r"[^\s@\x00-\x1f\x7f]{1,64}@[^\s@\x00-\x1f\x7f]{1,64}")


class OpenSipsServer:
    """One OpenSIPS; implements ServerDriver. Every method ends within the server's total time-out.

    For one thread at a time.
    """

    def __init__(self, server: ServerRecord) -> None:
        self._mi = RpcClient(server)

    def activate(self, kinds: Iterable[Kind]) -> None:
        """Reload what `kinds` need; returns after the server confirmed."""
        until = self._mi.deadline()
        for method in sorted({_RELOADS[kind] for kind in kinds if kind in _RELOADS}):
            try:
                self._mi.call(method, {}, until)
            except RpcFault as fault:
                if fault.code == _INTERNAL:
                    raise Unreachable(fault.message) from fault
                raise

    def health(self) -> ServerHealth:
        """Ask the server how it is; the latency is that of a call on the open connection."""
        until = self._mi.deadline()
        told = str(_fields(self._mi.call("version", {}, until)).get("Server", ""))
        before = time.perf_counter()
        uptime = _fields(self._mi.call("uptime", {}, until))
        latency = (time.perf_counter() - before) * 1000
        seconds = _SECONDS.search(str(uptime.get("Up time", "")))
        version = _VERSION.search(told)
        statistics = self._statistics(until)
        registrations = statistics.get("usrloc:registered_users")
        contacts = statistics.get("usrloc:location-contacts")
        details = {} if contacts is None else {"contacts": str(contacts)}
        if waiting := self._not_ready(until):
            details["not ready"] = waiting
        return ServerHealth(
            version=f"OpenSIPS {version[1]}" if version else told.strip(),
            uptime_seconds=int(seconds[1]) if seconds else 0,
            latency_ms=latency,
            registrations=None if registrations is None else int(registrations),
            details=details,
            memory_percent=_percent(
                statistics.get("shmem:real_used_size"), statistics.get("shmem:total_size")
            ),
            # It counts its connections by listing each of them.
            connections=None,
        )

    def end_registration(self, aor: str, contact: str = "") -> bool:
        """Drop every contact of `aor`, or the one given; False when there was none."""
        until = self._mi.deadline()
        # ul_rm alone would not tell: it answers alike whether there was a contact or not.
        live = self._lookup(aor, until)
        if not contact:
            return bool(live) and self._known("ul_rm", until, aor=aor) is not None
        if contact not in {each.contact for each in live}:
            return False
        return self._known("ul_rm_contact", until, aor=aor, contact=contact) is not None

    def registrations_of(self, aor: str) -> list[Registration]:
        """Live contacts of one address-of-record, asked of the server itself."""
        return self._lookup(aor, self._mi.deadline())

    def reload_certificate(self) -> None:
        """Read certificate and key anew, where they are kept in its database: files are not."""
        try:
            self._mi.call("tls_reload", {}, self._mi.deadline())
        except RpcFault as fault:
            if fault.code != _NO_METHOD:
                raise
            raise Rejected(
                f"{self._mi.named} reads the certificate files of its configuration when it "
                "starts; only those in its table tls_mgm can be read anew. Restart it when nobody "
                "is on the phone. Nothing was changed."
            ) from fault

    def close(self) -> None:
        """Give connections back; the driver is not used afterwards."""
        self._mi.close()

    def _lookup(self, aor: str, until: float) -> list[Registration]:
        if not _AOR.fullmatch(aor):
            raise Rejected(f"{aor[:130]!r} is not an address-of-record: it was not sent.")
        answer = self._known("ul_show_contact", until, aor=aor)
        return registrations_from_answer(answer, time.time())

    def _known(self, method: str, until: float, **named: str) -> object | None:
        """The answer to a call about a contact; None where the server does not know it."""
        try:
            return self._mi.call(method, {"table_name": _LOCATION, **named}, until)
        except RpcFault as fault:
            if _UNKNOWN.search(fault.said):
                return None
            raise

    def _statistics(self, until: float) -> dict[str, Any]:
        """Numbers by group and name; none where its build has none."""
        with suppress(RpcFault):
            return _fields(self._mi.call("get_statistics", {"statistics": _STATISTICS}, until))
        return {}

    def _not_ready(self, until: float) -> str:
        """The parts of the server that say that they are not ready; of 3.4 not all tell."""
        with suppress(RpcFault):
            answer = self._mi.call("sr_list_status", {}, until)
            return ", ".join(
                f"{group.get('Name')}: {part.get('Details', part.get('Status'))}"
                for group in (answer if isinstance(answer, list) else [])
                for part in group.get("Identifiers", [])
                if part.get("Readiness") is False
            )
        return ""


def _percent(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else round(100 * part / whole, 1)


def _fields(answer: object) -> dict[str, Any]:
    return answer if isinstance(answer, dict) else {}
