"""A SIP user agent over one socket: what it asks ends at once, and no call of its goes on.

RFC 3261: client transactions (17.1), digest (22), calls that are cancelled or ended (9, 15);
RFC 3428: messages; RFC 6665: subscriptions that end at once. What the server asks meanwhile is
answered, so that an agent can call itself.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from provisioning.core.records import Listener, Transport
from provisioning.drivers.sip.digest import Login, answer, choose
from provisioning.drivers.sip.endpoint import Endpoint
from provisioning.drivers.sip.message import (
    Request,
    Response,
    parameter,
    uri_of,
    values_of,
)
from provisioning.drivers.sip.transaction import Headers, Transaction
from provisioning.drivers.sip.wire import Wire

_CREDENTIALS: Mapping[int, tuple[str, str]] = {
    401: ("www-authenticate", "Authorization"),
    407: ("proxy-authenticate", "Proxy-Authorization"),
}
# Seconds for what follows on a subscription, and between two looks whether it came.
_TOLD_WITHIN, _LOOK = 2.0, 0.05


class UserAgent:
    """One telephone at one server; raises Unreachable when no final answer comes in time.

    A call that reaches it is answered 486, so that nobody waits, unless it is let ring; a call of
    its own is cancelled as soon as something rings, and ended if it is accepted.
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
        self._timeout = timeout
        self._wire = Wire(listener, addresses=addresses, ca_pem=ca_pem, timeout=connect_timeout)
        self._endpoint = Endpoint(self._wire)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up for good."""
        self._wire.close()

    @property
    def rung(self) -> Sequence[Request]:
        """The requests that reached it."""
        return self._endpoint.rung

    @property
    def local_host(self) -> str:
        """The address that it sends from."""
        return self._wire.local_host

    @property
    def transport(self) -> Transport:
        """What it speaks over."""
        return self._wire.transport

    @contextmanager
    def ringing(self, device: str) -> Iterator[None]:
        """Meanwhile this device of its own rings when it is called, until that is cancelled."""
        self._endpoint.rings = device
        try:
            yield
        finally:
            self._endpoint.rings = None

    def options(self, uri: str, *, within: float | None = None) -> Response:
        """Ask what a server or somebody at it can do (RFC 3261, 11), within so many seconds."""
        headers = [("Accept", "application/sdp")]
        return self._ask("OPTIONS", uri, uri, None, headers, within=within)

    def register(
        self,
        login: Login,
        *,
        expires: int | None = 60,
        device: str = "probe",
        signs_in: bool = True,
    ) -> Response:
        """Bind this socket to the address-of-record, as one of several devices.

        `expires` None leaves the time to the server; 0 takes the device away.
        """
        headers = [("Contact", f"<{self._contact(device)}>")]
        if expires is not None:
            headers.append(("Expires", str(expires)))
        signer = login if signs_in else None
        return self._ask(
            "REGISTER", f"sip:{login.domain}", login.uri, signer, headers, sender=login.uri
        )

    def unregister_all(self, login: Login) -> Response:
        """Take every contact of the address-of-record away (RFC 3261, 10.2.2)."""
        headers = [("Contact", "*"), ("Expires", "0")]
        return self._ask("REGISTER", f"sip:{login.domain}", login.uri, login, headers)

    def message(self, sender: Login, uri: str, text: str, *, signs_in: bool = True) -> Response:
        """Write a message of plain text."""
        headers = [("Content-Type", "text/plain")]
        login = sender if signs_in else None
        return self._ask("MESSAGE", uri, uri, login, headers, text.encode(), sender.uri)

    def subscribe(self, login: Login, event: str) -> tuple[Response, bool]:
        """Ask once for what is told of one's own address, and whether that came with NOTIFY."""
        before = len(self.rung)
        headers = [
            ("Contact", f"<{self._contact(login.user)}>"), ("Event", event), ("Expires", "0"),
        ]  # fmt: skip
        answer = self._ask("SUBSCRIBE", login.uri, login.uri, login, headers, sender=login.uri)
        until = time.monotonic() + _TOLD_WITHIN

        def told() -> bool:
            return any(each.method == "NOTIFY" for each in self.rung[before:])

        while answer.accepted and not told() and time.monotonic() < until:
            self._endpoint.next_response(min(until, time.monotonic() + _LOOK))
        return answer, told()

    def invite(
        self,
        caller: Login,
        uri: str,
        *,
        signs_in: bool = True,
        patience: float = 0.0,
        prefers: str = "",
    ) -> Response:
        """Call, without any media; what is answered, or what came before it was cancelled.

        With `patience` it may ring for so many seconds, beside those for an answer. `prefers` is
        the number that the caller wants to be known by (RFC 3325).
        """
        headers = [("Contact", f"<{self._contact(caller.user)}>")]
        if prefers:
            headers.append(("P-Preferred-Identity", f"<sip:{prefers}@{caller.domain}>"))
        login = caller if signs_in else None
        within = self._timeout + patience
        return self._ask(
            "INVITE", uri, uri, login, headers, sender=caller.uri, within=within,
            patient=patience > 0,
        )  # fmt: skip

    def lasts(self, response: Response) -> int | None:
        """For how many seconds a registration of this socket lasts, by what accepted it."""
        for value in values_of(response.all("contact")):
            if self._wire.local in uri_of(value):
                given = parameter(value, "expires") or response.first("expires")
                return int(given) if given.isdecimal() else None
        return None

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
        within: float | None = None,
        patient: bool = False,
    ) -> Response:
        sender = sender or (login.uri if login else f"sip:probe@{self._wire.local}")
        fixed = [
            ("Max-Forwards", "70"), ("From", f"<{sender}>;tag={secrets.token_hex(4)}"),
            ("To", f"<{to}>"), ("Call-ID", secrets.token_hex(12)), ("User-Agent", "rtcadmin"),
        ]  # fmt: skip
        more: list[tuple[str, str]] = []
        until = time.monotonic() + (within or self._timeout)
        number = 1
        while True:
            attempt = Transaction(
                self._endpoint,
                method,
                uri,
                [*fixed, ("CSeq", f"{number} {method}"), *headers, *more],
                body,
                patient=patient,
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
