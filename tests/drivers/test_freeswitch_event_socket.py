"""The event socket, against answers that FreeSWITCH gives and some that it does not."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field

import pytest

from lab import freeswitch_recorded as recorded
from lab.ports import HOST
from provisioning.core.errors import ProvisioningError, Rejected, Unreachable
from provisioning.core.records import ServerRecord
from provisioning.drivers.freeswitch.server import FreeSwitchServer

SECRET = "esl-s3cret"
AOR = "ann@voice.example.com"
HEAD = "Content-Type: api/response\nContent-Length: {}\n\n"


@dataclass
class Stub:
    """A server that sends `greeting`, then one of `answers` for each command; "" is silence."""

    listener: socket.socket
    greeting: str = recorded.HELLO
    answers: list[str] = field(default_factory=lambda: [recorded.ACCEPTED])
    commands: list[str] = field(default_factory=list)
    connections: int = 0
    pause: float = 0.0

    def serve(self) -> None:
        with suppress(OSError):
            while True:
                line, _ = self.listener.accept()
                self.connections += 1
                threading.Thread(target=self._talk, args=(line,), daemon=True).start()

    def _talk(self, line: socket.socket) -> None:
        with line, suppress(OSError):
            self._send(line, self.greeting)
            received = b""
            while piece := line.recv(65_536):
                received += piece
                while b"\n\n" in received:
                    command, _, received = received.partition(b"\n\n")
                    self.commands.append(command.decode())
                    answer = self.answers.pop(0) if self.answers else ""
                    if answer == "end":
                        return
                    self._send(line, answer)

    def _send(self, line: socket.socket, text: str) -> None:
        for piece in text if self.pause else [text]:
            line.sendall(piece.encode())
            time.sleep(self.pause)


def api(body: str) -> str:
    return recorded.filled(recorded.ANSWER, length=len(body.encode()), body=body)


@pytest.fixture
def stub() -> Iterator[Stub]:
    with closing(socket.create_server((HOST, 0))) as listener:
        stub = Stub(listener)
        threading.Thread(target=stub.serve, daemon=True).start()
        yield stub
        listener.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def server(stub: Stub) -> Iterator[FreeSwitchServer]:
    """The driver, talking to the stub, in a hurry."""
    url = f"esl://{HOST}:{stub.listener.getsockname()[1]}"
    with closing(
        FreeSwitchServer(ServerRecord("Edge", "freeswitch", url, SECRET, "", 1.0, 2.0))
    ) as it:
        yield it


def refused(ask: Callable[[], object], kind: type[ProvisioningError]) -> str:
    began = time.monotonic()
    with pytest.raises(kind) as raised:
        ask()
    assert time.monotonic() - began < 15
    assert SECRET not in str(raised.value)
    return raised.value.message


def test_it_signs_in_once_and_keeps_the_connection(stub: Stub, server: FreeSwitchServer) -> None:
    stub.answers += [
        api(recorded.PROFILES),
        api(recorded.filled(recorded.REGISTRATIONS, each="")),
    ] * 2
    assert server.registrations_of(AOR) == []
    assert server.registrations_of(AOR) == []
    assert stub.commands[0] == f"auth {SECRET}"
    assert stub.commands[1:3] == [
        "api sofia xmlstatus", f"api sofia xmlstatus profile internal user {AOR}",
    ]  # fmt: skip
    assert (len(stub.commands), stub.connections) == (5, 1)


def test_health_is_what_the_server_says(stub: Stub, server: FreeSwitchServer) -> None:
    stub.answers += [
        api(recorded.VERSION), api("90061\n"), api(recorded.PROFILES),
        api(recorded.filled(recorded.COUNT, count=17)),
        api(recorded.filled(recorded.COUNT, count=3)),
    ]  # fmt: skip
    health = server.health()
    assert (health.version, health.uptime_seconds) == ("FreeSWITCH 1.11.2-release", 90_061)
    assert (health.registrations, health.details["calls"]) == (17, "3")
    assert health.details["SIP profiles"] == "internal"
    assert health.latency_ms > 0


def test_a_wrong_secret_is_refused_with_what_to_do(stub: Stub, server: FreeSwitchServer) -> None:
    stub.answers = [recorded.INVALID + recorded.GOODBYE]
    assert "event_socket.conf.xml" in refused(server.health, Rejected)


def test_a_console_that_is_not_let_in_is_told_so(stub: Stub, server: FreeSwitchServer) -> None:
    stub.greeting = recorded.STRANGER
    assert "apply-inbound-acl" in refused(server.health, Rejected)
    assert stub.commands == []


@pytest.mark.parametrize(
    "greeting",
    ["HTTP/1.1 400 Bad Request\n\n", "\n\n", "x" * 30_000, "Content-Type: text/plain\n\n"],
)
def test_what_is_no_event_socket_never_gets_the_secret(
    stub: Stub, server: FreeSwitchServer, greeting: str
) -> None:
    stub.greeting = greeting
    assert "no event socket" in refused(server.health, Rejected)
    assert stub.commands == []


@pytest.mark.parametrize(
    "answer",
    [HEAD.format(2_000_000), HEAD.format("9" * 40), HEAD.format("-1"), HEAD.format("x")],
)
def test_an_answer_that_is_too_long_is_not_read(
    stub: Stub, server: FreeSwitchServer, answer: str
) -> None:
    stub.answers.append(answer)
    assert "longer than" in refused(server.health, Rejected)


@pytest.mark.parametrize("greeting", ["", "Content-Type: auth/request\n"])
def test_silence_is_unreachable_in_time(
    stub: Stub, server: FreeSwitchServer, greeting: str
) -> None:
    stub.greeting = greeting
    assert "in time" in refused(server.health, Unreachable)


def test_an_answer_that_trickles_is_unreachable_in_time(
    stub: Stub, server: FreeSwitchServer
) -> None:
    stub.answers.append(api("x" * 1000))
    stub.pause = 0.01
    assert "in time" in refused(server.health, Unreachable)


def test_a_connection_that_ended_is_opened_anew(stub: Stub, server: FreeSwitchServer) -> None:
    stub.answers = [recorded.ACCEPTED, "end"]
    assert "ended the connection" in refused(server.health, Unreachable)
    stub.answers = [recorded.ACCEPTED, api(recorded.PROFILES), api("")]
    assert server.registrations_of(AOR) == []
    assert stub.connections == 2


@pytest.mark.parametrize(
    "said", ["-ERR no such thing", "-USAGE: show", recorded.INVALID_PROFILE, recorded.NO_PROFILE]
)
def test_errors_of_every_form_are_errors(stub: Stub, server: FreeSwitchServer, said: str) -> None:
    stub.answers += [api(recorded.PROFILES), api(said)]
    assert said.strip() in refused(lambda: server.registrations_of(AOR), Rejected)


def test_a_server_that_repeats_the_secret_does_not_bring_it_into_a_message(
    stub: Stub, server: FreeSwitchServer
) -> None:
    stub.answers.append(api(f"-ERR {SECRET} is wrong\r\nand more"))
    assert "-ERR … is wrong and more" in refused(server.health, Rejected)


@pytest.mark.parametrize("secret", ["", "two\nlines", "a\n\napi shutdown"])
def test_a_secret_that_cannot_be_sent_is_not_sent(stub: Stub, secret: str) -> None:
    url = f"esl://{HOST}:{stub.listener.getsockname()[1]}"
    with closing(FreeSwitchServer(ServerRecord("Edge", "freeswitch", url, secret, ""))) as server:
        refused(server.health, Rejected)
    assert stub.commands == []


def test_a_call_id_of_a_phone_is_no_markup_and_ends_that_contact_alone(
    stub: Stub, server: FreeSwitchServer
) -> None:
    hostile = "x</call-id><user>bob@voice.example.com</user>"
    known = {"aor": AOR, "user": "ann", "domain": "voice.example.com", "seconds": 120, "port": 5}
    each = "".join(
        recorded.filled(
            recorded.REGISTRATION, call_id=key, contact=f"sip:ann@192.0.2.1:{n}", **known
        )
        for n, key in enumerate((hostile, "plain"), 1)
    )
    listed = [api(recorded.PROFILES), api(recorded.filled(recorded.REGISTRATIONS, each=each))]
    stub.answers += listed
    one, other = server.registrations_of(AOR)
    assert (one.aor, one.key, one.contact) == (AOR, hostile, "sip:ann@192.0.2.1:1")
    assert (other.key, other.transport, other.received) == ("plain", "udp", "sip:127.0.0.1:5")
    assert 0 < other.expires_at - time.time() <= 120
    for contact, named in (("sip:ann@192.0.2.1:2", "plain"), (one.contact, hostile), ("", AOR)):
        stub.answers += [*listed, api(recorded.FLUSHED)]
        assert server.end_registration(AOR, contact)
        assert stub.commands[-1] == f"api sofia profile internal flush_inbound_reg {named}"


def test_nothing_is_ended_where_nobody_is_registered(stub: Stub, server: FreeSwitchServer) -> None:
    # FreeSWITCH itself would say +OK.
    stub.answers += [api(recorded.PROFILES), api(recorded.filled(recorded.REGISTRATIONS, each=""))]
    assert not server.end_registration(AOR)
    assert not any("flush" in command for command in stub.commands)
