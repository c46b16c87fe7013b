"""What stands in the way of one person, and that everybody else goes on."""

from __future__ import annotations

from typing import Any

import pytest

from provisioning.core.errors import ProvisioningError
from provisioning.core.states import State
from provisioning.directory.reader import Problem
from provisioning.models import (
    Account,
    Person,
    Run,
)
from tests.factories import make_account, make_person
from tests.services.company import Company, company, memory_source, read_from, rows_of
from tests.services.company import Directory as MemoryDirectory

__all__ = ["company"]

pytestmark = [pytest.mark.database, pytest.mark.django_db]


def test_a_new_guid_with_a_known_user_name_is_another_person_and_a_conflict(
    company: Company,
) -> None:
    company.relax()
    old, _ = company.directory.add("ann"), company.directory.add("bob")
    company.sync()
    company.directory.remove(old)
    new = company.directory.add("ann")
    run = company.sync()
    assert run.state == Run.State.DONE
    assert Person.objects.filter(login="ann").count() == 2
    assert company.person(new).problem == (
        "The SIP URI ann@voice.example.com already belongs to Ann."
    )
    assert not Account.objects.filter(person=company.person(new)).exists()
    assert company.account(old).state == State.GRACE


def test_two_people_with_one_sip_uri_are_reported_and_the_rest_proceeds(company: Company) -> None:
    company.rule.user_formula = "lower(surname)"
    company.rule.save()
    first = company.directory.add("a.lee", surname="Lee")
    second = company.directory.add("b.lee", surname="lee")
    third = company.directory.add("c.fox", surname="Fox")
    run = company.sync()
    assert run.counts["account.problem"] == 1
    assert company.account(first).aor == "lee@voice.example.com"
    assert company.account(third).aor == "fox@voice.example.com"
    assert "lee@voice.example.com already belongs to A.Lee" in company.person(second).problem
    again = company.sync()
    assert rows_of(again) == []
    assert company.person(second).problem
    first.set(surname="Leigh")
    company.rule.follow_user = True
    company.rule.save()
    company.sync()
    company.sync()
    assert company.account(second).aor == "lee@voice.example.com"
    assert company.person(second).problem == ""


def test_a_conflict_outlives_a_run_that_fails_before_it_is_settled(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = make_account(user_part="ann")
    ann = company.directory.add("ann")
    company.sync()
    assert company.person(ann).problem
    room.delete()
    monkeypatch.setattr("provisioning.services.runs.runs.hold_breaches", _fail)
    assert company.sync().state == Run.State.FAILED
    assert company.person(ann).problem
    monkeypatch.undo()
    read_from(monkeypatch, {"Head office": company.directory})
    assert company.sync().counts["account.resolve"] == 1
    assert company.account(ann).aor == "ann@voice.example.com"
    assert company.person(ann).problem == ""


def _fail(**_: object) -> Any:
    raise ProvisioningError("It failed.")


def test_accounts_without_a_person_and_people_of_other_sources_are_left_alone(
    company: Company,
) -> None:
    room = make_account("Board room")
    guest = make_account(person=make_person("Guest"))
    before = Account.objects.filter(pk__in=[room.pk, guest.pk]).order_by("pk").values()
    kept = list(before)
    company.directory.add("ann")
    company.sync()
    company.apply_rules(dry=True)
    company.sync()
    assert list(before.all()) == kept


def test_an_entry_that_cannot_be_read_is_reported_and_stays_as_known(company: Company) -> None:
    ann, bob = company.directory.add("ann"), company.directory.add("bob")
    company.sync()
    bob.set(login="bob\nadmin")
    new = company.directory.add("eve", sip_address="a\x00b")
    run = company.sync()
    assert run.state == Run.State.DONE
    assert run.counts["person.problem"] == run.counts["read.unreadable"] == 2
    assert company.person(bob).login == "bob"
    assert "line break" in company.person(bob).problem
    assert not Person.objects.filter(guid=new.guid).exists()
    assert company.account(bob).state == company.account(ann).state == State.ACTIVE
    bob.set(login="bob")
    company.directory.remove(new)
    company.sync()
    assert company.person(bob).problem == ""


def test_an_entry_that_comes_without_its_key_is_not_taken_for_a_leaver(company: Company) -> None:
    company.relax()
    ann, bob = company.directory.add("ann"), company.directory.add("bob")
    company.sync()
    company.directory.remove(ann)
    company.directory.unusable.append(Problem(ann.dn, "entryUUID is missing"))
    company.sync()
    assert company.person(ann).left_at is None
    company.directory.unusable.clear()
    company.sync()
    assert company.person(ann).left_at is not None
    assert company.account(bob).state == State.ACTIVE


def test_two_sources_with_the_same_names_do_not_touch_each_others_people(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, elsewhere = memory_source(name="Branch"), MemoryDirectory()
    read_from(monkeypatch, {"Head office": company.directory, "Branch": elsewhere})
    ann, _ = company.directory.add("ann"), company.directory.add("cid")
    elsewhere.add("ann")
    elsewhere.add("bob")
    company.sync()
    company.sync(source=other)
    assert company.account(ann).aor == "ann@voice.example.com"
    assert Person.objects.get(source=other, login="ann").problem
    assert Account.objects.get(person__login="bob").aor == "bob@voice.example.com"
    assert rows_of(company.sync()) == []


def test_what_an_edited_rule_has_waiting_does_not_wait_a_second_time_in_a_sync(
    company: Company,
) -> None:
    company.relax()
    company.rule.user_formula = "lower(surname)"
    company.rule.save()
    for n in range(8):
        company.directory.add(f"p{n}", surname="Lee" if n < 2 else f"Name{n}")
        company.directory.people[-1].set(phone=f"+44207946000{n}")
    company.sync()
    troubled = Person.objects.exclude(problem="").get()
    make_account(person=troubled, user_part="other")
    company.relax(ceiling=1)
    company.rule.condition = "equals(login, 'p7')"
    company.rule.save()
    held = company.apply_rules()
    assert held.state == Run.State.WAITING
    assert held.changes.filter(status="held", subject=troubled.guid).exists()
    again = company.sync()
    assert again.state == Run.State.DONE
    assert rows_of(again) == []
    assert Run.objects.filter(state=Run.State.WAITING).count() == 1
