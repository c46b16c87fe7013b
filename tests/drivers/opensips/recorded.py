"""A server that answers as a real OpenSIPS did: MI as recorded, REGISTER and MESSAGE by its rules.

The recording is of 3.6.8; 3.4.18 answered alike in all but its numbers. The tables are those that
the real one reads. test_contract.py runs over either: the real one where RTCADMIN_OPENSIPS names
its folder.
"""

from __future__ import annotations

import json
import re
import secrets
import socket
import threading
import time
from collections.abc import Mapping
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lab.ports import HOST, free_port
from lab.sip import ECHOED, HASHES
from tests.drivers.conftest import Backend

RECORDED: Mapping[str, Any] = json.loads(
    Path(__file__).with_name("recorded.json").read_text(encoding="utf-8")
)
COLUMNS = {"MD5": "ha1", "SHA-256": "ha1_sha256", "SHA-512-256": "ha1_sha512t256"}
DIGITS = {"MD5": 32, "SHA-256": 64, "SHA-512-256": 64}
ACCOUNT = re.compile(r"sips?:([^@;>\s]+)@([^:;>\s]+)")


class RecordedOpenSips:
    """MI behind what asks for the secret, as nginx does, and a registrar on UDP.

    `algorithms` are those that it offers, as www_challenge takes them.
    """

    def __init__(self, backend: Backend, algorithms: str) -> None:
        self.backend = backend
        self.algorithms = algorithms.split(",")
        self.sip_port = free_port()
        self.rpc_secret = secrets.token_urlsafe(12)
        self.domains: set[str] = set()
        # By address-of-record and contact, as table `location` has them.
        self.contacts: dict[str, dict[str, dict[str, Any]]] = {}
        self.asked: list[dict[str, Any]] = []
        self._mi = ThreadingHTTPServer((HOST, 0), partial(_Mi, self))
        self.rpc_url = f"http://{HOST}:{self._mi.server_port}/mi"
        self._sip = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sip.bind((HOST, self.sip_port))

    def __enter__(self) -> Self:
        for serve in (self._mi.serve_forever, self._listen):
            threading.Thread(target=serve, daemon=True).start()
        self.load_domains()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._mi.shutdown()
        self._mi.server_close()
        # Closing alone would leave the thread in recvfrom.
        self._sip.sendto(b"", (HOST, self.sip_port))

    def load_domains(self) -> None:
        self.domains = {domain for (domain,) in self.backend.rows("SELECT domain FROM domain")}

    def answer(self, call: Mapping[str, Any]) -> Any:
        """What MI answers to a call, as it was recorded."""
        method, params = call["method"], call.get("params", {})
        self.asked.append(dict(call))
        if method in ("ul_show_contact", "ul_rm", "ul_rm_contact"):
            return self._about_contact(method, **params)
        if method == "domain_reload":
            self.load_domains()
        return RECORDED.get(method, RECORDED["no such method"])

    def _about_contact(self, method: str, table_name: str, aor: str, contact: str = "") -> Any:
        if table_name != "location":
            return RECORDED["no such table"]
        if "@" not in aor:
            return RECORDED["no domain"]
        known = self.contacts.get(aor, {})
        if method == "ul_show_contact" and known:
            told = RECORDED["ul_show_contact"]
            (model,) = told["result"]["Contacts"]
            live = [{**model, **_as_told(each)} for each in known.values()]
            return {**told, "result": {"AOR": aor, "Contacts": live}}
        if method == "ul_rm" or contact in known:
            for each in [contact] if contact else list(known):
                self._forget(aor, each)
            return RECORDED["ul_rm"]
        return RECORDED["no such contact" if known else "no such address"]

    def _forget(self, aor: str, contact: str) -> None:
        known = self.contacts.get(aor, {})
        if gone := known.pop(contact, None):
            self.backend.execute(
                f"DELETE FROM location WHERE contact_id = {gone['contact_id']}"  # noqa: S608
            )
        if not known:
            self.contacts.pop(aor, None)

    def _listen(self) -> None:
        while True:
            packet, source = self._sip.recvfrom(65_535)
            if not packet:
                self._sip.close()
                return
            first, *lines = packet.decode().partition("\r\n\r\n")[0].split("\r\n")
            if first.startswith("SIP/2.0"):
                self._pass_back(packet)
            elif first.startswith("REGISTER"):
                status, more = self._register(_headers(lines))
                self._reply(source, status, lines, more)
            else:
                self._pass_on(packet, first)

    def _register(self, headers: Mapping[str, str]) -> tuple[str, list[str]]:
        found = ACCOUNT.search(headers["to"])
        assert found
        user, domain = found.groups()
        if domain not in self.domains:
            return "403 Unknown Domain", []
        given = dict(re.findall(r'(\w+)="?([^",]+)', headers.get("authorization", "")))
        status = self._verified(user, domain, given)
        if status == "401 Unauthorized":
            nonce = secrets.token_urlsafe(24)
            return status, [
                f'WWW-Authenticate: Digest realm="{domain}", nonce="{nonce}", qop="auth", '
                f"algorithm={algorithm}"
                for algorithm in reversed(self.algorithms)
            ]
        if not status.startswith("200"):
            return status, []
        contact = re.sub(r"^<|>.*$", "", headers["contact"])
        self._forget(f"{user}@{domain}", contact)
        known = {
            "contact_id": secrets.randbelow(1 << 61), "username": user, "domain": domain,
            "contact": contact, "expires": int(time.time()) + int(headers["expires"]),
            "user_agent": "n/a", "socket": f"udp:{HOST}:{self.sip_port}",
            "last_modified": time.strftime("%Y-%m-%d %H:%M:%S"),
        }  # fmt: skip
        self.backend.insert("location", {name: str(value) for name, value in known.items()})
        self.contacts.setdefault(f"{user}@{domain}", {})[contact] = known
        return status, [f"Contact: <{contact}>;expires={headers['expires']}"]

    def _verified(self, user: str, domain: str, given: Mapping[str, str]) -> str:
        if given.get("realm") != domain:
            return "401 Unauthorized"
        algorithm = given.get("algorithm", "MD5")
        rows = self.backend.rows(
            f"SELECT {COLUMNS[algorithm]} FROM subscriber "  # noqa: S608
            f"WHERE username = '{given['username']}' AND domain = '{domain}'"
        )
        if not rows:
            return "401 Unauthorized"
        ((ha1,),) = rows
        if len(ha1) != DIGITS[algorithm]:
            return "500 Server Internal Error"

        def hashed(*parts: str) -> str:
            return HASHES[algorithm](":".join(parts).encode()).hexdigest()

        wanted = hashed(
            ha1, given["nonce"], given["nc"], given["cnonce"], given["qop"],
            hashed("REGISTER", given["uri"]),
        )  # fmt: skip
        if given["response"] != wanted:
            return "401 Unauthorized"
        return "200 OK" if given["username"] == user else "403 Not Your Address"

    def _pass_on(self, packet: bytes, first: str) -> None:
        """To the contact of whom the number or the address belongs to."""
        found = ACCOUNT.search(first)
        assert found
        user, domain = found.groups()
        alias = self.backend.rows(
            "SELECT username, domain FROM dbaliases "  # noqa: S608
            f"WHERE alias_username = '{user}' AND alias_domain = '{domain}'"
        )
        user, domain = alias[0] if alias else (user, domain)
        contact = next(iter(self.contacts[f"{user}@{domain}"]))
        method, _, _ = first.split(" ")
        via = f"Via: SIP/2.0/UDP {HOST}:{self.sip_port};branch=z9hG4bK{secrets.token_hex(8)}"
        rest = packet.partition(b"\r\n")[2]
        passed = f"{method} {contact} SIP/2.0\r\n{via}\r\n".encode() + rest
        self._sip.sendto(passed, _address(contact.partition("@")[2]))

    def _pass_back(self, packet: bytes) -> None:
        first, _, rest = packet.partition(b"\r\n")
        without_ours = rest.partition(b"\r\n")[2]
        sent_by = re.search(rb"Via: SIP/2.0/UDP ([^;]+)", without_ours)
        assert sent_by
        self._sip.sendto(first + b"\r\n" + without_ours, _address(sent_by[1].decode()))

    def _reply(self, source: Any, status: str, lines: list[str], more: list[str]) -> None:
        echoed = [each for each in lines if each.partition(":")[0].lower() in ECHOED]
        text = "\r\n".join([f"SIP/2.0 {status}", *echoed, *more, "Content-Length: 0", "", ""])
        self._sip.sendto(text.encode(), source)


