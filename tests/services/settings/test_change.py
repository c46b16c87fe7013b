"""Giving settings values: checked, audited, limited; effective with their origin."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from provisioning.core.errors import InvalidInput, UnsafePlan
from provisioning.core.settings.catalogue import CATALOGUE
from provisioning.core.settings.setting import Setting, SettingScope
from provisioning.core.settings.types import Value
from provisioning.models import (
    Account,
    AuditEvent,
    ConsoleUser,
    GroupNesting,
    GroupRank,
    SettingValue,
)
from provisioning.services.actor import COMMAND_LINE, Actor
from provisioning.services.settings.change import set_value
from provisioning.services.settings.effective import (
    Desk,
    effective_at,
    effective_of,
    explain_setting,
    holder_of,
)
from provisioning.services.settings.loss import SettingChange
from provisioning.services.settings.places import EVERYWHERE, Place, find_place_named
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.database]
S = SettingScope
DEVICES = CATALOGUE["max_devices"]
REMOTE = CATALOGUE["remote_access"]


def give(place: Place, setting: Setting, value: Value | None, **options: Any) -> SettingChange:
    return set_value(
        place=place, setting=setting, value=value, actor=options.pop("actor", COMMAND_LINE),
        **options,
    )  # fmt: skip


def crowd(count: int) -> list[Account]:
    return [factories.make_account(f"Room {n}") for n in range(count)]


def test_a_value_is_effective_where_it_is_given_and_says_where_it_comes_from() -> None:
    pool = Place(S.POOL, factories.make_pool("Berlin"))
    give(EVERYWHERE, DEVICES, 5)
    give(pool, DEVICES, 7)
    effective = explain_setting(place=pool, key="max_devices")
    assert (effective.value, effective.origin) == (7, "pool Berlin")
    assert [(each.value, each.origin) for each in effective.beaten] == [(5, "everywhere")]
    give(pool, DEVICES, None)
    assert explain_setting(place=pool, key="max_devices").origin == "everywhere"


def test_an_account_has_what_its_domain_site_pool_groups_and_itself_give() -> None:
    person = factories.make_person()
    account = factories.make_account(person=person, site=factories.make_site())
    inner = factories.make_group("Berlin sales", members=(person,))
    outer = factories.make_group("Sales", source=inner.source)
    GroupNesting.objects.create(parent=outer, child=inner)
    places = [
        Place(S.DOMAIN, account.domain), Place(S.SITE, account.site), Place(S.POOL, account.pool),
        Place(S.GROUP, outer), Place(S.ACCOUNT, account),
    ]  # fmt: skip
    for value, place in enumerate(places, 1):
        give(place, DEVICES, value)
        assert effective_of(account)["max_devices"] == value, place.label
        shown = explain_setting(place=places[-1], key="max_devices")
        assert (shown.value, len(shown.beaten)) == (value, value - 1)


def test_of_two_groups_the_one_that_is_ranked_first_wins() -> None:
    person = factories.make_person()
    account = factories.make_account(person=person)
    first, second = (factories.make_group(n, members=(person,)) for n in ("First", "Second"))
    give(Place(S.GROUP, first), DEVICES, 1)
    give(Place(S.GROUP, second), DEVICES, 2)
    assert effective_of(account)["max_devices"] == 1
    GroupRank.objects.filter(group=second).update(position=0)
    assert effective_of(account)["max_devices"] == 2
    assert explain_setting(place=Place(S.ACCOUNT, account), key="max_devices").value == 2


def test_a_group_loses_its_rank_with_its_last_setting() -> None:
    group = factories.make_group()
    give(Place(S.GROUP, group), DEVICES, 1)
    group.refresh_from_db()
    assert group.follows_nested
    give(Place(S.GROUP, group), DEVICES, None)
    group.refresh_from_db()
    assert not GroupRank.objects.exists()
    assert not group.follows_nested


def test_each_change_is_audited_at_its_place_and_none_where_nothing_changes(
    administrator: ConsoleUser,
) -> None:
    pool = Place(S.POOL, factories.make_pool())
    for value in (5, 5, None):
        give(pool, DEVICES, value, actor=Actor.of(administrator))
    found = AuditEvent.objects.filter(object_type="serverpool").order_by("id")
    assert [event.detail[DEVICES.label] for event in found] == [
        ["not given", "5 devices"],
        ["5 devices", "not given"],
    ]
    assert {event.actor_name for event in found} == {"anna"}


def test_a_value_that_does_not_fit_or_has_no_business_there_changes_nothing() -> None:
    server_setting = CATALOGUE["min_expires"]
    account = factories.make_account()
    with pytest.raises(InvalidInput, match="1 to 100 devices"):
        give(EVERYWHERE, DEVICES, 0)
    with pytest.raises(InvalidInput, match="not given for one Account"):
        give(Place(S.ACCOUNT, account), server_setting, 60)
    with pytest.raises(InvalidInput, match=r"Shortest registration.*is longer than"):
        give(EVERYWHERE, server_setting, 7200)
    assert not SettingValue.objects.exists()
    assert not AuditEvent.objects.exists()


def test_a_value_everywhere_is_refused_where_a_pool_below_could_not_hold_it() -> None:
    pool = Place(S.POOL, factories.make_pool("Berlin"))
    give(pool, CATALOGUE["max_expires"], 3600)
    give(pool, CATALOGUE["default_expires"], 1800)
    with pytest.raises(InvalidInput, match=r"Pool Berlin: .*longer"):
        give(EVERYWHERE, CATALOGUE["min_expires"], 2700)


def test_taking_service_from_many_needs_somebody_who_may_approve(
    administrator: ConsoleUser, helpdesk: ConsoleUser
) -> None:
    factories.make_store()
    crowd(3)
    with pytest.raises(UnsafePlan, match="loss of service, 3 planned"):
        give(EVERYWHERE, REMOTE, False)
    with pytest.raises(UnsafePlan):
        give(EVERYWHERE, REMOTE, False, actor=Actor.of(helpdesk), approved=True)
    assert not SettingValue.objects.exists()
    change = give(EVERYWHERE, REMOTE, False, actor=Actor.of(administrator), approved=True)
    assert (change.changed, change.losing) == (3, 3)
    assert AuditEvent.objects.get().detail["over the limit"] is True


def test_giving_service_back_and_one_single_account_pass_at_once() -> None:
    accounts = crowd(3)
    give(Place(S.ACCOUNT, accounts[0]), REMOTE, False)
    assert give(Place(S.ACCOUNT, accounts[0]), REMOTE, None).losing == 0


def test_a_dry_change_tells_what_would_be_and_keeps_nothing() -> None:
    crowd(3)
    change = give(EVERYWHERE, REMOTE, False, dry=True)
    assert change.breaches
    assert (change.changed, change.after.value) == (3, False)
    assert not SettingValue.objects.exists()
    assert not AuditEvent.objects.exists()


def test_whoever_has_a_value_of_its_own_is_not_affected() -> None:
    one, *_ = crowd(3)
    give(Place(S.ACCOUNT, one), DEVICES, 4)
    assert give(EVERYWHERE, DEVICES, 20).changed == 2
    assert give(Place(S.DOMAIN, factories.make_domain("other.example")), DEVICES, 3).changed == 0


def test_a_thousand_accounts_cost_no_more_queries_than_ten() -> None:
    person = factories.make_person()
    accounts = [factories.make_account(person=person), *crowd(29)]
    give(Place(S.GROUP, factories.make_group(members=(person,))), DEVICES, 2)
    give(Place(S.ACCOUNT, accounts[1]), DEVICES, 3)
    desk = Desk()
    counts = []
    for some in (accounts[:10], accounts):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            given = desk.given_to([holder_of(account) for account in some])
        counts.append(len(queries))
        assert [each.get("max_devices") for each in given[:3]] == [2, 3, None]
    assert counts == [2, 2]


def test_a_value_that_the_catalogue_no_longer_takes_counts_as_not_given() -> None:
    give(EVERYWHERE, DEVICES, 5)
    SettingValue.objects.update(value="five")
    account = factories.make_account()
    assert effective_of(account)["max_devices"] == 10
    assert explain_setting(place=EVERYWHERE, key="max_devices").source is None


def test_places_are_found_by_name_and_a_wrong_one_is_told() -> None:
    account = factories.make_account(user_part="ann")
    assert find_place_named("account", "sip:ANN@voice.example.com").obj == account
    assert find_place_named("global", "") == EVERYWHERE
    for scope, name in (("pool", "Nowhere"), ("planet", "Mars")):
        with pytest.raises(InvalidInput):
            find_place_named(scope, name)


def test_every_setting_of_a_place_is_shown_once() -> None:
    account = factories.make_account()
    shown = [each.setting.key for each in effective_at(place=Place(S.ACCOUNT, account))]
    assert len(shown) == len(set(shown)) > 10
