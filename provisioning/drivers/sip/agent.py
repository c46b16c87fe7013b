"""A SIP user agent over one socket: what it asks ends at once, and no call of its goes on.

RFC 3261: client transactions (17.1), digest (22), calls that are cancelled or ended (9, 15);
RFC 3428: messages. What the server asks meanwhile is answered, so that an agent can call itself.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from provisioning.core.errors import Unreachable
from provisioning.core.records import Listener
from provisioning.drivers.sip.digest import Login, answer, choose
from provisioning.drivers.sip.message import (
    Request,
    Response,
    read_message,
    uri_of,
    values_of,
    write_message,
)
from provisioning.drivers.sip.wire import Wire

# RFC 3261, 17.1.1.1: the first repetition over UDP, doubled up to the second.
_T1, _T2 = 0.5, 4.0
# Any other final answer to a call comes after CANCEL within so many seconds, or never.
_CANCELLED_WITHIN = 2.0
_CREDENTIALS: Mapping[int, tuple[str, str]] = {
    401: ("www-authenticate", "Authorization"),
    407: ("proxy-authenticate", "Proxy-Authorization"),
}
# What a response repeats of its request (RFC 3261, 8.2.6.2).
_REPEATED = ("via", "from", "to", "call-id", "cseq", "record-route")
# How many requests of the server's are remembered.
_MOST_RUNG = 100
_TAKEN: Mapping[str, str] = {
    "INVITE": "486 Busy Here",
    **dict.fromkeys(("MESSAGE", "OPTIONS", "NOTIFY", "BYE", "CANCEL"), "200 OK"),
}

Headers = Sequence[tuple[str, str]]


class UserAgent:
    """One telephone at one server; raises Unreachable when no final answer comes in time.

    `rung` are the requests that reached it. A call that reaches it is answered 486, so that nobody
    waits; a call of its own is cancelled as soon as something rings, and ended if it is accepted.
    """

    def __init__(
        self,
        listener: Listener,
        *,
        addresses: Sequence[str],
        ca_pem: str = "",
        connect_timeout: float = 3.0,
        timeout: float = 6.0,
    ) -> None:
        self.rung: list[Request] = []
        self._timeout = timeout
        self._wire = Wire(listener, addresses=addresses, ca_pem=ca_pem, timeout=connect_timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._wire.close()

    @property
    def local_host(self) -> str:
        """The address that it sends from."""
        return self._wire.local_host

    def options(self, uri: str) -> Response:
        """Ask what a server or somebody at it can do (RFC 3261, 11)."""
        return self._ask("OPTIONS", uri, uri, None, [("Accept", "application/sdp")])

    def register(
        self, login: Login, *, expires: int | None = 60, device: str = "probe"
    ) -> Response:
        """Bind this socket to the address-of-record, as one of several devices.

        `expires` None leaves the time to the server; 0 takes the device away.
        """
        headers = [("Contact", f"<{self._contact(device)}>")]
        if expires is not None:
            headers.append(("Expires", str(expires)))
        return self._ask("REGISTER", f"sip:{login.domain}", login.uri, login, headers)

    def unregister_all(self, login: Login) -> Response:
        """Take every contact of the address-of-record away (RFC 3261, 10.2.2)."""
        headers = [("Contact", "*"), ("Expires", "0")]
        return self._ask("REGISTER", f"sip:{login.domain}", login.uri, login, headers)

    def message(self, sender: Login, uri: str, text: str, *, signs_in: bool = True) -> Response:
        """Write a message of plain text."""
        headers = [("Content-Type", "text/plain")]
        login = sender if signs_in else None
        return self._ask("MESSAGE", uri, uri, login, headers, text.encode(), sender.uri)

    def invite(self, caller: Login, uri: str, *, signs_in: bool = True) -> Response:
        """Call, without any media; what is answered, or what came before it was cancelled."""
        headers = [("Contact", f"<{self._contact(caller.user)}>")]
        login = caller if signs_in else None
        return self._ask("INVITE", uri, uri, login, headers, sender=caller.uri)

    def _contact(self, user: str) -> str:
        return f"sip:{user}@{self._wire.local};transport={self._wire.transport}"

    def _ask(
        self,
        method: str,
        uri: str,
        to: str,
        login: Login | None,
        headers: Headers,
        body: bytes = b"",
        sender: str = "",
    ) -> Response:
        sender = sender or (login.uri if login else f"sip:probe@{self._wire.local}")
        fixed = [
            ("Max-Forwards", "70"), ("From", f"<{sender}>;tag={secrets.token_hex(4)}"),
            ("To", f"<{to}>"), ("Call-ID", secrets.token_hex(12)), ("User-Agent", "rtcadmin"),
        ]  # fmt: skip
        more: list[tuple[str, str]] = []
        until = time.monotonic() + self._timeout
        number = 1
        while True:
            attempt = _Transaction(
                self, method, uri, [*fixed, ("CSeq", f"{number} {method}"), *headers, *more], body
            )
            response = attempt.run(until)
            if login is None or not response.challenges:
                return response
            asked, answered = _CREDENTIALS[response.status]
            challenge = choose(response.all(asked))
            # Once, and once more where the server says that only its nonce is too old.
            if number > 1 and not (challenge.stale and number == 2):
                return response
            number += 1
            more = [(answered, answer(challenge, method=method, uri=uri, login=login))]

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
        status = _TAKEN.get(request.method, "501 Not Implemented")
        # The same to every repetition (RFC 3261, 17.2): made of what they have in common.
        tag = hashlib.sha256(request.branch.encode()).hexdigest()[:8]
        headers = [
            (name.title(), f"{value};tag={tag}" if name == "to" and ";tag=" not in value else value)
            for name, value in request.headers
            if name in _REPEATED
        ]
        self.send(write_message(f"SIP/2.0 {status}", headers))


class _Transaction:
    """One request, repeated over UDP until it is answered (RFC 3261, 17.1)."""

    def __init__(
        self, agent: UserAgent, method: str, uri: str, headers: Headers, body: bytes
    ) -> None:
        self._agent = agent
        self._method, self._uri, self._headers, self._body = method, uri, headers, body
        self._branch = f"z9hG4bK{secrets.token_hex(8)}"

    def run(self, until: float) -> Response:
        """The final response, or the provisional one after which a call was cancelled."""
        packet = self._packet(self._method, self._branch, self._headers, self._body)
        self._agent.send(packet)
        pause, again = _T1, time.monotonic() + _T1
        pending: Response | None = None
        while time.monotonic() < until:
            repeats = self._agent.repeats and not (pending and self._method == "INVITE")
            response = self._agent.next_response(min(again, until) if repeats else until)
            if response is None:
                if repeats and time.monotonic() < until:
                    self._agent.send(packet)
                    pause = pause * 2 if self._method == "INVITE" else min(pause * 2, _T2)
                    again = time.monotonic() + pause
            elif self._answers(response, self._method):
                if response.status >= 200:
                    self._close(response)
                    return response
                pending = response
                if self._method == "INVITE" and response.status > 100:
                    break
        if pending is None or self._method != "INVITE":
            raise Unreachable(f"No answer to {self._method} within the time that is given.")
        return self._cancel(pending)

    def _cancel(self, pending: Response) -> Response:
        """Something rings, or takes long: nobody is to answer that (RFC 3261, 9.1)."""
        kept = [each for each in self._headers if each[0] in ("Max-Forwards", "From", "Call-ID")]
        number = self._number()
        headers = [*kept, ("To", self._to()), ("CSeq", f"{number} CANCEL")]
        self._agent.send(self._packet("CANCEL", self._branch, headers))
        until = time.monotonic() + _CANCELLED_WITHIN
        while (response := self._agent.next_response(until)) is not None:
            if self._answers(response, "INVITE") and response.status >= 200:
                self._close(response)
                return pending if response.status == 487 else response
        return pending

    def _close(self, response: Response) -> None:
        """What a call owes to its final answer: ACK, and BYE where somebody accepted it."""
        if self._method != "INVITE":
            return
        if not response.accepted:
            self._agent.send(self._within("ACK", self._uri, response, self._branch))
            return
        target = uri_of(response.first("contact")) or self._uri
        for number, method in enumerate(("ACK", "BYE")):
            branch = f"z9hG4bK{secrets.token_hex(8)}"
            self._agent.send(self._within(method, target, response, branch, number))

    def _within(
        self, method: str, uri: str, response: Response, branch: str, more: int = 0
    ) -> bytes:
        kept = [each for each in self._headers if each[0] in ("Max-Forwards", "From", "Call-ID")]
        routes = reversed(values_of(response.all("record-route"))) if response.accepted else ()
        headers = [
            *kept, *(("Route", route) for route in routes), ("To", response.first("to")),
            ("CSeq", f"{self._number() + more} {method}"),
        ]  # fmt: skip
        return self._packet(method, branch, headers, uri=uri)

    def _packet(
        self, method: str, branch: str, headers: Headers, body: bytes = b"", uri: str = ""
    ) -> bytes:
        first = f"{method} {uri or self._uri} SIP/2.0"
        return write_message(first, [self._agent.via(branch), *headers], body)

    def _answers(self, response: Response, method: str) -> bool:
        return response.branch == self._branch and response.cseq_method == method

    def _number(self) -> int:
        return int(next(value for name, value in self._headers if name == "CSeq").split()[0])

    def _to(self) -> str:
        return next(value for name, value in self._headers if name == "To")