class _Mi(BaseHTTPRequestHandler):
    """MI over HTTP: always 200, errors in the body; in front of it nginx asks for the secret."""

    protocol_version = "HTTP/1.1"

    def __init__(self, opensips: RecordedOpenSips, *arguments: Any) -> None:
        self._opensips = opensips
        super().__init__(*arguments)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["X-RPC-Secret"] != self._opensips.rpc_secret:
            self._send(401, "text/html", b"<html>401 Authorization Required</html>")
            return
        # Whatever is not declared as JSON is never answered.
        assert self.headers["Content-Type"] == "application/json"
        answer = self._opensips.answer(json.loads(body))
        self._send(200, "application/json", json.dumps(answer).encode())

    def _send(self, status: int, media_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def _as_told(contact: Mapping[str, Any]) -> dict[str, Any]:
    """What ul_show_contact says of a contact beside what is always the same."""
    return {
        "Contact": contact["contact"],
        "ContactID": str(contact["contact_id"]),
        "Expires": contact["expires"] - int(time.time()),
        "Socket": contact["socket"],
    }


def _headers(lines: list[str]) -> dict[str, str]:
    pairs = (line.partition(":") for line in lines)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _address(place: str) -> tuple[str, int]:
    host, _, port = place.partition(";")[0].partition(":")
    return host, int(port)
