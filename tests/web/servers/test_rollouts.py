"""Rollouts in the console: how they are shown, and who may do what with them."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from provisioning.core.roles import Role
from provisioning.core.settings.catalogue import CATALOGUE
from provisioning.core.settings.setting import SettingScope
from provisioning.models import ConfigStore, ConsoleUser, Rollout, ServerPool, SipServer
from provisioning.services.actor import Actor
from provisioning.services.settings.change import set_value
from provisioning.services.settings.places import Place
from tests.factories import make_pool, make_store
from tests.web.pages import text_of

pytestmark = pytest.mark.django_db

ACTIONS = ("again", "approve", "cancel", "hurry", "pause", "resume", "roll-back")


@pytest.fixture
def pool() -> ServerPool:
    pool = make_pool()
    pool.staged = pool.needs_approval = True
    pool.save()
    make_store(pool=pool, dialect="sqlite", database="none.db")
    return pool


@pytest.fixture
def rollout(pool: ServerPool, administrator: ConsoleUser) -> Rollout:
    set_value(
        place=Place(SettingScope.POOL, pool), setting=CATALOGUE["min_expires"], value=20,
        actor=Actor.of(administrator),
    )  # fmt: skip
    return Rollout.objects.get()


@pytest.fixture
def as_second(client: Client) -> Client:
    user = ConsoleUser.objects.create_user("bea", "a long password", role=Role.ADMINISTRATOR)
    second = Client()
    second.force_login(user)
    return second


def test_a_rollout_is_listed_and_shown_with_what_it_waits_for(
    rollout: Rollout, as_helpdesk: Client
) -> None:
    for page in ("/rollouts/", f"/rollouts/?pool={rollout.pool_id}", f"/pools/{rollout.pool_id}/"):
        assert str(rollout) in text_of(as_helpdesk.get(page))
    said = text_of(as_helpdesk.get(f"/rollouts/{rollout.pk}/"))
    assert "Waiting for approval" in said
    assert "Anna Admin" in said
    assert "Approve" not in said.replace("Approved", "")
    assert str(rollout) not in text_of(as_helpdesk.get("/rollouts/?pool=99999"))


def test_only_who_may_and_is_not_the_author_gets_the_button_and_can_approve(
    rollout: Rollout, as_administrator: Client, as_second: Client
) -> None:
    page, approve = f"/rollouts/{rollout.pk}/", reverse("rollout-approve", args=[rollout.pk])
    assert "somebody else approves it" in text_of(as_administrator.get(page))
    said = text_of(as_administrator.post(approve, {"digest": rollout.digest}, follow=True))
    assert "somebody else has to approve it" in said
    assert "Approve" in text_of(as_second.get(page))
    assert "look again" in text_of(as_second.post(approve, {"digest": "other"}, follow=True))
    assert "is approved" in text_of(
        as_second.post(approve, {"digest": rollout.digest}, follow=True)
    )
    rollout.refresh_from_db()
    assert rollout.is_approved


def test_who_makes_a_change_is_told_which_rollout_brings_it(
    pool: ServerPool, as_administrator: Client
) -> None:
    setting = reverse("setting", args=["global", 0, "max_devices"])
    told = text_of(as_administrator.post(setting, {"value": "7"}, follow=True))
    first = Rollout.objects.get()
    brings = (
        f"{first} brings it to the servers of {pool} in stages, once somebody else has approved"
    )
    assert brings in told
    assert "with the next request" not in told.partition("7 devices (everywhere)")[2][:200]
    host = {"name": "Carrier", "network": "192.0.2.7", "treatment": "inbound"}
    told = text_of(as_administrator.post(reverse("trusted-new"), host, follow=True))
    assert brings in told
    assert "with the next push" not in told
    server = SipServer.objects.create(
        name="sip1", pool=pool, store=ConfigStore.objects.get(), sip_host="localhost",
        rpc_url="http://127.0.0.1:1/RPC",
    )  # fmt: skip
    for page in (reverse("routes"), reverse("server", args=[server.pk])):
        assert "Pending A rollout holds it back" in text_of(as_administrator.get(page))
    site = {
        "name": "London", "country": "GB", "time_zone": "Europe/London",
        "dial_rules": "0([1-9]\\d+) -> +44\\1",
    }  # fmt: skip
    told = text_of(as_administrator.post(reverse("site-new"), site, follow=True))
    assert brings in told
    # What changes nothing at the servers joins nothing.
    policy = reverse("setting", args=["global", 0, "register_interval"])
    told = text_of(as_administrator.post(policy, {"value": "30 min"}, follow=True))
    assert "brings it" not in told


@pytest.mark.parametrize("action", ACTIONS)
def test_nobody_else_does_anything_with_it(
    rollout: Rollout, as_helpdesk: Client, action: str
) -> None:
    address = reverse(f"rollout-{action}", args=[rollout.pk])
    assert Client().post(address).status_code == 302
    assert as_helpdesk.post(address, {"reason": "x"}).status_code == 403
    rollout.refresh_from_db()
    assert rollout.state == "waiting"


def test_giving_up_asks_why_and_a_dialog_goes_on_to_the_page(
    rollout: Rollout, as_administrator: Client
) -> None:
    address = reverse("rollout-cancel", args=[rollout.pk])
    assert "Say why" in text_of(as_administrator.post(address, {"reason": ""}, follow=True))
    answer = as_administrator.post(address, {"reason": "no"}, headers={"HX-Request": "true"})
    assert answer.headers["HX-Redirect"] == f"/rollouts/{rollout.pk}/"
    said = text_of(as_administrator.get(f"/rollouts/{rollout.pk}/"))
    assert "Given up" in said
    assert "Anna Admin gave it up: no." in said
    assert f"Gave up {rollout}" in text_of(as_administrator.get("/audit/"))


def test_an_open_page_is_made_anew_when_the_state_is_another(
    rollout: Rollout, as_helpdesk: Client
) -> None:
    address = reverse("rollout-progress", args=[rollout.pk])
    assert "HX-Refresh" not in as_helpdesk.get(f"{address}?state=waiting").headers
    assert as_helpdesk.get(f"{address}?state=running").headers["HX-Refresh"] == "true"


def test_how_changes_come_to_a_pool_is_said_in_a_form(
    pool: ServerPool, as_administrator: Client, as_helpdesk: Client
) -> None:
    address = reverse("pool-stages", args=[pool.pk])
    assert as_helpdesk.get(address).status_code == 403
    page = as_administrator.get(address)
    assert "Leavers never wait" in text_of(page)
    values = {
        name: value
        for name, value in page.context["form"].initial.items()
        if value not in (None, False)
    }
    refused = as_administrator.post(address, {**values, "windows": "nights"})
    assert (refused.status_code, "is no change window" in text_of(refused)) == (422, True)
    values |= {"windows": "mon-fri 22:00-5:00", "time_zone": "Europe/London"}
    said = text_of(as_administrator.post(address, values, follow=True))
    assert "in the window Mon-Fri 22:00-05:00 (Europe/London)" in said


def test_the_servers_that_come_first_are_said_in_the_same_form(
    pool: ServerPool, as_administrator: Client
) -> None:
    store = ConfigStore.objects.get(pool=pool)
    for name in ("sip1", "sip2", "canary"):
        SipServer.objects.create(
            name=name, pool=pool, store=store, sip_host=f"{name}.example.com",
            rpc_url="https://192.0.2.1/RPC",
        )  # fmt: skip
    address = reverse("pool-stages", args=[pool.pk])
    page = as_administrator.get(address)
    assert "The order now: canary, sip1, sip2." in text_of(page)
    values = {
        name: value
        for name, value in page.context["form"].initial.items()
        if value not in (None, False)
    }
    refused = as_administrator.post(address, {**values, "first": "sip9", "gate_seconds": 5})
    assert refused.status_code == 422
    assert "Frankfurt has no server “sip9”. There are: canary, sip1, sip2." in text_of(refused)
    pool.refresh_from_db()
    assert pool.gate_seconds != 5
    as_administrator.post(address, {**values, "first": " sip2\n\nsip1 "})
    page = as_administrator.get(address)
    assert "The order now: sip2, sip1, canary." in text_of(page)
    assert page.context["form"].initial["first"] == "sip2\nsip1"


def test_the_page_of_a_rollout_takes_few_queries(
    rollout: Rollout, as_helpdesk: Client, django_assert_max_num_queries: object
) -> None:
    with django_assert_max_num_queries(25):  # type: ignore[operator]
        as_helpdesk.get(f"/rollouts/{rollout.pk}/")
