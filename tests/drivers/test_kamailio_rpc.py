"""JSON-RPC against answers that a well-behaved Kamailio does not give."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from lab.ports import HOST, free_port
from provisioning.core.errors import Rejected, Unreachable
from provisioning.core.records import ServerRecord
from provisioning.drivers.base import Kind
from provisioning.drivers.kamailio import server as server_module
from provisioning.drivers.kamailio.server import KamailioServer

SECRET = "rpc-s3cret"
Answer = Callable[[socket.socket], None]


def reply(body: object, status: str = "200 OK", headers: str = "") -> Answer:
    """Sends one HTTP answer."""
    text = body if isinstance(body, str) else json.dumps(body)

    def send(line: socket.socket) -> None:
        head = f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(text)}\r\n"
        line.sendall(f"{head}Connection: close\r\n\r\n{text}".encode())

    return send


def result(value: object) -> Answer:
    return reply({"jsonrpc": "2.0", "result": value, "id": 1})


def fault(message: str, status: str = "500 Server Error") -> Answer:
    return reply({"jsonrpc": "2.0", "error": {"code": 500, "message": message}, "id": 1}, status)


def silence(line: socket.socket) -> None:
    """Says nothing until the client hangs up."""
    while line.recv(1024):
        pass


def trickle(line: socket.socket) -> None:
    """Keeps every read busy and never comes to an end."""
    try:
        line.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            line.sendall(b"X: y\r\n")
            time.sleep(0.05)
    except OSError:
        return


@dataclass
class Stub:
    """A server that gives the answers one after the other, the last one for ever."""

    answers: list[Answer]
    listener: socket.socket
    requests: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.listener.getsockname()[1]}/RPC"

    def serve(self) -> None:
        while True:
            try:
                line, _ = self.listener.accept()
            except OSError:
                return
            with line:
                self.requests.append(_request(line))
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                answer(line)


def _request(line: socket.socket) -> str:
    received = b""
    while b"\r\n\r\n" not in received or not received.endswith(b"}"):
        piece = line.recv(65_536)
        if not piece:
            break
        received += piece
    return received.decode()


@pytest.fixture
def stub() -> Iterator[Stub]:
    """An HTTP server with answers of the test's choice."""
    listener = socket.create_server((HOST, 0))
    stub = Stub([silence], listener)
    threading.Thread(target=stub.serve, daemon=True).start()
    yield stub
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


@pytest.fixture
def server(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> Iterator[KamailioServer]:
    """The driver, talking to the stub, in a hurry."""
    monkeypatch.setattr(server_module, "_PAUSE_SECONDS", 0.05)
    record = ServerRecord("Edge", "kamailio", stub.url, SECRET, "", 1.0, 2.0)
    server = KamailioServer(record)
    yield server
    server.close()


def test_the_body_is_compact_and_begins_as_an_allow_list_wants_it(
    stub: Stub, server: KamailioServer
) -> None:
    stub.answers = [fault("AOR not found in location table")]

    assert server.registrations_of("alice@example.com") == []

    head, _, body = stub.requests[0].partition("\r\n\r\n")
    assert body == (
        '{"jsonrpc":"2.0","method":"ul.lookup","params":["location","alice@example.com"],"id":1}'
    )
    assert head.startswith("POST /RPC HTTP/1.1\r\n")
    assert f"x-rpc-secret: {SECRET}" in head.lower()


@pytest.mark.parametrize("answer", [silence, trickle])
def test_a_server_that_does_not_come_to_an_end_is_unreachable_in_time(
    stub: Stub, server: KamailioServer, answer: Answer
) -> None:
    stub.answers = [answer]
    started = time.monotonic()

    with pytest.raises(Unreachable, match=r"no answer to core\.version in time"):
        server.health()

    assert time.monotonic() - started < 15


def test_a_closed_port_is_unreachable() -> None:
    record = ServerRecord("Edge", "kamailio", f"http://{HOST}:{free_port()}/RPC", SECRET, "")
    server = KamailioServer(record)

    with pytest.raises(Unreachable, match="“Edge” cannot be reached: Connection refused"):
        server.health()
    server.close()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (reply("Forbidden", "403 Forbidden"), "HTTP status 403 Forbidden"),
        (reply("", "302 Found", "Location: http://169.254.169.254/\r\n"), "HTTP status 302"),
        (reply("<html>"), "no JSON-RPC"),
        (reply([1, 2]), "no JSON-RPC"),
        (reply("x" * 1_100_000), "longer than 1000000 bytes"),
        (fault("Method Not Found"), "refused core.version: Method Not Found"),
        (fault(f"you sent {SECRET}\r\n\x1b[2J"), "refused core.version: you sent …"),
    ],
)
def test_a_refusal_is_rejected_in_the_servers_words(
    stub: Stub, server: KamailioServer, answer: Answer, said: str
) -> None:
    stub.answers = [answer]

    with pytest.raises(Rejected) as refusal:
        server.health()

    assert said in refusal.value.message
    assert SECRET not in refusal.value.message
    assert refusal.value.message.isprintable()
    assert len(stub.requests) == 1


@pytest.mark.parametrize("status", ["502 Bad Gateway", "503 Service Unavailable"])
def test_a_gateway_without_a_server_behind_it_is_unreachable(
    stub: Stub, server: KamailioServer, status: str
) -> None:
    stub.answers = [reply("", status)]

    with pytest.raises(Unreachable, match=status[:3]):
        server.health()


def test_an_ongoing_reload_is_waited_for(stub: Stub, server: KamailioServer) -> None:
    stub.answers = [fault("ongoing reload"), result({})]

    server.activate([Kind.SIP_DOMAIN])

    assert len(stub.requests) == 2


def test_a_reload_that_goes_on_for_too_long_is_unreachable(
    stub: Stub, server: KamailioServer
) -> None:
    stub.answers = [fault("ongoing reload")]
    started = time.monotonic()

    with pytest.raises(Unreachable, match="ongoing reload; it stayed so"):
        server.activate([Kind.SIP_DOMAIN])

    assert time.monotonic() - started < 15


def test_a_reload_that_fails_for_want_of_the_servers_database_may_be_retried(
    stub: Stub, server: KamailioServer
) -> None:
    stub.answers = [fault("Reload of domain tables failed", "400 Bad Request")]

    with pytest.raises(Unreachable, match="Reload of domain tables failed"):
        server.activate([Kind.SIP_DOMAIN])


def test_health_does_without_statistics(stub: Stub, server: KamailioServer) -> None:
    stub.answers = [
        result("kamailio 5.6.3 (x86_64/linux) "),
        result({"uptime": 7}),
        fault("Method Not Allowed", "403 Forbidden"),
    ]

    health = server.health()

    assert (health.version, health.uptime_seconds) == ("kamailio 5.6.3 (x86_64/linux)", 7)
    assert health.registrations is None


@pytest.mark.parametrize("aor", ["a@b\r\nX: y", "a b@c", "a@b@c", "nodomain", "@b", "a\0@b"])
def test_what_is_no_address_is_not_sent(stub: Stub, server: KamailioServer, aor: str) -> None:
    with pytest.raises(Rejected, match="not an address-of-record"):
        server.end_registration(aor)

    assert stub.requests == []


@pytest.mark.parametrize("url", ["file:///etc/passwd", "gopher://localhost/", "http://\x00/"])
def test_an_address_of_another_kind_is_rejected(url: str) -> None:
    server = KamailioServer(ServerRecord("Edge", "kamailio", url, SECRET, ""))

    with pytest.raises(Rejected, match="its address"):
        server.health()
    server.close()
