"""The lab's certificates hold for clients that check them."""

import socket
import ssl
import threading
from pathlib import Path

import pytest

from lab.authority import Authority, Leaf


def _shake_hands(authority: Authority, leaf: Leaf, name: str) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(leaf.certificate, leaf.key)
    client = ssl.create_default_context(cafile=authority.certificate)
    # What the strictest of clients ask for (RFC 5280).
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    ours, theirs = socket.socketpair()

    def serve() -> None:
        try:
            server.wrap_socket(theirs, server_side=True).close()
        except OSError:
            theirs.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        client.wrap_socket(ours, server_hostname=name).close()
    finally:
        ours.close()
        thread.join()


@pytest.mark.parametrize("name", ["localhost", "sip.rtc.test", "127.0.0.1", "dc1.corp.example"])
def test_a_leaf_is_valid_for_its_names(authority: Authority, name: str) -> None:
    _shake_hands(authority, authority.leaf("names", hosts=["dc1.corp.example"]), name)


def test_a_leaf_is_refused_for_another_name_and_by_another_authority(
    authority: Authority, tmp_path: Path
) -> None:
    leaf = authority.leaf("refused")
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        _shake_hands(authority, leaf, "elsewhere.example")
    with pytest.raises(ssl.SSLCertVerificationError):
        _shake_hands(Authority(tmp_path), leaf, "localhost")


def test_certificates_are_kept_until_their_names_change(tmp_path: Path) -> None:
    first = Authority(tmp_path).leaf("kept").certificate.read_bytes()
    assert Authority(tmp_path).leaf("kept").certificate.read_bytes() == first
    changed = Authority(tmp_path).leaf("kept", addresses=["10.99.0.2"])
    assert changed.certificate.read_bytes() != first
    _shake_hands(Authority(tmp_path), changed, "10.99.0.2")


def test_keys_are_for_their_owner_alone(authority: Authority) -> None:
    key = authority.leaf("private").key
    assert key.stat().st_mode & 0o777 == 0o600
    assert (key.parent / "ca.key").stat().st_mode & 0o777 == 0o600
