"""The proxy passes everything on, and each fault looks to a client as it should."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from lab.ports import HOST, free_port
from lab.proxy import BlackHole, CutAfter, CutConnection, Delay, Pass, Proxy, Refuse

GREETING = b"0123456789"


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """In front of a server that greets, then echoes."""
    with socket.create_server((HOST, 0)) as server:
        threading.Thread(target=_serve, args=[server], daemon=True).start()
        with Proxy(server.getsockname()[1]) as proxy:
            yield proxy
        server.shutdown(socket.SHUT_RDWR)


def _serve(server: socket.socket) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        threading.Thread(target=_greet, args=[connection], daemon=True).start()


def _greet(connection: socket.socket) -> None:
    with connection:
        try:
            connection.sendall(GREETING)
            while piece := connection.recv(1024):
                connection.sendall(piece)
        except OSError:
            return


def _connect(proxy: Proxy) -> socket.socket:
    return socket.create_connection((HOST, proxy.port), timeout=30)


def _read_all(client: socket.socket) -> bytes:
    received = b""
    try:
        while piece := client.recv(1024):
            received += piece
    except ConnectionResetError:
        pass
    return received


def test_data_goes_both_ways(proxy: Proxy) -> None:
    with _connect(proxy) as client:
        assert client.recv(1024) == GREETING
        client.sendall(b"ping")
        assert client.recv(1024) == b"ping"
    assert proxy.connections == 1


def test_refusing_and_accepting_again_on_the_same_port(proxy: Proxy) -> None:
    with _connect(proxy) as client:
        assert client.recv(1024) == GREETING
        proxy.set(Refuse())
        assert _read_all(client) == b""
    with pytest.raises(ConnectionRefusedError):
        _connect(proxy)
    proxy.set(Pass())
    with _connect(proxy) as client:
        assert client.recv(1024) == GREETING


def test_a_black_hole_accepts_and_never_answers(proxy: Proxy) -> None:
    proxy.set(BlackHole())
    with _connect(proxy) as client:
        client.sendall(b"ping")
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.recv(1024)


def test_answers_come_late(proxy: Proxy) -> None:
    proxy.set(Delay(0.1))
    start = time.monotonic()
    with _connect(proxy) as client:
        assert client.recv(1024) == GREETING
    assert time.monotonic() - start >= 0.1


def test_a_connection_is_cut_after_so_many_bytes(proxy: Proxy) -> None:
    proxy.set(CutAfter(4))
    with _connect(proxy) as client:
        assert _read_all(client) == GREETING[:4]


def test_only_the_named_connection_is_cut(proxy: Proxy) -> None:
    proxy.set(CutConnection(2))
    received = []
    for _ in range(3):
        with _connect(proxy) as client:
            try:
                received.append(client.recv(1024))
            except ConnectionResetError:
                received.append(b"")
    assert received == [GREETING, b"", GREETING]


def test_a_server_that_is_down_cuts_the_client_off() -> None:
    with Proxy(free_port()) as proxy, _connect(proxy) as client:
        assert _read_all(client) == b""
