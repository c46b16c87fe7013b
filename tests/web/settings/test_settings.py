"""Pages of settings: who may look and change, where values come from, what a limit asks."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from provisioning.core.settings.catalogue import CATALOGUE
from provisioning.core.settings.setting import SettingScope
from provisioning.models import GroupRank, SettingValue, SipServer
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.settings.change import set_value
from provisioning.services.settings.places import EVERYWHERE, Place
from tests import factories
from tests.web.pages import text_of

pytestmark = pytest.mark.django_db
DEVICES = CATALOGUE["max_devices"]


@pytest.fixture
def pages() -> dict[str, str]:
    """The address of the settings of one place of each scope."""
    store = factories.make_store()
    server = SipServer.objects.create(
        name="sip1", pool=store.pool, store=store, sip_host="sip1.example.com",
        rpc_url="http://192.0.2.1/RPC",
    )  # fmt: skip
    account = factories.make_account(site=factories.make_site())
    places = {
        "pool": store.pool_id, "server": server.pk, "domain": account.domain_id,
        "site": account.site_id, "group": factories.make_group().pk, "account": account.pk,
    }  # fmt: skip
    found = {scope: reverse("settings-at", args=[scope, pk]) for scope, pk in places.items()}
    own = reverse("account-settings", args=[account.pk])
    return {"global": reverse("settings"), "tab": own, **found}


def page_of(place: Place, key: str = "max_devices") -> str:
    return reverse("setting", args=[place.scope.value, place.pk, key])


def test_a_stranger_is_sent_to_sign_in(client: Client, pages: dict[str, str]) -> None:
    for page in (*pages.values(), page_of(EVERYWHERE), reverse("settings-go")):
        assert client.get(page)["Location"].startswith(reverse("sign-in"))


def test_whoever_may_look_sees_every_place_and_changes_none(
    as_viewer: Client, pages: dict[str, str]
) -> None:
    for page in (*pages.values(), page_of(EVERYWHERE)):
        assert as_viewer.get(page).status_code == 200
    assert as_viewer.post(page_of(EVERYWHERE), {"value": "3"}).status_code == 403
    group = reverse("settings-group-move", args=[1])
    assert as_viewer.post(group, {"direction": "up"}).status_code == 403
    assert not SettingValue.objects.exists()


def test_the_help_desk_changes_one_account_and_nothing_else(as_helpdesk: Client) -> None:
    account = factories.make_account()
    own = page_of(Place(SettingScope.ACCOUNT, account))
    pool = page_of(Place(SettingScope.POOL, account.pool))
    assert as_helpdesk.post(own, {"value": "3"}).status_code == 302
    assert as_helpdesk.post(pool, {"value": "3"}).status_code == 403
    assert SettingValue.objects.get().account == account


def test_each_value_tells_where_it_comes_from_and_what_it_beats(
    as_administrator: Client,
) -> None:
    pool = factories.make_pool("Berlin")
    account = factories.make_account(pool=pool)
    set_value(place=EVERYWHERE, setting=DEVICES, value=5, actor=COMMAND_LINE)
    set_value(place=Place(SettingScope.POOL, pool), setting=DEVICES, value=7, actor=COMMAND_LINE)
    text = text_of(as_administrator.get(reverse("account-settings", args=[account.pk])))
    assert "7 devices pool Berlin Beats 1 5 devices, everywhere" in text
    detail = text_of(as_administrator.get(page_of(Place(SettingScope.ACCOUNT, account))))
    assert "Pool Berlin: it counts" in detail
    assert "Everywhere: beaten" in detail
    policy = as_administrator.get(page_of(EVERYWHERE, "media_encryption"))
    assert "Held by Linphone, baresip" in text_of(policy)


def test_a_value_is_given_and_taken_back_and_both_are_told(as_administrator: Client) -> None:
    pool = Place(SettingScope.POOL, factories.make_pool("Berlin"))
    as_administrator.post(page_of(pool), {"value": "7"})
    text = text_of(as_administrator.get(page_of(pool)))
    assert "Now: 7 devices" in text
    assert "not given → 7 devices Anna Admin (anna)" in text
    as_administrator.post(page_of(pool), {"reset": "1", "value": "7"})
    assert not SettingValue.objects.exists()
    assert "7 devices → not given" in text_of(as_administrator.get(page_of(pool)))


def test_a_value_that_does_not_fit_is_refused_with_the_reason(as_administrator: Client) -> None:
    answer = as_administrator.post(page_of(EVERYWHERE), {"value": "many"})
    assert answer.status_code == 422
    assert "1 to 100 devices" in text_of(answer)
    answer = as_administrator.post(page_of(EVERYWHERE, "min_expires"), {"value": "2 h"})
    assert answer.status_code == 422
    assert "is longer than" in text_of(answer)


def test_what_passes_a_limit_asks_somebody_who_may_approve(as_administrator: Client) -> None:
    for n in range(3):
        factories.make_account(f"Room {n}")
    remote = page_of(EVERYWHERE, "remote_access")
    asked = as_administrator.post(remote, {"value": "off"})
    assert asked.status_code == 422
    assert "I approve that so many lose it" in text_of(asked)
    assert not SettingValue.objects.exists()
    assert as_administrator.post(remote, {"value": "off", "approved": "on"}).status_code == 302
    assert SettingValue.objects.get().value is False


def test_the_picker_leads_to_the_place_and_nonsense_leads_nowhere(
    as_administrator: Client, pages: dict[str, str]
) -> None:
    pool = pages["pool"].rstrip("/").rpartition("/")[2]
    answer = as_administrator.get(reverse("settings-go"), {"at": f"pool:{pool}"})
    assert answer["Location"] == pages["pool"]
    for at in ("pool:999999", "planet:1", "pool:x", "pool:" + "9" * 30):
        assert as_administrator.get(reverse("settings-go"), {"at": at}).status_code == 404
    for path in ("/settings/planet/1/", "/settings/pool/999999/", "/settings/global/0/colour/"):
        assert as_administrator.get(path).status_code == 404
    wrong = page_of(Place(SettingScope.ACCOUNT, factories.make_account()), "min_expires")
    assert as_administrator.get(wrong).status_code == 404


def test_groups_are_put_into_order(as_administrator: Client) -> None:
    groups = [factories.make_group(name) for name in ("First", "Second")]
    for group in groups:
        set_value(
            place=Place(SettingScope.GROUP, group), setting=DEVICES, value=3, actor=COMMAND_LINE
        )
    move = reverse("settings-group-move", args=[groups[1].pk])
    as_administrator.post(move, {"direction": "up"})
    as_administrator.post(move, {"direction": "up"})
    assert [rank.group for rank in GroupRank.objects.all()] == groups[::-1]
    text = text_of(as_administrator.get(reverse("settings")))
    assert text.index("2 First") > text.index("1 Second")


def test_a_page_costs_the_same_however_many_values_there_are(
    as_administrator: Client, pages: dict[str, str]
) -> None:
    counts = []
    for given in ({}, {"max_devices": 3, "messaging": False, "video": False}):
        for key, value in given.items():
            set_value(place=EVERYWHERE, setting=CATALOGUE[key], value=value, actor=COMMAND_LINE)
        with CaptureQueriesContext(connection) as queries:
            assert as_administrator.get(pages["tab"]).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 20


def test_which_numbers_may_be_called_is_ticked(as_administrator: Client) -> None:
    account = factories.make_account()
    place = Place(SettingScope.ACCOUNT, account)
    page = page_of(place, "call_classes")
    shown = as_administrator.get(page).content.decode()
    assert shown.count('type="checkbox" name="value"') == 7
    assert shown.count("checked") == 7
    assert "Shared cost" in shown
    assert "shared_cost," not in shown
    as_administrator.post(page, {"value": ["shared_cost", "internal"]})
    assert SettingValue.objects.get().value == ["internal", "shared_cost"]
    assert "Now: Internal, shared cost" in text_of(as_administrator.get(page))
    as_administrator.post(page, {})
    assert "Now: Emergency numbers only" in text_of(as_administrator.get(page))
    assert as_administrator.post(page, {"value": ["moon"]}).status_code == 422


def test_of_a_setting_of_servers_no_accounts_are_counted(as_administrator: Client) -> None:
    for key, counted in (("max_expires", False), ("max_devices", True)):
        page = page_of(EVERYWHERE, key)
        value = {"max_expires": "2 h", "max_devices": "5"}[key]
        told = text_of(as_administrator.post(page, {"value": value}, follow=True))
        assert ("accounts changed." in told) is counted
