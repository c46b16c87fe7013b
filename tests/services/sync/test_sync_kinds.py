"""What entries stand for: kinds of accounts, entries left out, new people who are disabled."""

from __future__ import annotations

import pytest

from provisioning.core.errors import InvalidInput
from provisioning.core.states import State
from provisioning.drivers.base import Kind
from provisioning.models import Account, Person, Run
from provisioning.profiles.registry import RENDERERS
from provisioning.services.clients import documents
from provisioning.services.push.desired import wanted_pages
from tests.services.company import Company, company, rows_of

__all__ = ["company"]

pytestmark = [pytest.mark.database, pytest.mark.django_db]


def test_a_room_gets_an_account_of_its_kind_and_changes_it_with_the_directory(
    company: Company,
) -> None:
    room = company.directory.add("room1", kind="room")
    ann = company.directory.add("ann")
    company.sync()
    assert company.account(room).kind == Account.Kind.ROOM
    assert company.account(ann).kind == Account.Kind.PERSON
    room.set(kind="common-area phone")
    run = company.sync()
    assert company.account(room).kind == Account.Kind.COMMON_AREA
    assert company.account(room).state == State.ACTIVE
    assert run.counts["account.update"] == 1
    assert not rows_of(company.sync())


def test_a_disabled_room_is_in_service_where_its_kind_is_never_disabled(company: Company) -> None:
    company.source.mapping |= {"disabled_room": "''"}
    company.source.save()
    room = company.directory.add("room1", kind="room", locked="yes")
    ann = company.directory.add("ann", locked="yes")
    company.sync()
    assert company.account(room).state == State.ACTIVE
    assert company.account(ann).state == State.PREPARED


def test_account_rules_may_ask_for_the_kind(company: Company) -> None:
    company.rule.condition = "equals(kind, 'person')"
    company.rule.save()
    room, ann = company.directory.add("room1", kind="room"), company.directory.add("ann")
    company.sync()
    assert company.account(ann).state == State.ACTIVE
    assert not Account.objects.filter(person__guid=room.guid).exists()


def test_an_entry_that_is_left_out_is_no_person(company: Company) -> None:
    company.directory.add("ann")
    company.directory.add("shared", kind="left out", locked="yes")
    run = company.sync()
    assert (run.state, run.counts["read.people"]) == (Run.State.DONE, 1)
    assert list(Person.objects.values_list("login", flat=True)) == ["ann"]
    assert not rows_of(company.sync())


def test_a_person_whose_entry_becomes_a_shared_mailbox_leaves_and_may_come_back(
    company: Company,
) -> None:
    company.relax()
    ann, _ = company.directory.add("ann"), company.directory.add("bob")
    company.sync()
    ann.set(kind="left out")
    assert company.sync().counts["person.leave"] == 1
    assert company.account(ann).state == State.GRACE
    assert not rows_of(company.sync())
    ann.set(kind="")
    assert company.sync().counts["person.return"] == 1
    assert company.account(ann).state == State.ACTIVE


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("disabled", "'yes'"),
        ("kind", "if(equals(login, 'keeper'), 'person', 'left out')"),
        ("expires_at", "'2001-01-01T00:00:00Z'"),
    ],
)
def test_an_edit_of_the_map_that_takes_service_from_everybody_waits(
    company: Company, field: str, text: str
) -> None:
    company.directory.add_many(20)
    keeper = company.directory.add("keeper")
    company.sync()
    if field == "disabled":
        company.source.disabled_expression = text
    else:
        company.source.mapping |= {field: text}
    company.source.save()
    run = company.sync()
    assert run.state == Run.State.WAITING
    assert run.breaches
    assert set(Account.objects.values_list("state", flat=True)) == {State.ACTIVE}
    assert company.person(keeper).left_at is None


def test_a_preview_of_an_edited_map_changes_nothing(company: Company) -> None:
    ann = company.directory.add("ann", title="chief")
    company.sync()
    company.source.mapping |= {"title": "upper(title)"}
    company.source.save()
    run = company.sync(dry=True)
    assert [(row[0], row[1]) for row in rows_of(run)] == [("person", "update")]
    assert company.person(ann).title == "chief"


def test_a_new_and_disabled_person_is_prepared_and_nobody_can_use_the_account(
    company: Company,
) -> None:
    ann = company.directory.add("ann", locked="yes", phone="+442079460001")
    company.sync()
    account = company.account(ann)
    assert account.state == State.PREPARED
    assert (account.number.e164, account.number.state) == ("+442079460001", "reserved")
    assert not list(wanted_pages(store=company.store, kind=Kind.SUBSCRIBER))
    for renderer in RENDERERS.values():
        with pytest.raises(InvalidInput, match="prepared"):
            documents.render(
                account=account, renderer=renderer, with_secret=False, desk=documents.Desk()
            )
