"""A broker behind TLS is trusted only with a certificate of a known authority, for its name."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

import pytest
from kombu import Connection
from kombu.exceptions import OperationalError

from lab.authority import Authority
from rtcadmin.environment import broker_tls

SCHEMES = ("amqps", "rediss")


class Listener:
    """Answers TLS and nothing else; knows how many clients went on after the handshake."""

    def __init__(self, authority: Authority, address: str) -> None:
        leaf = authority.leaf("broker")
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # With 1.2 a client's refusal is heard within the handshake.
        self.context.maximum_version = ssl.TLSVersion.TLSv1_2
        self.context.load_cert_chain(leaf.certificate, leaf.key)
        self.socket = socket.create_server((address, 0))
        self.port: int = self.socket.getsockname()[1]
        self.trusted = 0

    def serve(self) -> None:
        """One client after the other, until the socket is closed."""
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            with client, suppress(OSError), self.context.wrap_socket(client, server_side=True):
                self.trusted += 1


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """The authority that this machine trusts."""
    made = Authority(tmp_path / "ca")
    monkeypatch.setenv("SSL_CERT_FILE", str(made.certificate))
    return made


@contextmanager
def listening(authority: Authority, address: str) -> Iterator[Listener]:
    """At `address`, with a certificate for localhost and 127.0.0.1."""
    listener = Listener(authority, address)
    Thread(target=listener.serve, daemon=True).start()
    yield listener
    listener.socket.close()


def call(scheme: str, host: str, listener: Listener) -> str:
    """What comes of connecting; the listener is no broker, so it is always an error."""
    url = f"{scheme}://user:secret@{host}:{listener.port}/"
    options = {"socket_connect_timeout": 30, "socket_timeout": 30, "max_retries": 0}
    tls = broker_tls(url)
    with (
        pytest.raises((OperationalError, OSError)) as caught,
        Connection(url, ssl=tls or False, connect_timeout=30, transport_options=options) as broker,
    ):
        broker.SimpleQueue("work").put("hello", retry=False)
    return str(caught.value)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_broker_that_is_who_it_says_is_trusted(scheme: str, authority: Authority) -> None:
    with listening(authority, "127.0.0.1") as listener:
        call(scheme, "127.0.0.1", listener)
    assert listener.trusted


@pytest.mark.parametrize("scheme", SCHEMES)
def test_another_host_is_refused(scheme: str, authority: Authority) -> None:
    with listening(authority, "127.0.0.2") as listener:
        assert "certificate verify failed" in call(scheme, "127.0.0.2", listener)
    assert not listener.trusted


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.usefixtures("authority")
def test_an_unknown_authority_is_refused(scheme: str, tmp_path: Path) -> None:
    with listening(Authority(tmp_path / "other"), "127.0.0.1") as listener:
        assert "certificate verify failed" in call(scheme, "127.0.0.1", listener)
    assert not listener.trusted


def test_brokers_without_tls_are_not_asked_for_it() -> None:
    assert broker_tls("redis://127.0.0.1/0") is None
    assert broker_tls("filesystem://") is None
