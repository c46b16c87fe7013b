"""The manager interface of one Asterisk over HTTP(S), as res_http's /rawman speaks it.

Actions and their answers are those of TCP port 5038; a session is a cookie. The secret travels in
a body, never in an address.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import urlencode

from provisioning.core.errors import AccessRefused, Rejected
from provisioning.core.records import ServerRecord
from provisioning.drivers.http import HttpClient, Request

USER = "rtcadmin"
"""The console's user on the manager and on the REST interface."""

_PATH = "rawman"
_FORM = "application/x-www-form-urlencoded"

Fields = Mapping[str, str]


class ActionFault(Rejected):
    """Asterisk itself answered with an error; `said` holds its words alone."""

    def __init__(self, message: str, said: str) -> None:
        super().__init__(message)
        self.said = said


class ManagerClient:
    """Sends actions in one session; for one thread at a time."""

    def __init__(self, server: ServerRecord, http: HttpClient) -> None:
        self._server = server
        self._http = http
        self._session = ""

    def act(self, action: str, until: float, **fields: str) -> list[Fields]:
        """The answer to an action and the events that belong to it; ActionFault where refused."""
        for value in fields.values():
            if any(ord(character) < 32 for character in value):
                raise Rejected(f"{value[:80]!r} holds a control character: it was not sent.")
        if not self._session:
            self._sign_in(until)
        answer, *events = self._send({"action": action, **fields}, until)
        if answer.get("Response") == "Success":
            return [answer, *events]
        said = self._http.words(answer.get("Message", ""))
        raise ActionFault(f"{self._http.named} refused {action}: {said}", said)

    def _sign_in(self, until: float) -> None:
        secret = {"username": USER, "secret": self._server.rpc_secret}
        answer, *_ = self._send({"action": "Login", **secret, "events": "off"}, until)
        if answer.get("Response") != "Success":
            raise AccessRefused(
                f"{self._http.named} answers and refuses the control secret of the user {USER}. "
                "Nothing was changed there. Set the same secret on both sides: in this server's "
                "form, and in its manager.conf. The setup guide has the lines."
            )

    def _send(self, fields: Fields, until: float) -> list[Fields]:
        headers = {"Content-Type": _FORM}
        if self._session:
            headers["Cookie"] = self._session
        action = fields["action"]
        request = Request(
            action,
            path=self._http.path_of(_PATH),
            content=urlencode(fields).encode(),
            headers=headers,
        )
        answer = self._http.ask(request, until)
        self._http.require_ok(answer)
        cookie = answer.headers.get("Set-Cookie", "")
        if cookie:
            self._session = cookie.partition(";")[0]
        packets = list(_packets(answer.text))
        if not packets or "Response" not in packets[0]:
            self._http.reject(f"its answer to {action} is not that of a manager interface")
        return packets


def _packets(text: str) -> Iterator[Fields]:
    """Answer and events: lines of a name and a value, set apart by empty lines."""
    for packet in text.replace("\r\n", "\n").split("\n\n"):
        lines = (line.partition(":") for line in packet.split("\n") if ":" in line)
        if fields := {name.strip(): value.strip() for name, _, value in lines}:
            yield fields
