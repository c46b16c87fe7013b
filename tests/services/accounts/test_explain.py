"""Explanations of accounts and people."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from provisioning.core.states import State
from provisioning.drivers.base import Kind
from provisioning.models import (
    Account,
    ConfigStore,
    ConsoleUser,
    OwnedRow,
    PendingChange,
    Person,
    Pin,
)
from provisioning.services.accounts.blocks import block_account, restore_leaver
from provisioning.services.accounts.explain import explain_account, explain_person
from provisioning.services.accounts.pins import set_pin
from provisioning.services.actor import Actor
from provisioning.services.numbers.numbers import assign_number
from provisioning.services.push import outbox
from tests.factories import (
    make_account,
    make_group,
    make_person,
    make_rule,
    make_site,
    make_store,
)

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def actor(administrator: ConsoleUser) -> Actor:
    return Actor.of(administrator)


def answers(account: Account) -> dict[str, tuple[str, str]]:
    return {e.title: (e.value, e.because) for e in explain_account(account=account)}


def person_answers(person: Person) -> dict[str, tuple[str, str]]:
    return {e.title: (e.value, e.because) for e in explain_person(person=person)}


def test_the_rule_that_decides_and_those_before_it_are_named() -> None:
    person = make_person()
    group = make_group("Executives", source=person.source)
    make_rule(name="Board", group=group, position=10)
    make_rule(name="Everybody", position=20)
    make_rule(name="Never asked", position=30)
    found = answers(make_account(person=person))
    assert found["Rule 1"] == ("Board", "does not match: not in the group Executives")
    assert found["Rule 2"] == ("Everybody", "matches first, so it decides")
    assert "Rule 3" not in found
    assert "a rule matches" in found["State"][1]


def test_a_member_of_the_group_falls_under_its_rule() -> None:
    person = make_person()
    make_rule(name="Board", group=make_group("Executives", members=(person,)))
    assert person_answers(person)["Rule 1"][1] == (
        "matches first, so it decides: Ann Lee → Executives"
    )


def test_a_block_says_its_reason_and_that_it_beats_the_directory(actor: Actor) -> None:
    make_rule()
    account = make_account(person=make_person())
    blocked = block_account(account=account, reason="Phone stolen", actor=actor)
    assert "Phone stolen; a block beats the directory" in answers(blocked)["State"][1]


def test_a_restored_leaver_shows_the_pin_and_who_made_it(actor: Actor) -> None:
    make_rule()
    account = make_account(person=make_person(left_at=timezone.now()), state=State.GRACE)
    found = answers(restore_leaver(account=account, reason="Handover", actor=actor))
    assert found["Pin of State"] == ("Active", "Handover by Anna Admin")


def test_a_sticky_address_says_what_the_formula_would_give_now() -> None:
    make_rule(name="Everybody", user_formula="lower(login)")
    account = make_account(person=make_person(login="new.name"), user_part="old.name")
    assert "would give new.name@voice.example.com" in answers(account)["SIP URI"][1]


def test_a_number_from_the_console_is_explained_by_its_pin(actor: Actor) -> None:
    make_rule()
    account = make_account(person=make_person())
    assign_number(account=account, e164="+442079460001", actor=actor)
    assert answers(account)["Number"] == ("+442079460001", "pinned: Set in the console")


def test_pins_are_told_by_name_and_not_by_id(actor: Actor) -> None:
    site = make_site()
    account = make_account(person=make_person(), state=State.HELD)
    for field, value in (("site", str(site.pk)), ("state", "held"), ("number", "")):
        set_pin(account=account, field=Pin.Field(field), value=value, reason="Leave", actor=actor)
    told = answers(account)
    assert told["Pin of Site"][0] == str(site)
    assert told["Pin of State"][0] == "Held"
    assert told["Pin of Number"][0] == "none"
    site.delete()
    assert answers(account)["Pin of Site"][0] == "deleted since"


def test_what_became_of_the_account_is_said_for_every_store() -> None:
    account = make_account()
    make_store(name="a", mode=ConfigStore.Mode.OBSERVE)
    pending, written, failed = make_store(name="b"), make_store(name="c"), make_store(name="d")
    make_store(name="e")
    outbox.mark(store_ids=[pending.pk, failed.pk], kind=Kind.SUBSCRIBER, keys=[account.aor])
    PendingChange.objects.filter(store=failed).update(dead=True, problem="column is missing")
    OwnedRow.objects.create(store=written, kind="subscriber", key=account.aor, content="x")
    found = answers(account)
    assert [found[f"At {name}"][0] for name in "abcde"] == [
        "not written", "pending", "applied", "problem", "not there",
    ]  # fmt: skip
    assert found["At d"][1] == "column is missing"


def test_somebody_without_an_account_is_told_why() -> None:
    assert person_answers(make_person())["Account"] == (
        "none",
        "no enabled rule matches this person",
    )
    conflict = "The SIP URI ann@voice.example.com already belongs to Ann Lee."
    make_rule()
    found = person_answers(make_person(problem=conflict))
    assert found["Account"][1] == conflict
    assert found["Conflict"][0] == conflict


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("explain", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_finds_by_user_name_sip_uri_and_number(actor: Actor) -> None:
    make_rule()
    account = make_account(person=make_person(login="ann"), user_part="ann")
    assign_number(account=account, e164="+442079460001", actor=actor)
    by_login = run("ANN")
    assert "sip:ann@voice.example.com" in by_login
    assert run("sip:ann@voice.example.com") == by_login
    assert run("+44 20 7946 0001") == by_login
    explained = json.loads(run("ann", "--json"))
    assert next(iter(explained)).startswith("Ann Lee (ann, ")


def test_the_command_ends_with_an_error_for_a_name_that_nobody_has() -> None:
    with pytest.raises(CommandError, match="Nobody has the user name"):
        run("nobody")
