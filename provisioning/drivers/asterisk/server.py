"""Control of one Asterisk: its manager interface, and its REST interface for what that lacks."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

import httpx

from provisioning.core.errors import Rejected
from provisioning.core.records import Registration, ServerHealth, ServerRecord
from provisioning.drivers.asterisk.ami import USER, ActionFault, Fields, ManagerClient
from provisioning.drivers.asterisk.contacts import registration_from_event
from provisioning.drivers.base import Kind
from provisioning.drivers.http import Answer, HttpClient, Request

_LARGEST_ANSWER = 1_000_000  # bytes; an endpoint with ten contacts takes 10 KB
# What res_sorcery_memory_cache may hold of an account.
_CACHES = ("res_pjsip/auth", "res_pjsip/aor", "res_pjsip/endpoint")
_LIMITS = _CACHES[1:2]
_FORGETS: Mapping[Kind, Sequence[str]] = MappingProxyType(
    {Kind.SUBSCRIBER: _CACHES, Kind.SETTING: _LIMITS, Kind.PREFERENCE: _LIMITS}
)
# The modules that read configuration anew, in the order in which they need each other.
_MODULES: Mapping[str, frozenset[Kind]] = MappingProxyType(
    {
        "res_pjsip.so": frozenset({Kind.GATEWAY, Kind.TRUNK, Kind.TRUSTED_HOST}),
        "res_pjsip_endpoint_identifier_ip.so": frozenset({Kind.TRUSTED_HOST}),
        "res_pjsip_outbound_registration.so": frozenset({Kind.TRUNK}),
        "pbx_config.so": frozenset({Kind.GATEWAY, Kind.TRUNK, Kind.ROUTE, Kind.DIAL_RULE}),
    }
)
_NO_CACHE = "cache does not exist"
_NOT_CACHED = "could not be expired"
_UNKNOWN = "unable to retrieve endpoint"
_CONTACT_PATH = "ari/asterisk/config/dynamic/res_pjsip/contact/"
_INFO_PATH = "ari/asterisk/info"
# Room for no line break, hence for no header of its own in anything that is made of it.
_AOR = re.compile(r"[^\s@\x00-\x1f\x7f]{1,255}@[^\s@\x00-\x1f\x7f]{1,255}")


class AsteriskServer:
    """One Asterisk; implements ServerDriver. Every method ends within the server's total time-out.

    For one thread at a time.
    """

    def __init__(self, server: ServerRecord) -> None:
        self._http = HttpClient(server, largest=_LARGEST_ANSWER)
        self._manager = ManagerClient(server, self._http)
        secret = f"{USER}:{server.rpc_secret}".encode()
        self._basic = f"Basic {base64.b64encode(secret).decode()}"

    def activate(self, kinds: Iterable[Kind]) -> None:
        """Let the server forget what it caches of accounts, and read routing anew."""
        until, wanted = self._http.deadline(), set(kinds)
        forgotten = {cache for kind in wanted for cache in _FORGETS.get(kind, ())}
        for cache in sorted(forgotten):
            self._unless(_NO_CACHE, "SorceryMemoryCacheExpire", until, cache=cache)
        for module, read in _MODULES.items():
            if wanted & read:
                self._manager.act("Reload", until, module=module)

    def health(self) -> ServerHealth:
        """Ask the server how it is; the latency is that of an action on the open connection."""
        until = self._http.deadline()
        answer = self._rest("GET", _INFO_PATH, until)
        self._http.require_ok(answer)
        try:
            known: dict[str, Any] = json.loads(answer.body)
            version = str(known["system"]["version"])
            started = datetime.fromisoformat(known["status"]["startup_time"])
        except (ValueError, KeyError, TypeError):
            self._http.reject(f"its answer to {_INFO_PATH} is not that of a REST interface")
        self._manager.act("Ping", until)
        before = time.perf_counter()
        status = self._manager.act("CoreStatus", until)[0]
        latency = (time.perf_counter() - before) * 1000
        return ServerHealth(
            version=f"Asterisk {version}",
            uptime_seconds=max(0, int(time.time() - started.timestamp())),
            latency_ms=latency,
            # Counting them takes an Asterisk seconds; the store knows at once.
            registrations=None,
            details={"calls": status.get("CoreCurrentCalls", "")},
        )

    def end_registration(self, aor: str, contact: str = "") -> bool:
        """Drop every contact of `aor`, or the one given; False when there was none.

        What the server keeps of the account in its cache is dropped first, so that a client cannot
        register anew with what was just taken from it.
        """
        until = self._http.deadline()
        endpoint, events = self._look_up(aor, until)
        for cache in _CACHES:
            for name in {aor, endpoint}:
                self._unless(
                    f"{_NO_CACHE}|{_NOT_CACHED}", "SorceryMemoryCacheExpireObject", until,
                    cache=cache, object=name,
                )  # fmt: skip
        ended = [
            self._end(each.key, until)
            for each in _contacts(aor, events)
            if contact in ("", each.contact)
        ]
        return any(ended)

    def registrations_of(self, aor: str) -> list[Registration]:
        """Live contacts of one address-of-record, asked of the server itself."""
        _, events = self._look_up(aor, self._http.deadline())
        return list(_contacts(aor, events))

    def reload_certificate(self) -> None:
        """Rejected: an Asterisk reads the certificate of a transport when it starts."""
        raise Rejected(
            f"{self._http.named} reads its certificate when it starts. Restart it when nobody is "
            "on the phone. Nothing was changed."
        )

    def close(self) -> None:
        """Give connections back; the driver is not used afterwards."""
        self._http.close()

    def _look_up(self, aor: str, until: float) -> tuple[str, list[Fields]]:
        """The endpoint of `aor` and what belongs to it: the one of that id, or of the bare user."""
        if not _AOR.fullmatch(aor):
            raise Rejected(f"{aor[:130]!r} is not an address-of-record: it was not sent.")
        user, _, domain = aor.rpartition("@")
        if events := self._unless(_UNKNOWN, "PJSIPShowEndpoint", until, endpoint=aor):
            return aor, events
        events = self._unless(_UNKNOWN, "PJSIPShowEndpoint", until, endpoint=user)
        realms = {each.get("Realm") for each in events if each.get("Event") == "AuthDetail"}
        return (user, events) if domain in realms else (aor, [])

    def _unless(self, expected: str, action: str, until: float, **fields: str) -> list[Fields]:
        """The answer to an action; nothing where the server says what `expected` matches."""
        try:
            return self._manager.act(action, until, **fields)
        except ActionFault as fault:
            if re.search(expected, fault.said, re.IGNORECASE):
                return []
            raise

    def _end(self, key: str, until: float) -> bool:
        answer = self._rest("DELETE", _CONTACT_PATH + quote(key, safe=""), until)
        if answer.status == httpx.codes.NOT_FOUND:
            return False
        if answer.status != httpx.codes.NO_CONTENT:
            self._http.require_ok(answer)
        return True

    def _rest(self, method: str, path: str, until: float) -> Answer:
        named = path.partition("/res_pjsip")[0]
        headers = {"Authorization": self._basic}
        request = Request(named, method, path=self._http.path_of(path), headers=headers)
        return self._http.ask(request, until)


def _contacts(aor: str, events: Iterable[Fields]) -> Iterator[Registration]:
    for event in events:
        if event.get("Event") == "ContactStatusDetail":
            yield registration_from_event(aor, event)
