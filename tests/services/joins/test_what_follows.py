"""What asks for a person asks for all of their entries: groups, servers, written values, expiry."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from provisioning.core.moments import moment
from provisioning.core.settings.catalogue import CATALOGUE
from provisioning.core.settings.setting import SettingScope
from provisioning.core.states import State
from provisioning.models import Account, PendingChange, Person, SettingValue
from provisioning.models.setting import GroupRank
from provisioning.services.accounts.blocks import block_account, unblock_account
from provisioning.services.accounts.rehires import open_rehires
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.directory.expiry import find_expired, is_expiry_due
from provisioning.services.directory.nesting import find_owners
from provisioning.services.directory.people_index import PeopleIndex, Traces
from provisioning.services.joins import joins
from provisioning.services.rules.rule_preview import preview_rule
from provisioning.services.settings.change import set_value
from provisioning.services.settings.effective import Desk, effective_of, holder_of
from provisioning.services.settings.places import Place
from provisioning.services.write_back.account_values import (
    Extensions,
    entries_changed_since,
    read_account_values,
)
from tests.factories import make_group
from tests.services.joins.forests import Forests

pytestmark = [pytest.mark.database, pytest.mark.django_db]

_HOUR = timedelta(hours=1)


@pytest.fixture
def ann(forests: Forests) -> tuple[Person, Person, Account]:
    """Somebody with an entry in each forest, joined, and the account."""
    pair = forests.add_pair("ann")
    forests.join()
    one, other = (forests.entry(each) for each in pair)
    return one, other, Account.objects.get(person=one)


def test_the_values_of_the_account_are_written_to_every_entry(
    forests: Forests, ann: tuple[Person, Person, Account]
) -> None:
    _, other, account = ann
    values = read_account_values(forests.bought.pk, [other.guid], Extensions())
    assert values[other.guid].values["aor"] == (account.aor,)
    Account.objects.filter(pk=account.pk).update(changed_at=timezone.now() + _HOUR)
    changed = entries_changed_since(forests.bought.pk, timezone.now())
    assert list(changed) == [other]
    assert other in entries_changed_since(forests.bought.pk, None)


def test_settings_and_servers_narrowed_to_a_group_reach_whoever_is_in_it_by_any_entry(
    forests: Forests, ann: tuple[Person, Person, Account]
) -> None:
    one, other, account = ann
    group = make_group("Sales", members=(other,), source=forests.bought)
    GroupRank.objects.create(group=group, position=1)
    SettingValue.objects.create(
        scope=SettingScope.GROUP, group=group, key="max_devices", value=3, at=timezone.now()
    )
    assert list(find_owners(group=group)) == [one.pk]
    (given,) = Desk().given_to([holder_of(account)])
    assert given.get("max_devices") == 3


def test_an_account_at_a_server_is_recognised_by_any_entry(
    ann: tuple[Person, Person, Account],
) -> None:
    one, other, _ = ann
    index = PeopleIndex()
    match = index.find(Traces(other.login, "voice.example.com", "", ()))
    assert match is not None
    assert match.person_id == one.pk
    Person.objects.filter(pk=one.pk).update(left_at=timezone.now())
    assert one.pk not in PeopleIndex().left


def test_a_block_ends_with_the_state_that_all_entries_give(
    ann: tuple[Person, Person, Account],
) -> None:
    one, _, account = ann
    block_account(account=account, reason="lost", actor=COMMAND_LINE)
    Person.objects.filter(pk=one.pk).update(left_at=timezone.now())
    account.refresh_from_db()
    unblock_account(account=account, actor=COMMAND_LINE)
    account.refresh_from_db()
    assert account.state == State.ACTIVE


def test_an_expiry_acts_only_where_the_entry_that_decides_expired(
    forests: Forests, ann: tuple[Person, Person, Account]
) -> None:
    one, other, _ = ann
    past = moment(timezone.now() - _HOUR)
    Person.objects.filter(pk=other.pk).update(expires_at=past)
    forests.prefer(forests.source, forests.bought)
    assert not is_expiry_due()
    forests.prefer(forests.bought, forests.source)
    assert list(find_expired(now=timezone.now())) == [one]


def test_whoever_is_elsewhere_is_no_leaver_who_returned(
    forests: Forests, ann: tuple[Person, Person, Account]
) -> None:
    forests.directory.people = [
        each for each in forests.directory.people if each.guid != ann[0].guid
    ]
    forests.directory.add("ann.new", employee_id="E-ann")
    forests.sync()
    assert not open_rehires().exists()


def test_the_preview_of_a_rule_shows_a_person_once(
    forests: Forests, ann: tuple[Person, Person, Account]
) -> None:
    forests.rule.source = forests.bought
    preview = preview_rule(rule=forests.rule)
    assert preview.people == 6
    assert preview.matching == 6
    assert preview.looked_at == 6


def test_settings_of_a_group_are_pushed_anew_where_entries_are_joined_or_parted(
    forests: Forests,
) -> None:
    one, other = forests.add_pair("ann")
    forests.add_pair("bob")
    group = make_group("Contractors", members=(forests.entry(other),))
    set_value(
        place=Place(SettingScope.GROUP, group), setting=CATALOGUE["messaging"], value=False,
        actor=COMMAND_LINE,
    )  # fmt: skip
    account, own = (Account.objects.get(person=forests.entry(each)) for each in (one, other))

    def marked() -> set[str]:
        rows = PendingChange.objects.filter(kind="preference", key__startswith="messaging/")
        return {key.partition("/")[2] for key in rows.values_list("key", flat=True)}

    PendingChange.objects.all().delete()
    two = forests.entry(one), forests.entry(other)
    forests.carry_out(joins.join_people(one=two[0], other=two[1], actor=COMMAND_LINE))
    assert effective_of(account)["messaging"] is False
    assert marked() == {account.aor, own.aor}
    PendingChange.objects.all().delete()
    forests.carry_out(joins.separate(entry=forests.entry(other), actor=COMMAND_LINE))
    assert effective_of(account).get("messaging", True) is True
    assert marked() == {account.aor, own.aor}
    PendingChange.objects.all().delete()
    GroupRank.objects.all().delete()
    SettingValue.objects.all().delete()
    forests.carry_out(joins.join_people(one=two[0], other=two[1], actor=COMMAND_LINE))
    assert marked() == set()
