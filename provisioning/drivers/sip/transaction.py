"""Client transactions: a request, repeated over UDP until it is answered (RFC 3261, 17.1)."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence

from provisioning.core.errors import Unreachable
from provisioning.drivers.sip.endpoint import Endpoint
from provisioning.drivers.sip.message import Response, uri_of, values_of, write_message

# RFC 3261, 17.1.1.1: the first repetition over UDP, doubled up to the second.
_T1, _T2 = 0.5, 4.0
# Any other final answer to a call comes after CANCEL within so many seconds, or never.
_CANCELLED_WITHIN = 2.0

Headers = Sequence[tuple[str, str]]


class Transaction:
    """One request and what answers it; a call ends here, whatever becomes of it.

    Only a `patient` one goes on while something rings.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        method: str,
        uri: str,
        headers: Headers,
        body: bytes,
        *,
        patient: bool = False,
    ) -> None:
        self._endpoint = endpoint
        self._method, self._uri, self._headers, self._body = method, uri, headers, body
        self._patient = patient
        self._branch = f"z9hG4bK{secrets.token_hex(8)}"

    def run(self, until: float) -> Response:
        """The final response, or the provisional one after which a call was cancelled."""
        packet = self._packet(self._method, self._branch, self._headers, self._body)
        self._endpoint.send(packet)
        pause, again = _T1, time.monotonic() + _T1
        pending: Response | None = None
        while time.monotonic() < until:
            repeats = self._endpoint.repeats and not (pending and self._method == "INVITE")
            response = self._endpoint.next_response(min(again, until) if repeats else until)
            if response is None:
                if repeats and time.monotonic() < until:
                    self._endpoint.send(packet)
                    pause = pause * 2 if self._method == "INVITE" else min(pause * 2, _T2)
                    again = time.monotonic() + pause
            elif self._answers(response, self._method):
                if response.status >= 200:
                    self._close(response)
                    return response
                pending = response
                if self._method == "INVITE" and response.status > 100 and not self._patient:
                    break
        if pending is None or self._method != "INVITE":
            raise Unreachable(f"No answer to {self._method} within the time that is given.")
        return self._cancel(pending)

    def _cancel(self, pending: Response) -> Response:
        """Something rings, or takes long: nobody is to answer that (RFC 3261, 9.1)."""
        kept = [each for each in self._headers if each[0] in ("Max-Forwards", "From", "Call-ID")]
        number = self._number()
        headers = [*kept, ("To", self._to()), ("CSeq", f"{number} CANCEL")]
        self._endpoint.send(self._packet("CANCEL", self._branch, headers))
        until = time.monotonic() + _CANCELLED_WITHIN
        while (response := self._endpoint.next_response(until)) is not None:
            if self._answers(response, "INVITE") and response.status >= 200:
                self._close(response)
                return pending if response.status == 487 else response
        return pending

    def _close(self, response: Response) -> None:
        """What a call owes to its final answer: ACK, and BYE where somebody accepted it."""
        if self._method != "INVITE":
            return
        if not response.accepted:
            self._endpoint.send(self._within("ACK", self._uri, response, self._branch))
            return
        target = uri_of(response.first("contact")) or self._uri
        for number, method in enumerate(("ACK", "BYE")):
            branch = f"z9hG4bK{secrets.token_hex(8)}"
            self._endpoint.send(self._within(method, target, response, branch, number))

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
        return write_message(first, [self._endpoint.via(branch), *headers], body)

    def _answers(self, response: Response, method: str) -> bool:
        return response.branch == self._branch and response.cseq_method == method

    def _number(self) -> int:
        return int(next(value for name, value in self._headers if name == "CSeq").split()[0])

    def _to(self) -> str:
        return next(value for name, value in self._headers if name == "To")
