"""What stands in for a FreeSWITCH where the machine has none: it asks and answers as recorded.

A registrar and an event socket in this process. It signs in, refuses and rings as mod_sofia 1.11.2
does, as far as drivers can see; `tests/lab/test_freeswitch.py` holds it against the real one.
"""

import base64
import re
import secrets
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from socketserver import BaseRequestHandler, StreamRequestHandler, ThreadingTCPServer
from socketserver import ThreadingUDPServer as UDPServer
from urllib.parse import quote
from xml.etree import ElementTree

from lab.freeswitch_recorded import (
    ACCEPTED,
    ANSWER,
    CALL,
    COUNT,
    EXISTS,
    FLUSHED,
    GOODBYE,
    HELLO,
    INVALID,
    INVALID_PROFILE,
    NO_PROFILE,
    PROFILES,
    REGISTRATION,
    REGISTRATIONS,
    SIGN_IN,
    UNKNOWN_COMMAND,
    UPTIME,
    VERSION,
    filled,
)
from lab.ports import HOST
from lab.process import Counterpart
from lab.sip import HASHES
from lab.state import State

_FIELD = re.compile(r'(\w+)=(?:"([^"]*)"|([^\s,]+))')
_URI = re.compile(r"<?sips?:([^@>;]*)@?([^>;]*)")
_REPEATED = ("via", "from", "to", "call-id", "cseq")
_EXISTS = re.compile(r"user_exists id (\S+) (\S+)")
_ONE = re.compile(r"sofia xmlstatus profile (\S+) user (\S+)")
_FLUSH = re.compile(r"sofia profile (\S+) flush_inbound_reg (\S+)")
_RUNG = re.compile(r"\$\{sofia_contact\(\*/([^)]*)\)\}")
_PROFILE = "internal"
_LATER = 60


@dataclass
class Contact:
    """One registration, as it came."""

    aor: str
    contact: str
    port: int
    until: float


class StandIn(Counterpart):
    """The same to drivers and clients as lab.freeswitch.FreeSwitch; SIP over UDP alone."""

    def __init__(self, directory: Path, ask: str, *, algorithms: str = "MD5") -> None:
        state = State(directory)
        self.ask = ask
        # The stronger first (RFC 8760, section 2.4), however they are configured.
        self.algorithms = sorted(algorithms.split(","), reverse=True)
        self.sip_port = state.port("sip")
        self.control_port = state.port("control")
        self.control_url = f"esl://{HOST}:{self.control_port}"
        self.control_secret = state.secret("control")
        self.contacts: dict[str, Contact] = {}
        self._servers: list[ThreadingTCPServer | UDPServer] = []

    def start(self) -> None:
        if not self._servers:
            self._servers = [_Control((HOST, self.control_port), self), _Sip(self)]
            for server in self._servers:
                threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()
        self._servers.clear()

    def look_up(self, form: str, **known: str) -> dict[str, str] | None:
        """The parameters of the user that the console tells of, and its `id`; None for nobody."""
        text = filled(form, **{name: quote(value, safe="") for name, value in known.items()})
        basic = base64.b64encode(f"rtcadmin:{self.control_secret}".encode()).decode()
        request = urllib.request.Request(  # noqa: S310 - the console of a test
            self.ask, text.encode(), {"Authorization": f"Basic {basic}"}
        )
        with suppress(OSError), urllib.request.urlopen(request, timeout=15) as answer:  # noqa: S310
            for user in ElementTree.fromstring(answer.read()).iter("user"):  # noqa: S314
                if known["user"] in (user.get("id"), user.get("number-alias")):
                    told = {each.get("name", ""): each.get("value", "") for each in user.iter()}
                    return {**told, "id": user.get("id", "")}
        return None

    def of(self, aor: str) -> list[tuple[str, Contact]]:
        """Call-ID and contact of each live registration of an address."""
        now = time.time()
        return [
            (key, each)
            for key, each in self.contacts.items()
            if aor in ("", each.aor) and each.until > now
        ]

    def command(self, line: str) -> str:
        """What an API command answers."""
        fixed = {
            "version": VERSION,
            "uptime": UPTIME,
            "show registrations count": filled(COUNT, count=len(self.of(""))),
            "show calls count": filled(COUNT, count=0),
            "sofia xmlstatus": filled(PROFILES, port=self.sip_port),
        }
        if line in fixed:
            return fixed[line]
        if found := _EXISTS.fullmatch(line):
            known = self.look_up(EXISTS, user=found[1], domain=found[2])
            return "true" if known else "false"
        if found := _ONE.fullmatch(line):
            return self._told(found[2]) if found[1] == _PROFILE else NO_PROFILE
        if found := _FLUSH.fullmatch(line):
            return self._flush(found[2]) if found[1] == _PROFILE else INVALID_PROFILE
        return filled(UNKNOWN_COMMAND, command=line.split()[0])

    def _flush(self, what: str) -> str:
        for key, each in self.of(""):
            if what in (key, each.aor):
                del self.contacts[key]
        return FLUSHED

    def _told(self, aor: str) -> str:
        each = (
            filled(
                REGISTRATION, call_id=key, aor=aor, contact=contact.contact, port=contact.port,
                seconds=int(contact.until - time.time()), user=aor.partition("@")[0],
                domain=aor.partition("@")[2],
            )
            for key, contact in self.of(aor)
        )  # fmt: skip
        return filled(REGISTRATIONS, each="".join(each))


