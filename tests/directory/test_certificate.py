"""A directory is used only with a certificate that fits; where it does not, the reason is told."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lab.authority import Authority
from lab.slapd import Slapd
from provisioning.core.errors import InvalidInput, Rejected, Unreachable
from provisioning.directory.certificate import Untrusted, inspect, require_trust
from provisioning.directory.conversation import find_samples
from provisioning.directory.endpoint import Endpoint
from provisioning.directory.reader import Reader
from tests.directory.conftest import MakeSource


def endpoint(slapd: Slapd, tls: str, host: str = "127.0.0.1") -> Endpoint:
    if tls == "ldaps":
        return Endpoint(host, slapd.tls_port, "ldaps")
    return Endpoint(host, slapd.port, "starttls")


@pytest.mark.parametrize("tls", ["ldaps", "starttls"])
def test_a_fitting_certificate_is_trusted_and_described(slapd: Slapd, tls: str) -> None:
    found = inspect(endpoint(slapd, tls), slapd.ca_file.read_text(), 10.0)
    assert found.refusal == ""
    assert found.certificate.subject == "CN=slapd"
    assert "127.0.0.1" in found.certificate.names
    assert "localhost" in found.certificate.names
    assert found.certificate.issuer == "CN=rtcadmin lab CA"
    assert found.certificate.days_left(datetime.now(UTC)) in range(360, 366)


@pytest.mark.parametrize("tls", ["ldaps", "starttls"])
def test_a_certificate_of_another_authority_is_not_trusted_but_shown(
    slapd: Slapd, source: MakeSource, tmp_path: Path, tls: str
) -> None:
    other = Authority(tmp_path).certificate.read_text()
    found = inspect(endpoint(slapd, tls), other, 10.0)
    assert "no trusted authority issued it" in found.refusal
    assert found.certificate.subject == "CN=slapd"
    uri = slapd.tls_uri if tls == "ldaps" else slapd.uri
    for ca_pem in (other, ""):
        with pytest.raises(Untrusted, match="no trusted authority issued it"), \
                Reader(source(uris=(uri,), tls=tls, ca_pem=ca_pem)):  # fmt: skip
            pass


@pytest.fixture
def misnamed(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Slapd]:
    """A directory whose certificate is made out for another host."""
    monkeypatch.setattr("lab.authority.HOSTS", ("elsewhere.example",))
    monkeypatch.setattr("lab.authority.ADDRESSES", ("192.0.2.1",))
    authority = Authority(tmp_path_factory.mktemp("ca"))
    with Slapd(tmp_path_factory.mktemp("misnamed"), authority, durable=False) as server:
        yield server


@pytest.mark.parametrize("tls", ["ldaps", "starttls"])
def test_a_certificate_for_another_host_is_not_trusted(misnamed: Slapd, tls: str) -> None:
    ca_pem = misnamed.ca_file.read_text()
    with pytest.raises(Untrusted, match=r"not made out for 127\.0\.0\.1\. Nothing was sent"):
        require_trust(endpoint(misnamed, tls), ca_pem, 10.0)


@pytest.mark.parametrize("tls", ["ldaps", "starttls"])
def test_libldap_itself_refuses_what_is_not_trusted(
    misnamed: Slapd,
    slapd: Slapd,
    source: MakeSource,
    monkeypatch: pytest.MonkeyPatch,
    tls: str,
) -> None:
    """The look beforehand explains; what protects the password is libldap's own check."""
    monkeypatch.setattr("provisioning.directory.connection.require_trust", lambda *_: None)
    other = misnamed.ca_file.read_text()
    for server, ca_pem in ((slapd, other), (misnamed, other), (slapd, "")):
        uri = server.tls_uri if tls == "ldaps" else server.uri
        record = source(uris=(uri,), tls=tls, ca_pem=ca_pem, bind_secret=server.bind_password)
        with pytest.raises(Unreachable), Reader(record):
            pass


@pytest.mark.parametrize("tls", ["ldaps", "starttls"])
def test_ldap3_itself_refuses_what_is_not_trusted(
    misnamed: Slapd, source: MakeSource, monkeypatch: pytest.MonkeyPatch, tls: str
) -> None:
    monkeypatch.setattr("provisioning.directory.conversation.require_trust", lambda *_: None)
    record = source(
        uris=(misnamed.tls_uri if tls == "ldaps" else misnamed.uri,),
        tls=tls,
        ca_pem=misnamed.ca_file.read_text(),
        bind_secret=misnamed.bind_password,
    )
    with pytest.raises(Unreachable, match="certificate verify failed"):
        find_samples(record, ("uid",))


def test_a_text_that_is_no_certificate_is_refused(slapd: Slapd) -> None:
    with pytest.raises(InvalidInput, match="not a PEM text"):
        inspect(endpoint(slapd, "ldaps"), "my certificate", 10.0)


def test_a_port_without_tls_says_so(slapd: Slapd) -> None:
    ca_pem = slapd.ca_file.read_text()
    with pytest.raises((Rejected, Unreachable), match=r"does not speak TLS|closed the connection"):
        inspect(Endpoint("127.0.0.1", slapd.port, "ldaps"), ca_pem, 10.0)


@contextmanager
def answering(*pieces: bytes) -> Iterator[int]:
    """A server that answers the first request in these pieces; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(100)
                for piece in pieces:
                    connection.sendall(piece)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


REFUSAL = b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x02\x04\x00\x04\x00"
LONG_FORM = (
    b"\x30\x84\x00\x00\x00\x10\x02\x01\x01\x78\x84\x00\x00\x00\x07\x0a\x01\x34\x04\x00\x04\x00"
)


@pytest.mark.parametrize("answer", [[REFUSAL], [REFUSAL[:5], REFUSAL[5:]], [LONG_FORM]])
def test_a_server_without_starttls_is_told_apart(answer: list[bytes]) -> None:
    with answering(*answer) as port, pytest.raises(Rejected, match="does not offer StartTLS"):
        inspect(Endpoint("127.0.0.1", port, "starttls"), "", 10.0)


def test_a_server_that_hangs_up_is_unreachable() -> None:
    with answering() as port, pytest.raises(Unreachable, match="closed the connection"):
        inspect(Endpoint("127.0.0.1", port, "starttls"), "", 10.0)
