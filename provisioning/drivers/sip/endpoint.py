"""One socket with a server at its other end: what comes is answered, or handed on as a response.

RFC 3261 sections 8.2 and 17.2: an agent can call itself, because what reaches it is answered while
it waits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Protocol

from provisioning.core.records import Transport
from provisioning.drivers.sip.message import Request, Response, read_message, write_message

# What a response repeats of its request (RFC 3261, 8.2.6.2).
_REPEATED = ("via", "from", "to", "call-id", "cseq", "record-route")
# How many requests of the server's are remembered.
_MOST_RUNG = 100
_TAKEN: Mapping[str, str] = {
    "INVITE": "486 Busy Here",
    **dict.fromkeys(("MESSAGE", "OPTIONS", "NOTIFY", "BYE", "CANCEL"), "200 OK"),
}


class Line(Protocol):
    """What an endpoint sends and receives whole messages over; `local` is its address and port."""

    transport: Transport
    local: str

    def send(self, packet: bytes) -> None:
        """Send one message."""

    def receive(self, until: float) -> bytes | None:
        """The next message, or None when `until` has come, on the monotonic clock."""


class Endpoint:
    """Sends messages, takes requests, waits for responses; `rung` are the requests that came.

    Calls of the user part `rings` ring until they are cancelled.
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
        if request.branch not in known and len(known) < _MOST_RUNG:
            self.rung.append(request)
        if request.method == "INVITE" and request.user == self.rings:
            self._ringing[request.branch] = request
            self._answer(request, "180 Ringing")
            return
        self._answer(request, _TAKEN.get(request.method, "501 Not Implemented"))
        if request.method == "CANCEL" and (call := self._ringing.pop(request.branch, None)):
            self._answer(call, "487 Request Terminated")

    def _answer(self, request: Request, status: str) -> None:
        # The same to every repetition (RFC 3261, 17.2): made of what they have in common.
        tag = hashlib.sha256(request.branch.encode()).hexdigest()[:8]
        headers = [
            (name.title(), f"{value};tag={tag}" if name == "to" and ";tag=" not in value else value)
            for name, value in request.headers
            if name in _REPEATED
        ]
        self.send(write_message(f"SIP/2.0 {status}", headers))
