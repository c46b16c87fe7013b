"""Review: approve, release, discard what waits; held changes keep waiting where they are."""

from __future__ import annotations

import pytest

from provisioning.core.errors import InvalidInput, StalePlan
from provisioning.core.states import State
from provisioning.models import Account, AuditEvent, PendingChange, PlannedChange, Run
from provisioning.services.accounts import blocks
from provisioning.services.accounts.proposals import (
    accept_proposal,
    decline_proposal,
    find_proposal,
)
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.runs import review, runs
from tests.services.company import Company, Somebody, company, rows_of

__all__ = ["company"]

pytestmark = [pytest.mark.database, pytest.mark.django_db]

HELD = PlannedChange.Status.HELD


@pytest.fixture
def leavers(company: Company) -> list[Somebody]:
    """Ten of forty people who left; two may leave without approval."""
    people = company.directory.add_many(40)
    company.sync()
    company.directory.remove(*people[:10])
    return people[:10]


def _states(company: Company, people: list[Somebody]) -> set[str]:
    return {company.account(one).state for one in people}


def _go_on(run: Run) -> Run:
    runs.execute_run(run_id=run.pk)
    run.refresh_from_db()
    return run


def test_held_changes_keep_waiting_in_the_run_that_found_them(
    company: Company, leavers: list[Somebody]
) -> None:
    first = company.sync()
    assert first.state == Run.State.WAITING
    for _ in range(3):
        again = company.sync()
        assert again.state == Run.State.DONE
        assert f"run #{first.pk} still wait" in again.remark
        assert rows_of(again, status=HELD) == []
    first.refresh_from_db()
    assert first.state == Run.State.WAITING
    assert len(rows_of(first, status=HELD)) == 20


def test_other_changes_go_on_while_some_wait(company: Company, leavers: list[Somebody]) -> None:
    first = company.sync()
    newcomer = company.directory.add("newcomer")
    again = company.sync()
    first.refresh_from_db()
    assert (first.state, again.state) == (Run.State.WAITING, Run.State.DONE)
    assert company.account(newcomer).state == State.ACTIVE


def test_a_run_with_other_held_changes_takes_the_place_of_the_first(
    company: Company, leavers: list[Somebody]
) -> None:
    first = company.sync()
    company.directory.people.append(leavers[0])
    second = company.sync()
    first.refresh_from_db()
    assert (first.state, second.state) == (Run.State.SUPERSEDED, Run.State.WAITING)
    assert len(rows_of(second, "person", HELD)) == 9
    with pytest.raises(StalePlan):
        review.approve_run(run=first, digest=first.digest, actor=COMMAND_LINE)


def test_approving_applies_all_that_was_held(company: Company, leavers: list[Somebody]) -> None:
    run = company.sync()
    PendingChange.objects.all().delete()
    review.approve_run(run=run, digest=run.digest, actor=COMMAND_LINE)
    assert _go_on(run).state == Run.State.DONE
    assert _states(company, leavers) == {State.GRACE}
    assert PendingChange.objects.filter(kind="subscriber").count() == 10
    counted = AuditEvent.objects.filter(action="applied").latest("id").detail["counts"]
    assert counted == {"person.leave": 10, "account.update": 10}
    assert rows_of(company.sync()) == []


def test_an_approval_of_something_else_is_refused(
    company: Company, leavers: list[Somebody]
) -> None:
    run = company.sync()
    with pytest.raises(StalePlan, match="Nothing was changed"):
        review.approve_run(run=run, digest="0" * 64, actor=COMMAND_LINE)
    review.approve_run(run=run, digest=run.digest, actor=COMMAND_LINE)
    with pytest.raises(StalePlan):
        review.approve_run(run=run, digest=run.digest, actor=COMMAND_LINE)


