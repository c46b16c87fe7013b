"""Kamailio serves who is in its store, and is managed only by who may."""

import hashlib
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from lab.authority import Authority
from lab.kamailio import Kamailio, RpcError
from lab.kamailio_store import SqliteStore, Store
from lab.ports import HOST
from lab.process import wait_until
from lab.sip import Login, SipClient, Transport

AMY = Login("amy", "corp.example", "correct")
IMPOSTOR = Login("amy", "corp.example", "wrong")
ROWS = (
    "INSERT INTO domain (domain) VALUES ('corp.example');"
    "INSERT INTO subscriber (username, domain, ha1) VALUES ('amy', 'corp.example', 'HA1')"
)
UPTIME = '{"jsonrpc":"2.0","method":"core.uptime"}'


def _add_amy(server: Kamailio, algorithm: str = "md5") -> None:
    ha1 = hashlib.new(algorithm, b"amy:corp.example:correct").hexdigest()
    server.store.execute(ROWS.replace("HA1", ha1))
    server.rpc("domain.reload")


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_registers_who_is_in_the_store_and_nobody_else(
    kamailio: Kamailio, transport: Transport
) -> None:
    port = kamailio.tls_port if transport == "tls" else kamailio.sip_port
    with SipClient(port, transport, ca_file=kamailio.ca_file) as client:
        assert client.register(AMY).status == 403
        _add_amy(kamailio)
        assert client.register(IMPOSTOR).status == 401
        assert client.register(AMY).status == 200
        assert client.options(f"sip:{HOST}:{port}").status == 200
        assert client.message(AMY, "sip:nobody@corp.example", "hello").status == 404
        assert client.message(IMPOSTOR, "sip:nobody@corp.example", "hello").status == 407
    contacts = kamailio.rpc("ul.lookup", ["location", "amy@corp.example"])
    assert f"transport={transport}" in str(contacts)


def test_a_disabled_account_is_refused_and_its_registration_can_be_ended(
    kamailio: Kamailio,
) -> None:
    _add_amy(kamailio)
    with SipClient(kamailio.sip_port) as client:
        assert client.register(AMY).status == 200
        kamailio.store.execute("UPDATE subscriber SET ha1 = '!'")
        assert client.register(AMY).status == 401
        kamailio.rpc("ul.rm", ["location", "amy@corp.example"])
        with pytest.raises(RpcError, match="500: AOR not found"):
            kamailio.rpc("ul.lookup", ["location", "amy@corp.example"])


def test_registrations_survive_a_restart_and_a_crash(kamailio: Kamailio) -> None:
    _add_amy(kamailio)
    with SipClient(kamailio.sip_port) as client:
        assert client.register(AMY, expires=3600).status == 200
    kamailio.stop()
    kamailio.start()
    kamailio.process.kill()
    kamailio.start()

    def is_known() -> bool:
        try:
            return bool(kamailio.rpc("ul.lookup", ["location", "amy@corp.example"]))
        except RpcError:
            return False

    # It answers RPC while one of its processes still reads what was registered.
    wait_until(is_known, timeout=30, what="what was registered")


def test_two_servers_share_a_store(
    tmp_path: Path, authority: Authority, kamailio: Kamailio, store: Store
) -> None:
    with Kamailio(tmp_path, authority, store, server_id=2) as second:
        _add_amy(kamailio)
        second.rpc("domain.reload")
        for server in (kamailio, second):
            with SipClient(server.sip_port) as client:
                assert client.register(AMY).status == 200


def test_digests_can_be_sha256(tmp_path: Path, authority: Authority) -> None:
    store = SqliteStore(tmp_path / "kamailio.db")
    with Kamailio(tmp_path / "server", authority, store, sha256=True) as server:
        _add_amy(server, "sha256")
        with SipClient(server.sip_port) as client:
            assert client.register(IMPOSTOR).status == 401
            assert client.register(AMY).status == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ('{"jsonrpc":"2.0","method":"core.kill","id":1}', 403),
        ('{"METHOD":"core.kill","method":"core.uptime"}', 403),
        ('{"jsonrpc":"2.0","method":"core.uptime","id":', 400),
    ],
)
def test_management_refuses_what_is_not_allowed_or_not_json(
    kamailio: Kamailio, body: str, status: int
) -> None:
    with pytest.raises(RpcError) as refusal:
        kamailio.post(body)
    assert refusal.value.status == status
    assert kamailio.rpc("core.uptime")


def test_management_needs_its_secret_and_its_own_port(kamailio: Kamailio) -> None:
    with pytest.raises(RpcError, match="401"):
        kamailio.post(UPTIME, secret="guess")
    public = f"http://{HOST}:{kamailio.sip_port}/RPC"
    headers = {"X-RPC-Secret": kamailio.rpc_secret}
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(urllib.request.Request(public, UPTIME.encode(), headers))


def test_the_secret_is_in_no_command_line_and_in_no_readable_file(kamailio: Kamailio) -> None:
    command = Path(f"/proc/{kamailio.process.pid}/cmdline").read_text()
    assert kamailio.rpc_secret not in command
    for file in kamailio.directory.rglob("*"):
        if file.is_file() and kamailio.rpc_secret in file.read_text(errors="replace"):
            assert file.stat().st_mode & 0o077 == 0, file
