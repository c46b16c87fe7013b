"""What a push does to a real Kamailio: who may register, who is registered, what needs a reload."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from lab.sip import Login, SipClient
from provisioning.core.errors import Rejected
from provisioning.drivers.base import Kind, SipDomainRow
from provisioning.drivers.kamailio.server import KamailioServer
from tests.drivers.conftest import Site
from tests.drivers.rows import SECRET, alias, subscriber, wanted

UNKNOWN_DOMAIN, REFUSED, ACCEPTED = 403, 401, 200


@pytest.fixture(autouse=True)
def domain(site: Site, request: pytest.FixtureRequest) -> str:
    """A SIP domain of this test, known to the server."""
    name = f"d{abs(hash(request.node.name)) % 10**9}.example.com"
    site.store.apply(wanted(SipDomainRow(name)))
    site.server.activate([Kind.SIP_DOMAIN])
    return name


def register(site: Site, user: str, domain: str, secret: str = SECRET, **login: str) -> int:
    with SipClient(site.kamailio.sip_port) as client:
        return client.register(Login(user, domain, secret, **login)).status


def test_a_pushed_account_registers_and_one_without_an_ha1_does_not(
    site: Site, domain: str
) -> None:
    assert register(site, "alice", domain) == REFUSED

    site.store.apply(wanted(subscriber("alice", domain=domain)))
    assert register(site, "alice", domain) == ACCEPTED

    site.store.apply(wanted(subscriber("alice", None, domain)))
    assert register(site, "alice", domain) == REFUSED


def test_a_disabled_account_cannot_sign_in_with_what_its_owner_knows(
    site: Site, domain: str
) -> None:
    row = subscriber("alice", domain=domain)
    assert row.ha1 is not None
    site.backend.insert("subscriber", {"username": "alice", "domain": domain, "ha1": f"!{row.ha1}"})
    # Why a mangled HA1 is not enough: Kamailio takes its first 32 bytes for the HA1.
    assert register(site, "alice", domain, ha1=f"!{row.ha1}"[:32]) == ACCEPTED

    site.store.apply(wanted(replace(row, ha1=None)))

    for guess in (f"!{row.ha1}"[:32], row.ha1, "!unusable-" + "0" * 22, "\0" * 32):
        assert register(site, "alice", domain, ha1=guess) == REFUSED


def test_a_new_domain_is_unknown_until_it_is_activated(site: Site, domain: str) -> None:
    new = f"new-{domain}"
    site.store.apply(wanted(SipDomainRow(new), subscriber("alice", domain=new)))
    assert register(site, "alice", new) == UNKNOWN_DOMAIN

    site.server.activate([Kind.SUBSCRIBER, Kind.ALIAS])
    assert register(site, "alice", new) == UNKNOWN_DOMAIN

    site.server.activate([Kind.SIP_DOMAIN])
    assert register(site, "alice", new) == ACCEPTED


def test_a_message_to_a_pushed_alias_reaches_its_account(site: Site, domain: str) -> None:
    number = replace(alias("+442079460001", "bob"), alias_domain=domain, domain=domain)
    site.store.apply(wanted(subscriber("alice", domain=domain)))

    with SipClient(site.kamailio.sip_port) as client:
        login = Login("alice", domain, SECRET)
        assert client.message(login, f"sip:+442079460001@{domain}", "hello").status == 404
        site.store.apply(wanted(number, subscriber("bob", domain=domain)))
        with SipClient(site.kamailio.sip_port, "tcp") as bob:
            assert bob.register(Login("bob", domain, SECRET)).status == ACCEPTED
        # Bob's connection is closed: that Kamailio tried it shows in another answer than 404.
        assert client.message(login, f"sip:+442079460001@{domain}", "hello").status == 477


def test_live_contacts_are_listed_by_the_store_and_by_the_server(site: Site, domain: str) -> None:
    aor = f"alice@{domain}"
    site.store.apply(wanted(subscriber("alice", domain=domain)))
    with SipClient(site.kamailio.sip_port, "tcp") as client:
        assert client.register(Login("alice", domain, SECRET), expires=60).status == ACCEPTED

        (by_server,) = site.server.registrations_of(aor)
        (by_store,) = list(site.store.registrations([aor]) or ())

    assert by_server.aor == by_store.aor == aor
    assert by_server.transport == by_store.transport == "tcp"
    assert by_server.contact == by_store.contact
    assert by_server.user_agent == by_store.user_agent
    now = time.time()
    for each in (by_server, by_store):
        assert now + 50 < each.expires_at < now + 65
        assert now - 10 < each.since <= now + 1
    assert by_store in list(site.store.registrations() or ())


def test_expired_contacts_are_not_listed(site: Site, domain: str) -> None:
    site.store.apply(wanted(subscriber("alice", domain=domain)))
    assert register(site, "alice", domain) == ACCEPTED

    expired = "2458849.5" if site.backend.record.dialect == "sqlite" else "'2020-01-01'"
    site.backend.execute(f"UPDATE location SET expires = {expired} WHERE domain = '{domain}'")  # noqa: S608

    assert list(site.store.registrations([f"alice@{domain}"]) or ()) == []


def test_a_registration_ends_once(site: Site, domain: str) -> None:
    aor = f"alice@{domain}"
    site.store.apply(wanted(subscriber("alice", domain=domain)))
    assert site.server.end_registration(aor) is False
    assert register(site, "alice", domain) == ACCEPTED

    assert site.server.end_registration(aor) is True

    assert site.server.registrations_of(aor) == []
    assert site.server.end_registration(aor) is False


def test_one_of_two_contacts_is_ended_and_the_other_stays(site: Site, domain: str) -> None:
    aor = f"alice@{domain}"
    site.store.apply(wanted(subscriber("alice", domain=domain)))
    register(site, "alice", domain)
    register(site, "alice", domain)
    ended, stays = site.server.registrations_of(aor)
    assert ended.key != stays.key
    assert site.server.end_registration(aor, ended.contact) is True
    assert [each.contact for each in site.server.registrations_of(aor)] == [stays.contact]
    assert site.server.end_registration(aor, ended.contact) is False
    assert site.server.end_registration(aor, "sip:nobody@192.0.2.1") is False
    (left,) = list(site.store.registrations([aor]) or ())
    assert (left.key, left.socket) == (stays.key, f"udp:127.0.0.1:{site.kamailio.sip_port}")


def test_health_tells_version_uptime_and_registrations(site: Site, domain: str) -> None:
    before = site.server.health().registrations
    site.store.apply(wanted(subscriber("alice", domain=domain)))
    register(site, "alice", domain)

    health = site.server.health()

    assert health.version.startswith("kamailio ")
    assert health.uptime_seconds >= 0
    assert 0 < health.latency_ms < 10_000
    assert before is not None
    assert health.registrations == before + 1
    assert int(health.details["contacts"]) >= 1
    assert health.memory_percent is not None
    assert 0 < health.memory_percent < 100
    # The control connection itself is one.
    assert health.connections is not None
    assert health.connections >= 1


def test_the_console_is_refused_without_the_servers_secret(site: Site) -> None:
    record = replace(site.server._server, rpc_secret="another")
    stranger = KamailioServer(record)

    with pytest.raises(Rejected, match="HTTP status 401"):
        stranger.health()
    stranger.close()
