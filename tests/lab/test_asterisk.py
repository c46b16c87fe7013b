"""Asterisk serves who is in its store, by either digest, and is managed only by who may."""

import hashlib

import httpx
import pytest

from lab.asterisk import CONTROL_USER, Asterisk
from lab.ports import HOST
from lab.sip import Login, SipClient, Transport

DOMAIN = "corp.example"
AMY = Login("amy", DOMAIN, "correct")
IMPOSTOR = Login("amy", DOMAIN, "wrong")
ROWS = """
INSERT INTO ps_endpoints (id, auth, aors, context) VALUES ('{0}', '{0}', '{0}', 'corp.example');
INSERT INTO ps_auths (id, username, realm, password_digest, supported_algorithms_uas)
VALUES ('{0}', 'amy', 'corp.example', 'MD5:{1},SHA-256:{2}', 'MD5,SHA-256');
INSERT INTO ps_aors (id) VALUES ('{0}');
INSERT INTO extensions (context, exten, priority, app, appdata)
VALUES ('corp.example', '+49301', 1, 'Goto', 'corp.example,amy,1');
"""


def _add_amy(server: Asterisk) -> None:
    text = b"amy:corp.example:correct"
    digests = (hashlib.new(name, text).hexdigest() for name in ("md5", "sha256"))
    server.store.execute(ROWS.format("amy@corp.example", *digests))


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_registers_who_is_in_the_store_and_nobody_else(
    asterisk: Asterisk, transport: Transport
) -> None:
    port = asterisk.tls_port if transport == "tls" else asterisk.sip_port
    with SipClient(port, transport, ca_file=asterisk.ca_file) as client:
        assert client.register(AMY).status == 401
        _add_amy(asterisk)
        assert client.register(IMPOSTOR).status == 401
        for algorithm in ("MD5", "SHA-256"):
            login = Login("amy", DOMAIN, "correct", algorithm=algorithm)
            assert client.register(login).status == 200
    assert ";trans" in asterisk.command("pjsip show contacts")


def test_a_number_leads_to_its_account(asterisk: Asterisk) -> None:
    _add_amy(asterisk)
    with SipClient(asterisk.sip_port) as client:
        assert client.register(AMY).status == 200
        assert client.message(AMY, "sip:+49301@corp.example", "hello").status == 202
        assert client.wait_for_request().startswith("MESSAGE sip:amy@")


def test_control_needs_its_secret(asterisk: Asterisk) -> None:
    info = f"{asterisk.control_url}ari/asterisk/info"
    assert httpx.get(info, auth=(CONTROL_USER, "guess")).status_code == 401
    assert httpx.get(info, auth=(CONTROL_USER, asterisk.control_secret)).status_code == 200
    login = {"action": "login", "username": CONTROL_USER, "secret": "guess"}
    assert "Error" in httpx.post(f"{asterisk.control_url}rawman", data=login).text


def test_it_listens_on_loopback_alone_and_keeps_its_secret_private(asterisk: Asterisk) -> None:
    assert asterisk.control_url.startswith(f"http://{HOST}:")
    for file in (asterisk.directory / "etc").iterdir():
        assert file.stat().st_mode & 0o077 == 0, file
