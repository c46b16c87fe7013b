"""Calls and messages for accounts of another pool, between two real Kamailios."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from lab.gateway import Asked
from lab.gateway import Gateway as LabGateway
from provisioning.drivers.base import Kind
from provisioning.models import Account, Alias, ConfigStore, PendingChange, SipServer
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.push import outbox
from provisioning.services.servers.servers import delete_server, save_server
from provisioning.services.servers.stores import set_store_mode
from tests import factories
from tests.push_site import Site
from tests.services.routing.pools import ANN, BOB, DOMAIN, MOBILE, Pools, pools

__all__ = ["pools"]

pytestmark = pytest.mark.django_db


def said(asked: Asked) -> str | None:
    return asked.headers.get("p-asserted-identity")


def test_an_account_of_another_pool_is_reached_by_each_of_its_addresses(pools: Pools) -> None:
    Alias.objects.create(
        aor=f"robert@{DOMAIN}", user_part="robert", domain=pools.accounts["bob"].domain,
        account=pools.accounts["bob"], created_at=timezone.now(),
        ends_at=timezone.now() + timedelta(days=1),
    )  # fmt: skip
    pools.push()
    with pools.answering("bob", 1) as bob:
        for to in ("bob", BOB, "robert"):
            assert pools.call(to).status == 200
            assert pools.write(to).status == 200
        assert len(bob.calls) == 3
        assert f"ann@{DOMAIN}" in bob.calls[0].headers["from"]
        # What pools tell each other reaches no phone.
        assert not any("x-home-pool" in each.headers for each in bob.asked)
        bob.status = 486
        assert pools.call("bob").status == 486
        # It is known: nobody looks for it elsewhere.
        bob.status = 404
        assert pools.call(BOB).status == 480


def test_who_is_in_no_pool_is_not_found_after_one_question_to_each(pools: Pools) -> None:
    for response in (pools.call("nobody"), pools.call("+442079469999"), pools.write("nobody")):
        assert (response.status, response.reason) == (404, "Not Found")
    # Known, but without a phone anywhere.
    assert pools.call("bob").status == 480
    for site, kamailio in zip(pools.sites, pools.kamailios, strict=True):
        assert len(site.rows("SELECT * FROM dispatcher")) == 1
        assert "Too Many Hops" not in kamailio.process.log.read_text()


def test_nobody_but_a_server_of_another_pool_is_believed(pools: Pools) -> None:
    told = {"X-Home-Pool": f"for=account;caller=sip:ann@{DOMAIN}"}
    with pools.answering("bob", 1) as bob:
        for uri in (f"sip:bob@{DOMAIN}", f"sip:{BOB}@{DOMAIN}"):
            with pools.phone(1, source="127.0.0.22") as stranger:
                assert stranger.invite(uri, headers=told).status == 403
                sender = {**told, "From": f"<sip:ann@{DOMAIN}>;tag=x"}
                assert stranger.invite(uri, headers=sender).status == 407
        assert bob.calls == []


def test_what_a_phone_writes_into_from_is_not_taken_for_what_its_pool_says(pools: Pools) -> None:
    pools.accounts["eve"] = factories.make_account(
        "eve", user_part="eve", pool=pools.sites[0].store.pool
    )
    with pools.gateway() as gateway:
        pools.give("bob", "forward_always", MOBILE)
        told = {"From": f"<sip:eve@{DOMAIN};number=+15550100>;tag=x"}
        assert pools.call("bob", "eve", headers=told).status == 200
        assert said(gateway.calls[0]) is None


def test_class_of_service_is_that_of_who_calls_and_gateways_are_those_of_the_own_pool(
    pools: Pools,
) -> None:
    with pools.gateway() as gateway, pools.answering("bob", 1) as bob:
        pools.give("ann", "call_classes", ("mobile",))
        assert pools.call(MOBILE).status == 200
        assert pools.call("+449012345678").status == 403
        assert pools.call("112").status == 200
        assert said(gateway.calls[0]) == f"<sip:{ANN}@{DOMAIN};user=phone>"
        assert len(gateway.calls) == 2
        assert pools.call(BOB).status == 200
        assert len(bob.calls) == 1
        # The number of an account does not leave the company, whatever its phone says.
        bob.status = 404
        assert pools.call(BOB).status == 480
        with pools.phone(1) as phone:
            phone.register(pools.login("bob"), expires=0)
        pools.kamailios[1].rpc("ul.rm", ["location", f"bob@{DOMAIN}"])
        assert pools.call(BOB).status == 480
        assert len(gateway.calls) == 2


def test_a_forward_at_the_home_pool_shows_who_called(pools: Pools) -> None:
    with pools.gateway() as gateway:
        pools.give("bob", "forward_always", MOBILE)
        assert pools.call("bob").status == 200
        assert said(gateway.calls[0]) == f"<sip:{ANN}@{DOMAIN};user=phone>"
        assert f"{BOB}@{DOMAIN}" in gateway.calls[0].headers["diversion"]
        pools.give("ann", "presented_number", "withheld")
        assert pools.call("bob").status == 200
        assert "anonymous" in gateway.calls[1].headers["from"]
        pools.give("bob", "call_classes", ("internal",))
        assert pools.call("bob").status == 403


def test_forwards_go_back_and_forth_between_pools_and_end(pools: Pools) -> None:
    pools.give("bob", "forward_unreachable", f"sip:ann@{DOMAIN}")
    with pools.answering("ann", 0) as ann:
        assert pools.call("bob").status == 200
        assert "unavailable" in ann.calls[0].headers["diversion"]
    with pools.phone(0) as phone:
        phone.register(pools.login("ann"), expires=0)
    pools.sites[0].execute("DELETE FROM location")
    pools.kamailios[0].rpc("ul.rm", ["location", f"ann@{DOMAIN}"])
    pools.give("ann", "forward_unreachable", f"sip:bob@{DOMAIN}")
    assert pools.call("bob").status == 482


def test_voicemail_is_that_of_the_account_that_was_called(pools: Pools) -> None:
    with LabGateway() as mailbox:
        pools.give("", "voicemail_server", f"127.0.0.1:{mailbox.port}")
        pools.give("bob", "voicemail", True)
        assert pools.call("bob").status == 200
        assert mailbox.calls[0].uri.startswith("sip:bob@")
        assert said(mailbox.calls[0]) == f"<sip:ann@{DOMAIN}>"


def test_messages_are_for_the_home_pool_to_refuse(pools: Pools) -> None:
    with pools.answering("bob", 1):
        pools.give("", "messaging", False)
        pools.give("ann", "messaging", True)
        assert pools.write("bob").status == 403
        pools.give("bob", "messaging", True)
        assert pools.write("bob").status == 200


def test_a_carrier_reaches_numbers_of_every_pool_at_each(pools: Pools) -> None:
    factories.make_trusted_host("127.0.0.31/32", "inbound")
    pools.push()
    with pools.answering("bob", 1) as bob, pools.phone(0, source="127.0.0.31") as carrier:
        at_server = f"sip:{BOB}@127.0.0.1:{pools.kamailios[0].sip_port}"
        for uri in (f"sip:{BOB}@{DOMAIN}", at_server):
            assert carrier.invite(uri).status == 200
        assert len(bob.calls) == 2


def test_an_account_is_reached_while_it_moves_wherever_its_phone_is(pools: Pools) -> None:
    Account.objects.filter(user_part="bob").update(pool=pools.sites[0].store.pool)
    outbox.mark_account(Account.objects.get(user_part="bob"), numbers=[BOB])
    # The new pool has the account, the old one keeps it until its next push.
    pools.sites[0].push()
    assert all(f"bob@{DOMAIN}" in site.subscribers() for site in pools.sites)
    for pool in (1, 0):
        with pools.answering("bob", pool) as bob:
            assert pools.call(BOB).status == 200
            assert pools.write("bob").status == 200
            assert len(bob.asked) >= 2
            with pools.phone(pool) as phone:
                phone.register(pools.login("bob"), expires=0)
        pools.kamailios[pool].rpc("ul.rm", ["location", f"bob@{DOMAIN}"])
    pools.sites[1].push()
    assert f"bob@{DOMAIN}" not in pools.sites[1].subscribers()
    with pools.answering("bob", 0) as bob:
        assert pools.call(BOB, "bob", 0).status == 200


def test_the_next_server_of_a_pool_is_asked_where_one_is_silent(pools: Pools) -> None:
    """Over UDP it says nothing; over TCP there is nobody."""
    with LabGateway(None) as silent, pools.answering("bob", 1) as bob:
        store = pools.sites[1].store
        SipServer.objects.filter(pk=pools.servers[1].pk).update(name="second")
        SipServer.objects.create(
            name="first", pool=store.pool, store=store, sip_host="127.0.0.1", tls_port=None,
            udp_port=silent.port if pools.servers[1].tls_port is None else None,
            tcp_port=silent.port, rpc_url="http://127.0.0.1:1/RPC",
        )  # fmt: skip
        pools.push()
        assert pools.call("bob").status == 200
        assert len(bob.calls) == 1
    pools.kamailios[1].stop()
    for answer in (pools.call("bob"), pools.write("bob")):
        assert (answer.status, answer.reason) == (503, "No Other Pool Answers")
    with pools.gateway() as gateway:
        assert pools.call(MOBILE).status == 200
        assert len(gateway.calls) == 1


@pytest.mark.parametrize("status", [404, 407, 477, None])
def test_a_pool_that_does_not_have_it_or_does_not_believe_who_asks_stops_no_call(
    pools: Pools, status: int | None
) -> None:
    elsewhere = factories.make_pool("Paris")
    with LabGateway(status) as server, pools.gateway() as gateway, pools.answering("bob", 1) as bob:
        SipServer.objects.create(
            name="par1", pool=elsewhere, store=factories.make_store(pool=elsewhere),
            sip_host="127.0.0.1", tls_port=None, udp_port=server.port,
            rpc_url="http://127.0.0.1:1/RPC",
        )  # fmt: skip
        pools.push()
        assert pools.call("bob").status == 200
        assert pools.call(MOBILE).status == 200
        assert (len(bob.calls), len(gateway.calls)) == (1, 1)
        assert {asked.uri for asked in server.calls} >= {f"sip:{MOBILE}@{DOMAIN}"}


@pytest.mark.database
def test_other_pools_learn_of_a_server_at_once_and_one_pool_alone_needs_nothing(
    new_site: Callable[..., Site],
) -> None:
    here = new_site(pool=factories.make_pool())
    there = new_site(pool=factories.make_pool("London"))
    server = SipServer(
        name="lon1", pool=there.store.pool, store=there.store, sip_host="sip1.example.com",
        rpc_url="http://127.0.0.1:1/RPC",
    )  # fmt: skip

    def rows(site: Site) -> list[tuple[object, ...]]:
        site.push()
        columns = "setid, destination, attrs, description"
        return site.rows(f"SELECT {columns} FROM dispatcher ORDER BY destination")  # noqa: S608

    def row(host: str) -> tuple[object, ...]:
        attrs = f"pool={there.store.pool_id}"
        return 1_000_000_000, f"sip:{host}:5061;transport=tls", attrs, "lon1"

    save_server(server=server, actor=COMMAND_LINE)
    assert PendingChange.objects.filter(store=here.store, kind=Kind.POOL_SERVER).count() == 1
    assert (rows(here), rows(there)) == ([row("sip1.example.com")], [])
    server.sip_host = "sip2.example.com"
    save_server(server=server, actor=COMMAND_LINE)
    assert rows(here) == [row("sip2.example.com")]
    set_store_mode(store=there.store, mode=ConfigStore.Mode.OBSERVE, actor=COMMAND_LINE)
    assert rows(here) == []
    ConfigStore.objects.filter(pk=there.store.pk).update(mode=ConfigStore.Mode.MANAGE)
    outbox.mark_store(here.store)
    assert rows(here) == [row("sip2.example.com")]
    delete_server(server=server, actor=COMMAND_LINE)
    assert rows(here) == []
