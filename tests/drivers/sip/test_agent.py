"""The SIP user agent against a real Kamailio, and against peers that do what servers seldom do."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from lab.authority import Authority
from lab.kamailio import Kamailio
from lab.kamailio_store import SqliteStore
from lab.ports import HOST, free_port
from provisioning.core.errors import Rejected, Unreachable
from provisioning.core.records import Listener, Transport
from provisioning.core.sip import ha1
from provisioning.drivers.sip.agent import UserAgent
from provisioning.drivers.sip.digest import Login
from provisioning.drivers.sip.message import LARGEST, Request
from tests.drivers.sip.peer import Peer, Script

AMY = Login("amy", "corp.example", "amy", "correct")
IMPOSTOR = Login("amy", "corp.example", "amy", "wrong")
NUMBER = "sip:+4420@corp.example"


def agent(listener: Listener, ca_pem: str = "", timeout: float = 30.0) -> UserAgent:
    return UserAgent(listener, addresses=[HOST], ca_pem=ca_pem, timeout=timeout)


@pytest.fixture
def company(tmp_path: Path, authority: Authority) -> Iterator[Kamailio]:
    """A Kamailio that knows Amy and her number."""
    store = SqliteStore(tmp_path / "kamailio.db")
    with Kamailio(tmp_path / "kamailio", authority, store) as server:
        known = ha1("amy", "corp.example", "correct")
        for statement in (
            "INSERT INTO domain (domain) VALUES ('corp.example')",
            "INSERT INTO subscriber (username, domain, ha1)"  # noqa: S608
            f" VALUES ('amy', 'corp.example', '{known}')",
            "INSERT INTO dbaliases (alias_username, alias_domain, username, domain)"
            " VALUES ('+4420', 'corp.example', 'amy', 'corp.example')",
        ):
            store.execute(statement)
        server.rpc("domain.reload")
        yield server


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_it_registers_reaches_itself_by_its_number_and_leaves_nothing_behind(
    company: Kamailio, authority: Authority, transport: Transport
) -> None:
    port = company.tls_port if transport == "tls" else company.sip_port
    ca_pem = authority.certificate.read_text()
    with agent(Listener(HOST, port, transport), ca_pem) as phone:
        assert phone.options(f"sip:{HOST}:{port}").status == 200
        assert phone.register(IMPOSTOR).challenges
        assert phone.register(AMY).words == "200 OK"
        assert phone.register(AMY, device="other").status == 200
        assert phone.message(AMY, NUMBER, "hello").status == 200
        assert phone.message(AMY, NUMBER, "hello", signs_in=False).challenges
        assert phone.invite(AMY, NUMBER).status == 486
        methods = {each.method for each in phone.rung}
        assert methods == {"MESSAGE", "INVITE"}
        assert phone.invite(AMY, "sip:nobody@corp.example").status == 404
        assert phone.unregister_all(AMY).status == 200
        assert phone.invite(AMY, NUMBER).status == 404


def test_a_certificate_of_another_authority_or_host_is_refused(company: Kamailio) -> None:
    with pytest.raises(Rejected, match="no trusted authority"):
        agent(Listener(HOST, company.tls_port, "tls"))


def test_nobody_there_is_told_at_once() -> None:
    port = free_port()
    with pytest.raises(Unreachable, match="refused"):
        agent(Listener(HOST, port, "tcp"))
    with (
        agent(Listener(HOST, port, "udp")) as phone,
        pytest.raises(Unreachable, match="refused"),
    ):
        phone.options("sip:x@corp.example")


@pytest.mark.parametrize(
    ("algorithm", "make"),
    [("MD5", "md5"), ("SHA-256", "sha256"), ("SHA-512-256", "sha512_256"), ("", "md5")],
)
def test_a_digest_is_made_as_the_rfc_says_with_whatever_algorithm_is_asked_for(
    algorithm: str, make: str
) -> None:
    named = f", algorithm={algorithm}" if algorithm else ""
    challenge = f'Digest realm="a \\"b\\"", nonce="n,1", opaque="o=2", qop="auth-int, auth"{named}'

    def script(request: Request) -> Iterable[str]:
        given = request.first("authorization")
        if not given:
            unknown = "WWW-Authenticate: Digest realm=x, nonce=y, algorithm=AKA"
            yield f"401 Unauthorized\n{unknown}\nWWW-Authenticate: {challenge}"
            return
        told = dict(re.findall(r'(\w+)="?((?:[^",\\]|\\.|,(?=1))+)"?', given))

        def hashed(text: str) -> str:
            return hashlib.new(make, text.encode()).hexdigest()

        ha1 = hashed('amy:a "b":correct')
        ha2 = hashed("REGISTER:sip:corp.example")
        wanted = hashed(f"{ha1}:n,1:00000001:{told['cnonce']}:auth:{ha2}")
        yield "200 OK" if told["response"] == wanted and 'opaque="o=2"' in given else "403 Wrong"

    with Peer(script) as peer, agent(peer.listener) as phone:
        assert phone.register(AMY).status == 200
        assert phone.register(IMPOSTOR).status == 403


@pytest.mark.parametrize("asked", ["Basic realm=x", 'Digest realm="x", nonce="y", qop="auth-int"'])
def test_a_way_of_signing_in_that_is_not_known_is_told(asked: str) -> None:
    with Peer(lambda _: [f"401 No\nWWW-Authenticate: {asked}"]) as peer:
        with agent(peer.listener) as phone, pytest.raises(Rejected, match="in no way"):
            phone.register(AMY)
        assert peer.methods() == ["REGISTER"]


def test_a_wrong_password_is_tried_once_and_an_old_nonce_once_more() -> None:
    for stale, tries in (("", 2), (", stale=true", 3)):
        said = f'401 No\nWWW-Authenticate: Digest realm="x", nonce="y"{stale}'
        with Peer(lambda _, said=said: [said]) as peer, agent(peer.listener) as phone:  # type: ignore[misc]
            assert phone.register(AMY).status == 401
            assert len(peer.asked) == tries


def test_what_begins_to_ring_is_cancelled_at_once() -> None:
    def script(request: Request) -> Iterable[str]:
        if request.method == "INVITE":
            yield "100 Trying"
            yield "180 Ringing"
        if request.method == "CANCEL":
            yield "200 OK"

    with Peer(script) as peer, agent(peer.listener) as phone:
        started = time.monotonic()
        assert phone.invite(AMY, NUMBER).words == "180 Ringing"
        assert peer.methods()[:2] == ["INVITE", "CANCEL"]
        assert time.monotonic() - started < 15
        assert peer.asked[0].branch == peer.asked[1].branch


def test_a_call_that_somebody_accepts_is_acknowledged_and_ended_along_its_route() -> None:
    said = "200 OK\nContact: <sip:amy@192.0.2.7:5070>\nRecord-Route: <sip:a;lr>, <sip:b;lr>"

    def script(request: Request) -> Iterable[str]:
        if request.method == "INVITE":
            yield said

    with Peer(script) as peer, agent(peer.listener) as phone:
        assert phone.invite(AMY, NUMBER).status == 200
        deadline = time.monotonic() + 30
        while len(peer.asked) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        invite, ack, bye = peer.asked
        assert [ack.method, bye.method] == ["ACK", "BYE"]
        assert {ack.uri, bye.uri} == {"sip:amy@192.0.2.7:5070"}
        assert bye.all("route") == ["<sip:b;lr>", "<sip:a;lr>"]
        assert bye.first("to").endswith(";tag=peer")
        numbers = [each.first("cseq") for each in (invite, ack, bye)]
        assert numbers == ["1 INVITE", "1 ACK", "2 BYE"]


def test_over_udp_a_lost_request_is_repeated_and_silence_ends_in_time() -> None:
    seen: list[str] = []

    def script(request: Request) -> Iterable[str]:
        seen.append(request.branch)
        return ["200 OK"] if len(seen) == 2 else []

    with Peer(script) as peer, agent(peer.listener) as phone:
        assert phone.options("sip:x@corp.example").status == 200
        assert len(set(seen)) == 1
    with Peer(lambda _: ()) as peer, agent(peer.listener, timeout=1) as phone:
        started = time.monotonic()
        with pytest.raises(Unreachable, match="No answer to OPTIONS"):
            phone.options("sip:x@corp.example")
        assert time.monotonic() - started < 15


def endless(_: Request) -> Iterable[bytes]:
    yield b"SIP/2.0 200 OK\r\nVia: " + b"x" * (LARGEST + 1)


def much(_: Request) -> Iterable[bytes]:
    yield b"SIP/2.0 200 OK\r\nContent-Length: 999999999\r\n\r\n"


@pytest.mark.parametrize("script", [endless, much])
def test_an_answer_without_end_is_not_read(script: Script) -> None:
    with (
        Peer(script, "tcp") as peer,
        agent(peer.listener) as phone,
        pytest.raises(Rejected, match="longer than"),
    ):
        phone.options("sip:x@corp.example")


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"\r\n\r\n",
        b"\0" * 100,
        b"SIP/2.0 999 No\r\n\r\n",
        b"SIP/2.0 200 OK\r\n\r\n",
        b"SIP/2.0 200 OK\r\n" + b"a: b\r\n" * 5000 + b"\r\n",
        b"SIP/2.0 200 \xd6l\r\nVia: \xff;branch=z\r\n\r\n",
    ],
)
def test_nonsense_is_no_answer(packet: bytes) -> None:
    with (
        Peer(lambda _: [packet]) as peer,
        agent(peer.listener, timeout=0.7) as phone,
        pytest.raises(Unreachable, match="No answer"),
    ):
        phone.options("sip:x@corp.example")


def test_the_words_of_a_server_are_short_and_printable_and_no_password_is_in_a_repr() -> None:
    said = "403 " + "No \x07 \x1b[31m" * 50
    with Peer(lambda _: [said]) as peer, agent(peer.listener) as phone:
        response = phone.register(AMY)
    assert len(response.reason) <= 80
    assert response.reason.isprintable()
    assert "correct" not in repr(AMY)
