"""Gateways, routes and trusted hosts: kept, pushed to a real Kamailio, and proven by calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from lab.gateway import Gateway as LabGateway
from lab.kamailio import Kamailio
from lab.sip import Login, SipClient
from provisioning.core.calls import Category
from provisioning.core.errors import InvalidFields, InvalidInput
from provisioning.core.sip import ha1 as ha1_of
from provisioning.drivers.base import Kind
from provisioning.drivers.routing import RouteRow
from provisioning.models import AuditEvent, Gateway, PendingChange, Route, SipServer, TrustedHost
from provisioning.services.actor import Actor
from provisioning.services.probes.standing import standing_at_servers
from provisioning.services.push import outbox
from provisioning.services.push.dead_letters import dead_changes
from provisioning.services.push.push_record import blocks_of
from provisioning.services.push.reconcile import reconcile
from provisioning.services.routing.desired_routing import MAKERS, routing_rows
from provisioning.services.routing.gateways import delete_gateway, save_gateway
from provisioning.services.routing.routes import delete_route, find_route, save_route
from provisioning.services.routing.trusted_hosts import save_trusted_host
from provisioning.services.rules.sites import delete_site, save_site
from tests.factories import (
    make_account,
    make_gateway,
    make_route,
    make_site,
    make_trusted_host,
)
from tests.push_site import Site, make_server
from tests.web.pages import text_of

pytestmark = pytest.mark.django_db

ACTOR = Actor("test")


def a_gateway(**values: Any) -> Gateway:
    given = {"name": "Carrier", "host": "sbc.carrier.example", "port": 5060, "transport": "udp"}
    return Gateway(**{**given, **values})


def a_route(prefix: str, **values: Any) -> Route:
    return Route(**{"name": f"Route {prefix}", "prefix": prefix, "category": "national", **values})


def words(site: Site) -> dict[str, str]:
    (at,) = standing_at_servers(list(MAKERS))
    return {standing.kind.value: standing.word for standing in at.kinds}


@pytest.mark.database
def test_what_is_saved_reaches_the_store_and_leaves_it_again(either_site: Site) -> None:
    gateway = a_gateway()
    save_gateway(gateway=gateway, actor=ACTOR)
    route = a_route("+44", first_gateway=gateway)
    save_route(route=route, actor=ACTOR)
    save_trusted_host(host=TrustedHost(name="x", network="192.0.2.7"), actor=ACTOR)
    either_site.push()
    assert either_site.rows("SELECT setid, destination FROM dispatcher") == [
        (101, "sip:sbc.carrier.example:5060;transport=udp")
    ]
    assert either_site.rows("SELECT tprefix, tvalue FROM mtree") == [("+44", "national/+44/101=8/")]
    assert either_site.rows("SELECT grp, ip_addr, mask FROM address") == [(1002, "192.0.2.7", 32)]

    route.prefix = "+4420"
    save_route(route=route, actor=ACTOR)
    gateway.enabled = False
    save_gateway(gateway=gateway, actor=ACTOR)
    either_site.push()
    assert either_site.rows("SELECT setid FROM dispatcher") == []
    assert either_site.rows("SELECT tprefix, tvalue FROM mtree") == [
        ("+4420", "national/+4420/refused/")
    ]

    delete_route(route=route, actor=ACTOR)
    delete_gateway(gateway=gateway, actor=ACTOR)
    either_site.push()
    assert either_site.rows("SELECT tprefix FROM mtree") == []
    assert not either_site.pending()


def test_a_server_gets_a_digest_of_the_password_and_nobody_sees_either(site: Site) -> None:
    gateway = a_gateway(registers=True, user="acme", domain="carrier.example")
    save_gateway(gateway=gateway, secret="s3cret", actor=ACTOR)
    site.push()
    ((password, ha1),) = site.rows("SELECT auth_password, auth_ha1 FROM uacreg")
    assert password == ""
    assert ha1 == ha1_of("acme", "carrier.example", "s3cret")
    (row,) = routing_rows(kind=Kind.TRUNK).rows.values()
    told = [repr(row), str(AuditEvent.objects.values_list("detail", flat=True)), repr(gateway)]
    assert not any("s3cret" in text or ha1 in text for text in told)

    site.execute("UPDATE uacreg SET auth_ha1 = 'x', expires = 60")
    reconcile(store=site.store)
    drift = site.store.drift.get(kind=Kind.TRUNK)
    assert drift.fields == [["ha1", None, None], ["expires", "600", "60"]]


def test_a_password_does_not_follow_its_gateway_to_another_place(site: Site) -> None:
    gateway = a_gateway(registers=True, user="acme")
    save_gateway(gateway=gateway, secret="s3cret", actor=ACTOR)
    gateway.host = "elsewhere.example"
    gateway.domain = ""
    assert save_gateway(gateway=gateway, actor=ACTOR)
    assert gateway.secret() == ""
    made = routing_rows(kind=Kind.TRUNK)
    assert not made.rows
    assert "type the password again" in made.failed["101"]
    gateway.port = 5070
    with pytest.raises(InvalidFields, match="Give the password"):
        save_gateway(gateway=gateway, actor=ACTOR)


def test_a_gateway_that_a_route_names_stays() -> None:
    gateway = make_gateway()
    make_route("+", make_gateway("Other"), gateway)
    with pytest.raises(InvalidInput, match="still used by 1 route"):
        delete_gateway(gateway=gateway, actor=ACTOR)


def test_the_longest_prefix_wins_and_gaps_between_gateways_close() -> None:
    first, second = make_gateway("First"), make_gateway("Second")
    make_route("+", first)
    route = a_route("+44 20", second_gateway=first, third_gateway=second)
    save_route(route=route, actor=ACTOR)
    assert (route.prefix, route.gateways) == ("+4420", [first, second])
    assert find_route(number="+44 20 7946 0000") == route
    assert find_route(number="+33 1 40 00 00 00") == Route.objects.get(prefix="+")
    assert find_route(number="112") is None
    with pytest.raises(InvalidFields, match="tried once"):
        save_route(route=a_route("1", first_gateway=first, second_gateway=first), actor=ACTOR)


def test_a_site_has_its_own_routes_and_all_the_others() -> None:
    london, paris = make_site(), make_site("Paris", "FR")
    london.emergency_callback = "+442079460000"
    save_site(site=london, actor=ACTOR)
    first, second = make_gateway("First"), make_gateway("Second")
    make_route("+", first)
    make_route("112", first, category="emergency")
    mine = make_route("+", second, site=paris)
    make_route("+33", second, site=paris)
    rows = routing_rows(kind=Kind.ROUTE).rows
    assert {key: (row.gateways, row.callback) for key, row in rows.items()} == {  # type: ignore[union-attr]
        "+": ((101,), ""),
        "112": ((101,), ""),
        f"{london.pk}:112": ((101,), "+442079460000"),
        f"{paris.pk}:+": ((102,), ""),
        f"{paris.pk}:+33": ((102,), ""),
        f"{paris.pk}:112": ((101,), ""),
    }
    assert find_route(number="+44", site=paris) == mine
    assert find_route(number="1123") is None
    with pytest.raises(InvalidInput, match="The site has a route for these numbers already"):
        save_route(route=a_route("+", name="Again", site=paris), actor=ACTOR)


def test_whatever_changes_a_row_marks_it_and_nothing_else_does(site: Site) -> None:
    place = make_site()
    make_route("112", make_gateway(), category="emergency")
    assert not site.pending()
    place.address = "1 High Street"
    save_site(site=place, actor=ACTOR)
    assert not site.pending()
    place.emergency_callback = "+442079460000"
    save_site(site=place, actor=ACTOR)
    # And who is there: nobody knew before that its callers differ.
    marked = {f"{place.pk}:112", PendingChange.ALL}
    assert site.pending() == marked
    site.push()
    delete_site(site=place, actor=ACTOR)
    assert site.pending() == marked


@pytest.mark.parametrize("prefix", ["", "44+", "abc", "+" * 2, "1" * 25])
def test_what_is_no_beginning_of_numbers_is_refused(prefix: str) -> None:
    with pytest.raises(InvalidFields):
        save_route(route=a_route(prefix), actor=ACTOR)


@pytest.mark.parametrize("network", ["", "sbc.example", "192.0.2.1/24", "0.0.0.0/0", "::/0"])
def test_what_nobody_should_trust_is_refused(network: str) -> None:
    with pytest.raises(InvalidFields):
        save_trusted_host(host=TrustedHost(name="x", network=network), actor=ACTOR)


def test_a_store_without_the_table_says_so_and_its_accounts_are_written(
    site: Site, settings: Any
) -> None:
    settings.PUSH_ATTEMPTS = 1
    site.execute("DROP TABLE dispatcher")
    account = make_account()
    make_gateway()
    outbox.mark_store(site.store)
    site.push()
    site.push()
    assert account.aor in site.subscribers()
    (dead,) = dead_changes(store=site.store)
    assert dead.kind == Kind.GATEWAY
    assert "dispatcher" in dead.problem


def test_a_row_of_others_at_the_same_place_stays(site: Site) -> None:
    site.execute("INSERT INTO dispatcher (setid, destination) VALUES (101, 'sip:192.0.2.99')")
    gateway = a_gateway()
    save_gateway(gateway=gateway, actor=ACTOR)
    site.push()
    assert site.rows("SELECT destination FROM dispatcher") == [("sip:192.0.2.99",)]
    assert "neither created nor adopted" in site.change("101").problem


def test_a_row_before_a_push_is_kept_as_it_was(site: Site) -> None:
    first, second = make_gateway("First"), make_gateway("Second")
    route = make_route("+", first, second)
    outbox.mark_store(site.store)
    site.push()
    route.second_gateway = None
    save_route(route=route, actor=ACTOR)
    site.push()
    record = site.store.push_records.order_by("pk").last()
    assert record is not None
    ((image,),) = blocks_of(record=record)
    assert image.before == RouteRow("+", Category.NATIONAL, (101, 102))


def test_calls_prove_what_was_pushed_and_the_page_never_says_more_than_it_knows(
    site: Site, new_kamailio: Callable[[Site], Kamailio]
) -> None:
    kamailio = new_kamailio(site)
    server = make_server(site, kamailio)
    account = make_account(user_part="amy")
    amy = Login("amy", "voice.example.com", account.credential.secret() or "")
    with LabGateway() as first, LabGateway() as second, SipClient(kamailio.sip_port) as client:
        here = {"host": "127.0.0.1", "transport": "udp"}
        near = make_gateway("Near", port=first.port, **here)
        far = make_gateway("Far", port=second.port, **here)
        make_route("+44", near, far)
        make_trusted_host("127.0.0.21/32", "authenticated")
        outbox.mark_store(site.store)
        assert words(site)["route"] == "pending"
        site.push()
        assert set(words(site).values()) == {"unproven", "nothing"}
        number = "sip:+442079460000@voice.example.com"
        assert client.invite(number, amy).status == 200
        first.status = 503
        assert client.invite(number, amy).status == 200
        assert [len(first.calls), len(second.calls)] == [2, 1]
        for source, status in (("127.0.0.21", 200), ("127.0.0.22", 403)):
            with SipClient(kamailio.sip_port, source=source) as host:
                assert host.invite(number).status == status
    kamailio.stop()
    near.name = "Nearer"
    save_gateway(gateway=near, actor=ACTOR)
    site.push()
    assert words(site)["gateway"] == "pending"
    SipServer.objects.filter(pk=server.pk).update(enabled=False)
    assert standing_at_servers(list(MAKERS)) == []


def test_what_people_at_a_site_dial_becomes_a_number_and_emergencies_call_back_there(
    site: Site, new_kamailio: Callable[[Site], Kamailio]
) -> None:
    kamailio = new_kamailio(site)
    make_server(site, kamailio)
    london = make_site()
    people = [
        make_account(user_part="amy", site=london),
        make_account(user_part="bob"),
    ]
    amy, bob = (
        Login(each.user_part, "voice.example.com", each.credential.secret() or "")
        for each in people
    )
    with LabGateway() as gateway, SipClient(kamailio.sip_port) as client:
        line = make_gateway("Line", port=gateway.port, host="127.0.0.1")
        save_route(route=a_route("+44", first_gateway=line), actor=ACTOR)
        save_route(route=a_route("112", first_gateway=line, category="emergency"), actor=ACTOR)
        london.dial_rules = r"0([1-9]\d+) -> +44\1" "\n" r"([1-9]\d+) -> +4420\1"
        london.emergency_callback = "+442079460000"
        save_site(site=london, actor=ACTOR)
        outbox.mark_store(site.store)
        site.push()

        def call(login: Login, number: str) -> int:
            return client.invite(f"sip:{number}@voice.example.com", login).status

        assert call(amy, "02079460001") == 200
        assert call(amy, "79460002") == 200
        assert call(amy, "112") == 200
        assert call(bob, "02079460001") == 404
        assert call(bob, "112") == 200
        numbers = [asked.uri.partition("@")[0] for asked in gateway.calls]
        assert numbers == ["sip:+442079460001", "sip:+442079460002", "sip:112", "sip:112"]
        told = [asked.headers.get("p-asserted-identity") for asked in gateway.calls]
        assert told == [None, None, "<sip:+442079460000@voice.example.com;user=phone>", None]

        london.dial_rules = ""
        save_site(site=london, actor=ACTOR)
        site.push()
        assert call(amy, "02079460001") == 404


def test_the_way_of_what_is_dialled_is_told_before_it_is_saved(as_administrator: Client) -> None:
    place = make_site()
    make_route("+44", make_gateway(), name="UK")
    make_route("112", make_gateway("Police"), category="emergency", name="Emergency")
    rules = r"0([1-9]\d+) -> +44\1" "\n" r"(\d+) -> +4420\1"
    told = {
        "0 20 1234": "0 20 1234 becomes +44201234 by rule 1 and takes the national route UK",
        "112": "112 stays as it is: it is an emergency number and takes the emergency route",
        "+33": "+33 stays as it is: no rule fits and takes no route",
    }
    for dialled, said in told.items():
        answer = as_administrator.post(
            reverse("site-try", args=[place.pk]), {"dialled": dialled, "dial_rules": rules}
        )
        assert said in text_of(answer)
    wrong = {"dialled": "1", "dial_rules": "a -> 1"}
    assert "Line 1:" in text_of(as_administrator.post(reverse("site-try-new"), wrong))