def test_named_people_are_released_and_the_rest_goes_on_waiting(
    company: Company, leavers: list[Somebody]
) -> None:
    run = company.sync()
    chosen = [one.guid for one in leavers[:3]]
    review.release_people(run=run, digest=run.digest, subjects=chosen, actor=COMMAND_LINE)
    run = _go_on(run)
    assert run.state == Run.State.WAITING
    assert _states(company, leavers[:3]) == {State.GRACE}
    assert _states(company, leavers[3:]) == {State.ACTIVE}
    assert company.sync().state == Run.State.DONE
    run.refresh_from_db()
    assert run.state == Run.State.WAITING
    review.approve_run(run=run, digest=run.digest, actor=COMMAND_LINE)
    assert _go_on(run).state == Run.State.DONE
    assert _states(company, leavers) == {State.GRACE}


def test_releasing_nobody_is_refused(company: Company, leavers: list[Somebody]) -> None:
    run = company.sync()
    with pytest.raises(InvalidInput, match="Nobody was chosen"):
        review.release_people(run=run, digest=run.digest, subjects=[], actor=COMMAND_LINE)


def test_discarded_changes_come_again_with_the_next_sync(
    company: Company, leavers: list[Somebody]
) -> None:
    run = company.sync()
    review.discard_run(run=run, actor=COMMAND_LINE)
    run.refresh_from_db()
    assert run.state == Run.State.DONE
    assert _states(company, leavers) == {State.ACTIVE}
    again = company.sync()
    assert again.state == Run.State.WAITING
    assert len(rows_of(again, status=HELD)) == 20


def test_what_changed_meanwhile_is_left_out_of_an_approval_and_planned_anew(
    company: Company, leavers: list[Somebody]
) -> None:
    run = company.sync()
    blocks.block_account(account=company.account(leavers[0]), reason="x", actor=COMMAND_LINE)
    review.approve_run(run=run, digest=run.digest, actor=COMMAND_LINE)
    run = _go_on(run)
    assert run.state == Run.State.DONE
    assert company.person(leavers[0]).left_at is not None
    assert company.account(leavers[0]).state == State.BLOCKED
    assert _states(company, leavers[1:]) == {State.GRACE}
    assert PlannedChange.objects.filter(run=run, status="stale").count() == 1


def test_members_who_left_a_watched_group_stay_held_until_somebody_decides(
    company: Company,
) -> None:
    people = company.directory.add_many(40)
    team = company.directory.group("Telephony", *people)
    company.sync()
    company.rule.group = company.group(team)
    company.rule.save()
    company.source.limit_membership_percent = 100
    company.source.save()
    team.members = list(people[10:])
    run = company.sync()
    assert run.state == Run.State.WAITING
    assert len(company.members(team)) == 30
    assert len(rows_of(run, "account", HELD)) == 10
    for _ in range(2):
        assert company.sync().state == Run.State.DONE
        run.refresh_from_db()
        assert run.state == Run.State.WAITING
    review.discard_run(run=run, actor=COMMAND_LINE)
    again = company.sync()
    assert (again.state, len(rows_of(again, "account", HELD))) == (Run.State.WAITING, 10)
    review.approve_run(run=again, digest=again.digest, actor=COMMAND_LINE)
    assert _go_on(again).state == Run.State.DONE
    assert _states(company, people[:10]) == {State.GRACE}


def test_a_proposed_sip_uri_is_given_once_somebody_accepts_it(company: Company) -> None:
    ann = company.directory.add("ann")
    company.sync()
    ann.set(login="anna")
    company.sync()
    proposal = find_proposal(change=PlannedChange.objects.get(status="proposed"))
    account = accept_proposal(proposal=proposal, actor=COMMAND_LINE)
    assert account.aor == "anna@voice.example.com"
    with pytest.raises(StalePlan):
        decline_proposal(proposal=proposal, actor=COMMAND_LINE)
    assert rows_of(company.sync()) == []
    assert Account.objects.get().aor == "anna@voice.example.com"


def test_a_dismissed_proposal_does_not_come_again(company: Company) -> None:
    ann = company.directory.add("ann")
    company.sync()
    ann.set(login="anna")
    company.sync()
    proposal = find_proposal(change=PlannedChange.objects.get(status="proposed"))
    decline_proposal(proposal=proposal, actor=COMMAND_LINE)
    ann.set(title="Director")
    assert rows_of(company.sync(), "account") == []
    assert company.account(ann).aor == "ann@voice.example.com"
