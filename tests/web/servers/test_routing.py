"""Routes & trunks: what the page shows, how a number's way is told, what a form keeps."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from provisioning.models import Gateway, PendingChange, Route, SipServer
from tests.factories import make_gateway, make_route, make_store, make_trusted_host
from tests.web.pages import queries_of, text_of

pytestmark = pytest.mark.django_db


def a_server(name: str) -> SipServer:
    store = make_store()
    return SipServer.objects.create(
        name=name, pool=store.pool, store=store, sip_host="localhost",
        rpc_url="http://127.0.0.1:1/RPC",
    )  # fmt: skip


def test_the_page_tells_routes_trunks_hosts_and_never_green(as_viewer: Client) -> None:
    a_server("sip1")
    make_route("+44", make_gateway(registers=True), make_gateway("Spare", enabled=False))
    make_route("+4490")
    make_trusted_host()
    response = as_viewer.get(reverse("routes"))
    page = text_of(response)
    assert "Carrier, then Spare (not in use)" in page
    assert "acme@carrier.example" in page
    assert "Inbound: may call accounts only" in page
    assert "Refused" in page
    assert "rt-tone-green" not in response.content.decode().partition("At the SIP servers")[2]


def test_more_of_everything_costs_no_more_queries(as_viewer: Client) -> None:
    a_server("sip1")
    make_route("+", make_gateway())
    before = queries_of(as_viewer, reverse("routes"))
    for number in range(5):
        a_server(f"more{number}")
        make_route(f"+{number}", make_gateway(f"More {number}"))
        make_trusted_host(f"192.0.2.{number}/32")
    assert queries_of(as_viewer, reverse("routes")) == before


@pytest.mark.parametrize(
    ("number", "told"),
    [
        ("+44 20 7946 0000", "+44 20 7946 0000 is national and takes the route UK to Carrier."),
        ("+4490 1", "Calls to +4490 1 are refused by the route Dear ."),
        ("112", "No route fits 112"),
        ("", "Type a number first."),
    ],
)
def test_the_way_of_a_number_is_told(as_viewer: Client, number: str, told: str) -> None:
    make_route("+44", make_gateway(), name="UK")
    make_route("+4490", name="Dear")
    assert told in text_of(as_viewer.get(reverse("routes-try"), {"number": number}))


def test_a_form_adds_a_trunk_and_never_shows_its_password(as_administrator: Client) -> None:
    make_store()
    form = {
        "name": "Carrier", "enabled": "on", "host": "sbc.carrier.example", "port": "5061",
        "transport": "tls", "strip": "0", "prefix": "", "registers": "on", "user": "acme",
        "secret": "s3cret", "expires": "600", "number": "",
    }  # fmt: skip
    answer = as_administrator.post(reverse("gateway-new"), form, follow=True)
    assert "Carrier was saved." in text_of(answer)
    gateway = Gateway.objects.get()
    assert (gateway.number, gateway.secret()) == (101, "s3cret")
    assert PendingChange.objects.filter(kind="gateway", key="101").exists()
    page = as_administrator.get(reverse("gateway", args=[gateway.pk]))
    assert b"s3cret" not in page.content
    untrunked = {**form, "registers": "", "name": "Forgotten", "number": ""}
    for lost in (untrunked, {**untrunked, "secret": ""}, {**untrunked, "user": ""}):
        refused = as_administrator.post(reverse("gateway-new"), lost)
        assert (refused.status_code, Gateway.objects.count()) == (422, 1)
        assert "Tick this, or leave user name and password empty" in text_of(refused)
    moved = {**form, "secret": "", "host": "elsewhere.example", "number": "101"}
    answer = as_administrator.post(reverse("gateway", args=[gateway.pk]), moved, follow=True)
    assert "The password was erased." in text_of(answer)


def test_what_is_wrong_stands_at_its_field(as_administrator: Client) -> None:
    answer = as_administrator.post(
        reverse("route-new"), {"name": "UK", "prefix": "+44 abc", "category": "national"}
    )
    assert answer.status_code == 422
    assert "Give the beginning of numbers" in text_of(answer)
    assert not Route.objects.exists()


def test_a_gateway_in_use_says_what_uses_it(as_administrator: Client) -> None:
    gateway = make_gateway()
    make_route("+", gateway, name="World")
    answer = as_administrator.post(reverse("gateway-delete", args=[gateway.pk]), follow=True)
    assert "still used by 1 route: World." in text_of(answer)


def test_no_choice_of_a_route_is_a_row_of_dashes(as_administrator: Client) -> None:
    page = as_administrator.get(reverse("route-new")).content.decode()
    assert "-----" not in page
    assert "Everywhere" in page
