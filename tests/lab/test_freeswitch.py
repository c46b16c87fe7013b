"""What stands in for a FreeSWITCH does as a real one, where the machine has one to compare."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from lab import freeswitch_recorded as recorded
from lab.freeswitch import VARIABLE, FreeSwitch, prefix
from lab.freeswitch_stand_in import StandIn
from lab.ports import HOST
from lab.sip import HASHES, Login, SipClient

DOMAIN = "corp.example"
AMY = Login("amy", DOMAIN, "correct")
NUMBER = "+49301"
NOT_FOUND = '<document><section name="result"><result status="not found"/></section></document>'
USER = (
    '<document type="freeswitch/xml"><section name="directory"><domain name="{domain}">'
    '<user id="amy" number-alias="{asked}"><params>{params}</params></user></domain></section>'
    "</document>"
)
PARAM = '<param name="{}" value="{}"/>'


@dataclass
class Console:
    """Who is asked: amy, her number, and a user without any parameter; it keeps what was posted."""

    forms: list[str] = field(default_factory=list)
    algorithm: str = "MD5"

    def answer(self, form: str) -> str:
        self.forms.append(form)
        asked = dict(parse_qsl(form))
        user, signs_in = asked.get("user", ""), asked.get("action") == "sip_auth"
        if user not in ("amy", "open", "blocked") and (user != NUMBER or signs_in):
            return NOT_FOUND
        told = {"a1-hash": self._digest()} if user != "open" else {}
        if user == "blocked":
            told["sip-forbid-register"] = "true"
        if not signs_in:
            told["dial-string"] = f"${{sofia_contact(*/amy@{DOMAIN})}}"
        params = "".join(PARAM.format(*each) for each in told.items())
        return USER.format(domain=asked["domain"], asked=user, params=params)

    def _digest(self) -> str:
        return HASHES[self.algorithm](f"amy:{DOMAIN}:correct".encode()).hexdigest()


@pytest.fixture
def console() -> Console:
    return Console()


@pytest.fixture
def ask(console: Console) -> Iterator[str]:
    class Question(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = self.rfile.read(int(self.headers["Content-Length"])).decode()
            body = console.answer(form).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *values: object) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer((HOST, 0), Question) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://{HOST}:{server.server_port}/directory"
        server.shutdown()


@pytest.fixture(params=[StandIn, FreeSwitch], ids=["stand-in", "real"])
def server(
    request: pytest.FixtureRequest, tmp_path: Path, ask: str, console: Console
) -> Iterator[FreeSwitch | StandIn]:
    if request.param is FreeSwitch and prefix() is None:
        pytest.skip(f"This machine has no FreeSWITCH; {VARIABLE} names its folder.")
    with request.param(tmp_path, ask, algorithms="MD5,SHA-256") as server:
        console.forms.clear()
        yield server


def say(server: FreeSwitch | StandIn, *lines: str) -> str:
    """What the event socket says to lines, from the greeting to its end or a silence."""
    said = b""
    with socket.create_connection((HOST, server.control_port), timeout=1) as connection:
        connection.sendall("".join(f"{line}\n\n" for line in lines).encode())
        with suppress(TimeoutError):
            while piece := connection.recv(65_536):
                said += piece
    return said.decode()


def test_who_is_told_of_registers_and_nobody_else(
    server: FreeSwitch | StandIn, console: Console
) -> None:
    with SipClient(server.sip_port) as client:
        for algorithm in ("MD5", "SHA-256"):
            console.algorithm = algorithm
            login = Login("amy", DOMAIN, "correct", algorithm=algorithm)
            assert client.register(login).status == 200
            assert client.register(Login("amy", DOMAIN, "wrong", algorithm=algorithm)).status == 403
        assert client.register(Login("nobody", DOMAIN, "correct")).status == 403
        assert client.register(Login("blocked", DOMAIN, "correct")).status == 403


def test_a_user_without_a_digest_is_let_in(server: FreeSwitch | StandIn) -> None:
    # Why no answer of the console is without one.
    with SipClient(server.sip_port) as client:
        assert client.register(Login("open", DOMAIN, "whatever")).status == 200


def test_it_asks_as_recorded(server: FreeSwitch | StandIn, console: Console) -> None:
    with SipClient(server.sip_port) as client:
        assert client.register(AMY).status == 200
        uri = f"sip:{NUMBER}@{DOMAIN}"
        sdp = (
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            "m=audio 40000 RTP/AVP 0\r\n"
        )
        headers = {"Contact": "<sip:amy@127.0.0.1>", "Content-Type": "application/sdp"}
        client.request("INVITE", uri, uri, AMY, headers, sdp)
        assert client.wait_for_request().startswith("INVITE sip:amy@")
    number = NUMBER.replace("+", "%2B")
    wanted = [
        recorded.filled(
            recorded.SIGN_IN, domain=DOMAIN, user="amy", to_user=to_user, to_host=DOMAIN,
            method=method,
        )
        for method, to_user in (("REGISTER", "amy"), ("INVITE", number))
    ]  # fmt: skip
    wanted += [
        recorded.filled(form, domain=DOMAIN, user=number)
        for form in (recorded.EXISTS, recorded.CALL)
    ]
    asked = [re.sub("hostname=[^&]*", "hostname=vm", form) for form in console.forms]
    assert asked == wanted


def test_its_event_socket_answers_as_recorded(server: FreeSwitch | StandIn) -> None:
    assert say(server, "auth guess") == recorded.HELLO + recorded.INVALID + recorded.GOODBYE
    with SipClient(server.sip_port) as client:
        assert client.register(AMY).status == 200
        told = {
            "version": recorded.VERSION,
            "sofia xmlstatus": recorded.filled(recorded.PROFILES, port=server.sip_port),
            f"sofia xmlstatus profile internal user bob@{DOMAIN}": recorded.filled(
                recorded.REGISTRATIONS, each=""
            ),
            "sofia xmlstatus profile none user a@b": recorded.NO_PROFILE,
            "sofia profile none flush_inbound_reg x": recorded.INVALID_PROFILE,
            f"sofia profile internal flush_inbound_reg bob@{DOMAIN}": recorded.FLUSHED,
            "show calls count": recorded.filled(recorded.COUNT, count=0),
            f"user_exists id amy {DOMAIN}": "true",
            f"user_exists id nobody {DOMAIN}": "false",
            "nonsense": recorded.filled(recorded.UNKNOWN_COMMAND, command="nonsense"),
        }
        said = say(server, f"auth {server.control_secret}", *(f"api {line}" for line in told))
        answers = (
            recorded.filled(recorded.ANSWER, length=len(body), body=body) for body in told.values()
        )
        assert said == "".join([recorded.HELLO, recorded.ACCEPTED, *answers])


def test_a_registration_is_told_as_recorded_and_ends(server: FreeSwitch | StandIn) -> None:
    aor = f"amy@{DOMAIN}"
    command = f"api sofia xmlstatus profile internal user {aor}"
    with SipClient(server.sip_port) as client:
        assert client.register(AMY).status == 200
        port = client._address.partition(":")[2]
    said = say(server, f"auth {server.control_secret}", command)
    body = said.partition(recorded.ACCEPTED)[2].partition("\n\n")[2]
    call_id = re.search("<call-id>(.*)</call-id>", body)
    assert call_id
    wanted = recorded.filled(
        recorded.REGISTRATION, call_id=call_id[1], aor=aor, port=port, user="amy", domain=DOMAIN,
        contact=f"sip:amy@{HOST}:{port};transport=udp", seconds="@SECONDS@",
    )  # fmt: skip
    wanted = re.sub(r"exp\([^)]*\)", "exp(…)", recorded.filled(recorded.REGISTRATIONS, each=wanted))
    told = re.sub(r"exp\([^)]*\) expsecs\(1[12]\d\)", "exp(…) expsecs(@SECONDS@)", body)
    assert re.sub("<host>.*</host>", "<host>vm</host>", told) == wanted
    flush = f"api sofia profile internal flush_inbound_reg {aor}"
    said = say(server, f"auth {server.control_secret}", flush, command)
    assert "<registration>" not in said
