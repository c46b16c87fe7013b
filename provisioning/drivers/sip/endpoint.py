"""One socket with a server at its other end: what comes is answered, or handed on as a response.

RFC 3261 sections 8.2 and 17.2: an agent can call itself, because what reaches it is answered while
it waits.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from typing import Protocol

from provisioning.core.records import Transport
from provisioning.drivers.sip.message import (
    Request,
    Response,
    read_message,
    uri_of,
    values_of,
    write_message,
)

# What a response repeats of its request (RFC 3261, 8.2.6.2).
_REPEATED = ("via", "from", "to", "call-id", "cseq", "record-route")
# How many requests of the server's are remembered.
_MOST_RUNG = 100
_TAKEN: Mapping[str, str] = {
    "INVITE": "486 Busy Here",
    **dict.fromkeys(("MESSAGE", "OPTIONS", "SUBSCRIBE", "NOTIFY", "BYE", "CANCEL"), "200 OK"),
}
_NOTHING_WAITS = b"Messages-Waiting: no\r\n"


class Line(Protocol):
    """What an endpoint sends and receives whole messages over; `local` is its address and port."""

    transport: Transport
    local: str

    def send(self, packet: bytes) -> None:
        """Send one message."""

    def receive(self, until: float) -> bytes | None:
        """The next message, or None when `until` has come, on the monotonic clock."""


class Endpoint:
    """Sends messages, takes requests, waits for responses.

    `rung` are the requests that came, without OPTIONS, which may be many. Calls of the user part
    `rings` ring until they are cancelled; who subscribes is told once, that no message waits.
    """

    def __init__(self, wire: Line) -> None:
        self.rung: list[Request] = []
        self.rings: str | None = None
        self._ringing: dict[str, Request] = {}
        self._wire = wire

    def send(self, packet: bytes) -> None:
        """Send one message."""
        self._wire.send(packet)

    def via(self, branch: str) -> tuple[str, str]:
        """The Via header of a request of this agent."""
        place = f"SIP/2.0/{self._wire.transport.upper()} {self._wire.local}"
        return "Via", f"{place};branch={branch};rport"

    def next_response(self, until: float) -> Response | None:
        """The next response, whatever it answers; requests that come meanwhile are taken."""
        while (packet := self._wire.receive(until)) is not None:
            message = read_message(packet)
            if isinstance(message, Response):
                return message
            if message is not None:
                self._take(message)
        return None

    @property
    def repeats(self) -> bool:
        """Whether what is lost on the way has to be sent again."""
        return self._wire.transport == "udp"

    def _take(self, request: Request) -> None:
        if request.method == "ACK":
            return
        known = {each.branch for each in self.rung}
        first = request.branch not in known
        if first and request.method != "OPTIONS" and len(known) < _MOST_RUNG:
            self.rung.append(request)
        if request.method == "INVITE" and request.user == self.rings:
            self._ringing[request.branch] = request
            self._answer(request, "180 Ringing")
            return
        self._answer(request, _TAKEN.get(request.method, "501 Not Implemented"))
        if request.method == "CANCEL" and (call := self._ringing.pop(request.branch, None)):
            self._answer(call, "487 Request Terminated")
        if request.method == "SUBSCRIBE" and first:
            self._notify(request)

    def _answer(self, request: Request, status: str) -> None:
        headers = [
            (name.title(), _tagged(request) if name == "to" else value)
            for name, value in request.headers
            if name in _REPEATED
        ]
        if request.method == "SUBSCRIBE":
            headers += [self._contact, ("Expires", "0")]
        self.send(write_message(f"SIP/2.0 {status}", headers))

    def _notify(self, request: Request) -> None:
        """What a subscription is owed at once, and nothing after it (RFC 6665, 4.1.3 and 4.4.3)."""
        headers = [
            self.via(f"z9hG4bK{secrets.token_hex(8)}"), ("Max-Forwards", "70"),
            *(("Route", route) for route in values_of(request.all("record-route"))),
            ("From", _tagged(request)), ("To", request.first("from")),
            ("Call-ID", request.first("call-id")), ("CSeq", "1 NOTIFY"), self._contact,
            ("Event", request.first("event")), ("Subscription-State", "terminated;reason=timeout"),
            ("Content-Type", "application/simple-message-summary"),
        ]  # fmt: skip
        target = uri_of(request.first("contact"))
        self.send(write_message(f"NOTIFY {target} SIP/2.0", headers, _NOTHING_WAITS))

    @property
    def _contact(self) -> tuple[str, str]:
        return "Contact", f"<sip:{self._wire.local};transport={self._wire.transport}>"


def _tagged(request: Request) -> str:
    """The To of what answers a request: the same for every repetition (RFC 3261, 17.2)."""
    to = request.first("to")
    tag = hashlib.sha256(request.branch.encode()).hexdigest()[:8]
    return to if ";tag=" in to else f"{to};tag={tag}"
