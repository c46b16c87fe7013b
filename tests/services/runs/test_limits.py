"""Limits: what passes, what is held with all else of the same people, how long it counts."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from provisioning.core.errors import ProvisioningError
from provisioning.core.states import State
from provisioning.models import Account, Person, PlannedChange, Run
from provisioning.services.accounts import blocks
from provisioning.services.actor import COMMAND_LINE
from tests.services.company import Company, Somebody, company, rows_of

__all__ = ["company"]

pytestmark = [pytest.mark.database, pytest.mark.django_db]

HELD, APPLIED = PlannedChange.Status.HELD, PlannedChange.Status.APPLIED


@pytest.fixture
def hundred(company: Company) -> list[Somebody]:
    """A hundred people with accounts, of whom five may lose service in a day."""
    people = company.directory.add_many(100)
    assert company.sync().state == Run.State.DONE
    return people


def _count(state: State) -> int:
    return Account.objects.filter(state=state).count()


def test_five_percent_pass_without_approval(company: Company, hundred: list[Somebody]) -> None:
    company.directory.remove(*hundred[:5])
    run = company.sync()
    assert (run.state, run.breaches) == (Run.State.DONE, [])
    assert _count(State.GRACE) == 5


def test_one_more_holds_all_of_its_kind_with_their_accounts(
    company: Company, hundred: list[Somebody]
) -> None:
    company.directory.remove(*hundred[:6])
    hundred[50].set(title="Director")
    company.directory.add("newcomer")
    run = company.sync()
    assert run.state == Run.State.WAITING
    assert run.breaches[0] == (
        "Source Head office: loss of service, 6 planned; at most 5 of 100 pass without approval."
    )
    assert len(rows_of(run, "person", HELD)) == len(rows_of(run, "account", HELD)) == 6
    assert _count(State.GRACE) == 0
    assert Person.objects.filter(left_at__isnull=False).count() == 0
    assert company.person(hundred[50]).title == "Director"
    assert Account.objects.filter(name="Newcomer", state=State.ACTIVE).exists()


def test_the_ceiling_counts_where_it_is_smaller(company: Company, hundred: list[Somebody]) -> None:
    company.source.limit_ceiling = 3
    company.source.save()
    company.directory.remove(*hundred[:4])
    run = company.sync()
    assert run.state == Run.State.WAITING
    assert "at most 3 of 100" in run.breaches[0]


def test_small_steps_add_up_over_24_hours(company: Company, hundred: list[Somebody]) -> None:
    for start in (0, 2):
        company.directory.remove(*hundred[start : start + 2])
        assert company.sync().state == Run.State.DONE
    company.directory.remove(*hundred[4:6])
    run = company.sync()
    assert run.state == Run.State.WAITING
    assert "2 planned on top of 4 in the last 24 hours" in run.breaches[0]
    assert _count(State.GRACE) == 4
    PlannedChange.objects.update(at=timezone.now() - timedelta(hours=25))
    assert company.sync().state == Run.State.DONE
    assert _count(State.GRACE) == 6


def test_what_waits_in_a_run_that_is_replaced_is_not_counted_twice(
    company: Company, hundred: list[Somebody]
) -> None:
    company.directory.remove(*hundred[:6])
    first = company.sync()
    company.directory.people[:0] = hundred[:2]
    second = company.sync()
    first.refresh_from_db()
    assert (first.state, second.state) == (Run.State.SUPERSEDED, Run.State.DONE)
    assert _count(State.GRACE) == 4


def test_a_preview_counts_for_nothing(company: Company, hundred: list[Somebody]) -> None:
    company.directory.remove(*hundred[:6])
    assert company.sync(dry=True).breaches
    company.directory.people[:0] = hundred[:3]
    assert company.sync().state == Run.State.DONE


def test_disabling_counts_like_leaving(company: Company, hundred: list[Somebody]) -> None:
    company.directory.remove(*hundred[:3])
    for one in hundred[3:6]:
        one.set(locked="yes")
    run = company.sync()
    assert run.state == Run.State.WAITING
    assert not company.person(hundred[3]).disabled
    assert company.account(hundred[3]).state == State.ACTIVE


def test_leavers_within_the_limit_go_while_renames_wait(
    company: Company, hundred: list[Somebody]
) -> None:
    company.rule.follow_user = True
    company.rule.save()
    company.directory.remove(*hundred[:5])
    for one in hundred[10:20]:
        one.set(login=f"new-{one.values['login']}", title="Director")
    run = company.sync()
    assert run.state == Run.State.WAITING
    assert _count(State.GRACE) == 5
    assert {name for _, _, name in rows_of(run, status=HELD)} == {
        one.values["display_name"] for one in hundred[10:20]
    }
    assert any("SIP domain voice.example.com: changed SIP URI, 10" in b for b in run.breaches)
    assert company.person(hundred[10]).title == ""


def test_emptying_is_held_whatever_the_percentage(company: Company) -> None:
    one, two = company.directory.add("ann"), company.directory.add("bob")
    company.sync()
    company.relax()
    one.set(locked="yes")
    two.set(locked="yes")
    assert company.sync().state == Run.State.WAITING
    two.set(locked="")
    assert company.sync().state == Run.State.DONE
    assert company.account(one).state == State.DISABLED


def test_nobody_at_all_is_no_answer(company: Company, hundred: list[Somebody]) -> None:
    company.directory.people.clear()
    run = company.sync()
    assert run.state == Run.State.FAILED
    assert run.problem.startswith("The directory answered, but with 0 people. Nothing was changed.")
    assert _count(State.ACTIVE) == 100
    assert not PlannedChange.objects.filter(run=run, status="planned").exists()


def test_half_a_directory_is_held(company: Company, hundred: list[Somebody]) -> None:
    company.directory.remove(*hundred[::2])
    assert company.sync().state == Run.State.WAITING
    assert _count(State.ACTIVE) == 100


def test_a_read_that_breaks_off_changes_nothing(company: Company, hundred: list[Somebody]) -> None:
    hundred[0].set(title="Director")
    company.directory.breaks_after_page = 3
    run = company.sync()
    assert (run.state, run.problem) == (
        Run.State.FAILED, "The connection broke. Nothing was changed.",
    )  # fmt: skip
    assert company.person(hundred[0]).title == ""
    company.directory.breaks_after_page = None
    assert company.sync().state == Run.State.DONE
    assert company.person(hundred[0]).title == "Director"


def test_a_refused_sign_in_changes_nothing_and_says_so(
    company: Company, hundred: list[Somebody]
) -> None:
    company.directory.refuses = ProvisioningError("The password is wrong. Nothing was changed.")
    run = company.sync()
    assert (run.state, run.problem) == (Run.State.FAILED, company.directory.refuses.message)
    assert _count(State.ACTIVE) == 100


def test_a_block_by_an_administrator_needs_no_approval_while_the_limit_is_spent(
    company: Company, hundred: list[Somebody]
) -> None:
    company.directory.remove(*hundred[:6])
    company.sync()
    blocks.block_account(account=company.account(hundred[10]), reason="x", actor=COMMAND_LINE)
    assert company.account(hundred[10]).state == State.BLOCKED


def test_a_rule_edit_that_would_rename_everybody_is_held(
    company: Company, hundred: list[Somebody]
) -> None:
    company.rule.user_formula, company.rule.follow_user = "'{login}-x'", True
    company.rule.save()
    run = company.apply_rules()
    assert run.state == Run.State.WAITING
    assert len(rows_of(run, "account", HELD)) == 100
    assert not Account.objects.filter(aor__contains="-x").exists()


def test_a_rule_that_matches_nobody_any_more_is_held_for_each_source(
    company: Company, hundred: list[Somebody]
) -> None:
    company.rule.condition = "equals(login, 'nobody')"
    company.rule.save()
    run = company.apply_rules()
    assert run.state == Run.State.WAITING
    assert run.breaches[0].startswith("Source Head office: loss of service, 100")
    assert _count(State.ACTIVE) == 100


def test_what_was_approved_is_not_counted_against_what_follows(
    company: Company, hundred: list[Somebody]
) -> None:
    from provisioning.services.runs import review, runs  # noqa: PLC0415

    company.directory.remove(*hundred[:20])
    run = company.sync()
    review.approve_run(run=run, digest=run.digest, actor=COMMAND_LINE)
    runs.execute_run(run_id=run.pk)
    company.directory.remove(*hundred[20:24])
    assert company.sync().state == Run.State.DONE
    company.directory.remove(hundred[24])
    assert company.sync().state == Run.State.WAITING
