"""Accounts that are decided though the directory says nothing new, and conflicts around them."""

from __future__ import annotations

import pytest

from provisioning.core.states import State
from provisioning.models import Person, Pin, PlannedChange, Run
from provisioning.services.accounts import asked, blocks
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.runs import review, runs
from provisioning.services.runs.stale_accounts import mark_stale_accounts
from tests.factories import make_pool
from tests.services.company import Company, Somebody, company, rows_of

__all__ = ["company"]

pytestmark = [pytest.mark.database, pytest.mark.django_db]

HELD = PlannedChange.Status.HELD
NUMBER = "+442079460001"


@pytest.fixture
def crowd(company: Company) -> list[Somebody]:
    """Forty people, of whom the last wants the number that the first has."""
    company.rule.follow_number = True
    company.rule.save()
    people = company.directory.add_many(40)
    people[0].set(phone=NUMBER)
    company.sync()
    people[-1].set(phone=NUMBER)
    company.sync()
    assert "already belongs to" in company.person(people[-1]).problem
    return people


def _disable(people: list[Somebody]) -> None:
    """More of them than may lose their service without approval."""
    for one in people:
        one.set(locked="yes")


def test_a_conflict_that_is_gone_goes_though_the_change_is_held_and_discarded(
    company: Company, crowd: list[Somebody]
) -> None:
    first, last = crowd[0], crowd[-1]
    first.set(phone="+442079460002")
    _disable(crowd[-10:])
    run = company.sync()
    assert run.state == Run.State.WAITING
    assert last.guid in run.changes.filter(status=HELD).values_list("subject", flat=True)
    assert company.person(last).problem == ""
    review.discard_run(run=run, actor=COMMAND_LINE)
    assert company.person(last).problem == ""
    again = company.sync()
    assert again.state == Run.State.WAITING
    assert "already belongs to" not in company.person(last).problem


def test_a_conflict_that_holds_stays_while_the_change_is_held_and_after_it_was_discarded(
    company: Company, crowd: list[Somebody]
) -> None:
    last = crowd[-1]
    said = company.person(last).problem
    _disable(crowd[-10:])
    run = company.sync()
    assert (run.state, company.person(last).problem) == (Run.State.WAITING, said)
    review.discard_run(run=run, actor=COMMAND_LINE)
    assert company.person(last).problem == said
    company.sync()
    assert company.person(last).problem == said


def test_what_was_discarded_is_planned_again_though_the_people_are_as_known(
    company: Company, crowd: list[Somebody]
) -> None:
    _disable(crowd[:10])
    run = company.sync()
    review.discard_run(run=run, actor=COMMAND_LINE)
    assert Person.objects.filter(to_decide=1).count() == 10
    again = company.sync()
    assert len(rows_of(again, "account", HELD)) == 10
    assert not Person.objects.filter(to_decide__gt=0).exists()


def test_released_people_come_after_what_is_applied_and_only_once(
    company: Company, crowd: list[Somebody]
) -> None:
    _disable(crowd[:10])
    run = company.sync()
    for one in crowd[:2]:
        run.refresh_from_db()
        review.release_people(run=run, digest=run.digest, subjects=[one.guid], actor=COMMAND_LINE)
        applied_to = run.applied_to
        run = runs.execute_run(run_id=run.pk)
        assert run.applied_to > applied_to
        assert company.account(one).state == State.DISABLED
    released = run.changes.filter(kind="account", subject__in=[o.guid for o in crowd[:2]])
    assert all(change.is_applied for change in released)
    assert not any(change.is_applied for change in run.changes.filter(status=HELD))
    assert {company.account(one).version for one in crowd[:2]} == {2}


def test_after_a_pin_ends_the_next_sync_sets_its_value(company: Company) -> None:
    company.relax()
    ann, *_ = company.directory.add_many(5)
    company.sync()
    usual, other = company.account(ann).pool, make_pool("Tokyo")
    pin = Pin.objects.create(
        account=company.account(ann), field="pool", value=str(other.pk), reason="because"
    )
    company.apply_rules()
    assert company.account(ann).pool == other
    blocks.end_pin(pin=pin, actor=COMMAND_LINE)
    assert company.account(ann).pool == other
    company.sync()
    assert company.account(ann).pool == usual
    assert company.person(ann).to_decide == 0
    assert rows_of(company.sync()) == []


def test_who_asks_while_a_run_applies_gets_another_decision(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = company.directory.add("ann")
    company.sync()
    mine = Person.objects.filter(pk=company.person(ann).pk)
    asked.ask(mine)
    ann.set(display_name="Ann Lee")

    def meanwhile(window: dict[str, object], *, changes: bool) -> int:
        asked.ask(mine)
        return mark_stale_accounts(window, changes=changes)

    with monkeypatch.context() as patched:
        patched.setattr("provisioning.services.runs.apply_accounts.mark_stale_accounts", meanwhile)
        company.sync()
    assert mine.get().to_decide == 2
    company.sync()
    assert mine.get().to_decide == 0


def test_the_account_of_a_leaver_is_decided_where_it_was_left_out(company: Company) -> None:
    company.relax()
    ann, *_ = company.directory.add_many(5)
    company.sync()
    account = company.account(ann)
    company.directory.remove(ann)
    company.sync()
    type(account).objects.filter(pk=account.pk).update(state=State.ACTIVE)
    asked.ask(Person.objects.filter(pk=company.person(ann).pk))
    company.sync()
    assert company.account(ann).state == State.GRACE


def test_a_preview_answers_nobody_who_asked(company: Company) -> None:
    ann = company.directory.add("ann")
    company.sync()
    asked.ask(Person.objects.filter(pk=company.person(ann).pk))
    company.sync(dry=True)
    assert company.person(ann).to_decide == 1