class _Control(ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, place: tuple[str, int], owner: StandIn) -> None:
        self.owner = owner
        super().__init__(place, _Conversation)


class _Conversation(StreamRequestHandler):
    server: _Control

    def handle(self) -> None:
        self._send(HELLO)
        lines = self._lines()
        if next(lines, "") != f"auth {self.server.owner.control_secret}":
            self._send(INVALID + GOODBYE)
            return
        self._send(ACCEPTED)
        for line in lines:
            body = self.server.owner.command(line.removeprefix("api "))
            self._send(filled(ANSWER, length=len(body.encode()), body=body))

    def _lines(self) -> Iterator[str]:
        for line in self.rfile:
            if text := line.decode().strip():
                yield text

    def _send(self, text: str) -> None:
        self.wfile.write(text.encode())


class _Sip(UDPServer):
    allow_reuse_address = True
    daemon_threads = True
    max_packet_size = 65_535

    def __init__(self, owner: StandIn) -> None:
        self.owner = owner
        self.nonce = secrets.token_hex(8)
        super().__init__((HOST, owner.sip_port), _Request)


class _Request(BaseRequestHandler):
    server: _Sip
    request: tuple[bytes, socket.socket]

    def handle(self) -> None:
        packet, self._socket = self.request
        first, *self._lines = packet.partition(b"\r\n\r\n")[0].decode().split("\r\n")
        self._method, uri, *_ = first.split(" ", 2)
        if first.startswith("SIP/") or self._method == "ACK":
            return
        pairs = (line.partition(":") for line in self._lines)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        user = self._signed_in(headers)
        if user and self._method == "REGISTER":
            self._register(headers)
        elif user:
            self._ring(_parts(uri)[0], user[1])

    def _signed_in(self, headers: Mapping[str, str]) -> tuple[str, str] | None:
        """Who proved itself; None where the answer was sent."""
        name, asks, status = (
            ("authorization", "WWW-Authenticate", 401)
            if self._method == "REGISTER"
            else ("proxy-authorization", "Proxy-Authenticate", 407)
        )
        if name not in headers:
            realm = _parts(headers["from"])[1]
            challenges = [
                f'{asks}: Digest realm="{realm}", nonce="{self.server.nonce}", algorithm={each}, '
                'qop="auth"'
                for each in self.server.owner.algorithms
            ]
            self._reply(status, *challenges)
            return None
        told = {key: quoted or plain for key, quoted, plain in _FIELD.findall(headers[name])}
        user, domain = told["username"], told["realm"]
        to_user, to_host = _parts(headers["to"])
        found = None
        if self._method != "REGISTER" or to_user == user:
            found = self.server.owner.look_up(
                SIGN_IN, user=user, domain=domain, to_user=to_user, to_host=to_host,
                method=self._method,
            )  # fmt: skip
        if found is None or found.get("sip-forbid-register") or not self._right(told, found):
            self._reply(403)
            return None
        return user, domain

    def _right(self, told: Mapping[str, str], found: Mapping[str, str]) -> bool:
        algorithm = told.get("algorithm", "MD5")
        if algorithm not in self.server.owner.algorithms:
            return False

        def hashed(*values: str) -> str:
            return HASHES[algorithm](":".join(values).encode()).hexdigest()

        # Without one, mod_sofia lets everybody in.
        if not (known := found.get("a1-hash", "")):
            return True
        shown = (told["nonce"], told["nc"], told["cnonce"], "auth")
        return told["response"] == hashed(known, *shown, hashed(self._method, told["uri"]))

    def _register(self, headers: Mapping[str, str]) -> None:
        key, seconds = headers["call-id"], int(headers.get("expires", "3600"))
        contact = headers["contact"].strip("<>")
        if seconds:
            self.server.owner.contacts[key] = Contact(
                "@".join(_parts(headers["to"])), contact, self.client_address[1],
                time.time() + seconds + _LATER,
            )  # fmt: skip
        else:
            self.server.owner.contacts.pop(key, None)
        self._reply(200, f"Contact: <{contact}>;expires={seconds}")

    def _ring(self, number: str, domain: str) -> None:
        """As the dialplan of the setup guide: whom the console knows is rung."""
        owner = self.server.owner
        if not owner.look_up(EXISTS, user=number, domain=domain):
            self._reply(480)
            return
        found = owner.look_up(CALL, user=number, domain=domain) or {}
        rung = _RUNG.search(found.get("dial-string", ""))
        for _, contact in owner.of(rung[1] if rung else "nobody"):
            lines = [f"INVITE {contact.contact} SIP/2.0", *self._lines]
            place = (HOST, contact.port)
            self._socket.sendto("\r\n".join([*lines, "", ""]).encode(), place)
        self._reply(500)

    def _reply(self, status: int, *more: str) -> None:
        repeated = [line for line in self._lines if line.split(":")[0].lower() in _REPEATED]
        lines = [f"SIP/2.0 {status} Lab", *repeated, *more, "Content-Length: 0", "", ""]
        self._socket.sendto("\r\n".join(lines).encode(), self.client_address)


def _parts(header: str) -> tuple[str, str]:
    """User and host of the SIP URI in a header."""
    found = _URI.search(header)
    return (found[1], found[2]) if found else ("", "")
