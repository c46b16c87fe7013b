"""A SIP server and its database are reached at the judged addresses, under their names."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from lab.authority import Authority
from lab.ports import HOST
from provisioning.core.errors import Rejected
from provisioning.core.records import ServerRecord
from provisioning.drivers.kamailio.server import KamailioServer
from provisioning.drivers.kamailio.store import KamailioStore
from tests.drivers.conftest import Backend
from tests.drivers.rows import subscriber, wanted

# No name server knows it.
NAME = "sip1.rtc.test"
REFUSAL = b'{"jsonrpc":"2.0","error":{"code":500,"message":"not today"},"id":1}'
ANSWER = b"HTTP/1.1 500 Error\r\nContent-Length: %d\r\n\r\n%s" % (len(REFUSAL), REFUSAL)


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port of this machine whose connections `serve` answers."""
    with socket.create_server((HOST, 0)) as listener:

        def accept() -> None:
            while True:
                try:
                    line, _ = listener.accept()
                except OSError:
                    return
                with line:
                    serve(line)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(60)


def test_a_database_is_reached_at_the_judged_address(
    postgresql: Backend, open_store: Callable[..., KamailioStore]
) -> None:
    """The first address does not answer, so the next one is tried."""
    store = open_store(postgresql, host=NAME, addresses=("127.0.0.3", HOST))
    assert store.apply(wanted(subscriber("alice")))[0].error == ""


def test_a_password_is_not_sent_in_clear_to_whoever_asks_for_it(
    postgresql: Backend, open_store: Callable[..., KamailioStore]
) -> None:
    heard: list[bytes] = []

    def ask_in_clear(line: socket.socket) -> None:
        line.recv(4096)
        line.sendall(b"R" + struct.pack("!ii", 8, 3))  # AuthenticationCleartextPassword
        while piece := line.recv(4096):
            heard.append(piece)

    with listening(ask_in_clear) as port:
        store = open_store(postgresql, port=port, secret="hunter2-in-clear")
        with pytest.raises(Rejected, match="asks for the password in clear text") as refusal:
            store.check()
        store.close()
    assert not any(b"hunter2" in piece for piece in heard)
    assert "scram-sha-256" in refusal.value.message


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_control_goes_to_the_judged_address_and_names_the_host(
    scheme: str, authority: Authority
) -> None:
    heard: list[tuple[str | None, str]] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf = authority.leaf("sip1")
    context.load_cert_chain(leaf.certificate, leaf.key)
    asked: list[str | None] = [None]

    def note(_: Any, name: str | None, __: Any) -> None:
        asked[0] = name

    context.sni_callback = note

    def answer(plain: socket.socket) -> None:
        line = context.wrap_socket(plain, server_side=True) if scheme == "https" else plain
        request = line.recv(4096)
        while not request.endswith(b"}"):  # what is left unread would reset the connection
            request += line.recv(4096)
        head = request.decode()
        host = next(text for text in head.splitlines() if text.lower().startswith("host:"))
        heard.append((asked[0], host.partition(":")[2].strip()))
        line.sendall(ANSWER)
        line.close()

    with listening(answer) as port:
        record = ServerRecord(
            "Edge", "kamailio", f"{scheme}://{NAME}:{port}/RPC", "s3cret",
            authority.certificate.read_text(), 1.0, 3.0, addresses=("127.0.0.3", HOST),
        )  # fmt: skip
        server = KamailioServer(record)
        with pytest.raises(Rejected, match="not today"):
            server.health()
        server.close()
    assert heard[0] == (NAME if scheme == "https" else None, f"{NAME}:{port}")


def test_a_certificate_for_another_name_is_refused(authority: Authority) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf = authority.leaf("sip1")
    context.load_cert_chain(leaf.certificate, leaf.key)

    def shake_hands(line: socket.socket) -> None:
        try:
            context.wrap_socket(line, server_side=True).recv(1)
        except OSError:
            return

    with listening(shake_hands) as port:
        record = ServerRecord(
            "Edge", "kamailio", f"https://sip1.example.org:{port}/RPC", "s3cret",
            authority.certificate.read_text(), 1.0, 3.0, addresses=(HOST,),
        )  # fmt: skip
        server = KamailioServer(record)
        with pytest.raises(Rejected, match="Hostname mismatch"):
            server.health()
        server.close()
