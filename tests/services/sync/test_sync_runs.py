"""Runs: previews, stops, workers that die or meet, and what is left after each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from provisioning.core.errors import Busy, InvalidInput
from provisioning.core.states import State
from provisioning.models import (
    Account,
    Credential,
    DirectorySource,
    Number,
    PendingChange,
    Person,
    PlannedChange,
    Run,
)
from provisioning.services import leases
from provisioning.services.actor import COMMAND_LINE, SYNC
from provisioning.services.runs import apply, apply_people, check_limits, runs
from provisioning.services.runs.progress import Lost, Progress
from tests.factories import make_account
from tests.services.company import Company, company, rows_of

__all__ = ["company"]

pytestmark = [pytest.mark.database, pytest.mark.django_db]


class Killed(BaseException):
    """The worker dies: nothing of the run's own handling happens."""


def _interrupt(
    monkeypatch: pytest.MonkeyPatch, name: str, error: BaseException, *, at_call: int
) -> None:
    """Raise `error` from the n-th call of a function of the apply module."""
    function: Callable[..., Any] = getattr(apply, name)
    calls = 0

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == at_call:
            raise error
        return function(*args, **kwargs)

    monkeypatch.setattr(apply, name, wrapped)


def _expire(run: Run) -> None:
    """What time does to the leases of a worker that died."""
    Run.objects.filter(pk=run.pk).update(lease_owner="dead", lease_until=None)
    DirectorySource.objects.update(lease_owner="dead", lease_until=None)


def test_a_preview_changes_nothing(company: Company) -> None:
    ann = company.directory.add("ann", phone="+442079460001")
    company.directory.group("Team", ann)
    run = company.sync(dry=True)
    assert run.state == Run.State.PREVIEW
    assert {kind for kind, _, _ in rows_of(run)} == {"person", "group", "account"}
    for model in (Person, Account, Credential, Number, PendingChange):
        assert not model.objects.exists()
    source = DirectorySource.objects.get(pk=company.source.pk)
    assert (source.last_complete_at, source.groups_stale_since) == (None, None)
    company.sync()
    source.refresh_from_db()
    assert source.last_complete_at is not None
    ann.set(title="Director")
    writes = _writes(lambda: company.apply_rules(dry=True))
    assert not [sql for sql in writes if "provisioning_run" not in sql and "planned" not in sql]


def _writes(action: Callable[[], object]) -> list[str]:
    with CaptureQueriesContext(connection) as queries:
        action()
    return [q["sql"] for q in queries if q["sql"].startswith(("INSERT", "UPDATE", "DELETE"))]


def test_asking_twice_gives_one_queued_run(company: Company) -> None:
    first = runs.request_sync(source=company.source, actor=SYNC)
    assert runs.request_sync(source=company.source, actor=SYNC) == first
    assert runs.request_sync(source=company.source, actor=SYNC, dry=True) != first


def test_a_queued_run_is_stopped_at_once(company: Company) -> None:
    run = runs.request_sync(source=company.source, actor=SYNC)
    runs.stop_run(run=run, actor=COMMAND_LINE)
    assert runs.execute_run(run_id=run.pk).state == Run.State.STOPPED
    with pytest.raises(InvalidInput, match="applying or over"):
        runs.stop_run(run=run, actor=COMMAND_LINE)


@pytest.mark.parametrize("moment", ["plan_people", "plan_groups", "AccountPlanner"])
def test_a_running_run_is_stopped_before_it_applies_anything(
    company: Company, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    ann = company.directory.add("ann")
    company.directory.group("Team", ann)
    from provisioning.services.sync import sync  # noqa: PLC0415

    function = getattr(sync, moment)

    def stopping(*args: Any, **kwargs: Any) -> Any:
        runs.stop_run(run=Run.objects.get(), actor=COMMAND_LINE)
        return function(*args, **kwargs)

    monkeypatch.setattr(sync, moment, stopping)
    run = company.sync()
    assert (run.state, run.problem) == (
        Run.State.STOPPED,
        "Stopped on request. Nothing was changed.",
    )
    assert not Person.objects.exists()
    assert not PlannedChange.objects.filter(status="planned").exists()
    monkeypatch.undo()


def test_a_stop_that_comes_while_the_limits_are_checked_still_counts(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    company.directory.add("ann")
    check = check_limits.hold_breaches

    def stopping(**given: Any) -> Any:
        runs.stop_run(run=given["run"], actor=COMMAND_LINE)
        return check(**given)

    monkeypatch.setattr(runs, "hold_breaches", stopping)
    assert company.sync().state == Run.State.STOPPED
    assert not Person.objects.exists()


def test_applying_cannot_be_stopped(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    company.directory.add("ann")
    refused = []
    function = apply_people.apply_people

    def late(*given: Any) -> bool:
        with pytest.raises(InvalidInput) as error:
            runs.stop_run(run=Run.objects.get(), actor=COMMAND_LINE)
        refused.append(error.value.message)
        return function(*given)

    monkeypatch.setattr(apply, "apply_people", late)
    assert company.sync().state == Run.State.DONE
    assert refused == ["This run is already applying or over, so it was not stopped."]


@pytest.mark.parametrize("call", [1, 2, 3, 5])
def test_a_worker_that_dies_while_applying_is_followed_by_one_that_goes_on(
    company: Company, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    monkeypatch.setattr(apply, "WINDOW", 10)
    people = company.directory.add_many(25)
    company.directory.group("Team", *people)
    with monkeypatch.context() as patched:
        _interrupt(patched, "_mark_applied", Killed(), at_call=call)
        with pytest.raises(Killed):
            company.sync()
    run = Run.objects.get()
    assert (run.state, run.phase) == (Run.State.RUNNING, Run.Phase.APPLY)
    _expire(run)
    assert runs.find_forgotten_runs() == [run.pk]
    done = runs.execute_run(run_id=run.pk)
    assert done.state == Run.State.DONE
    assert Account.objects.filter(state=State.ACTIVE).count() == 25
    assert Credential.objects.count() == Number.objects.filter(state="assigned").count() == 25
    assert all(change.is_applied for change in done.changes.all())
    assert rows_of(company.sync()) == []


def test_a_worker_that_dies_while_planning_is_followed_by_one_that_starts_again(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    company.directory.add_many(3)

    def die(**_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(runs, "hold_breaches", die)
        with pytest.raises(Killed):
            company.sync()
    run = Run.objects.get()
    assert len(rows_of(run)) == 6
    _expire(run)
    assert runs.execute_run(run_id=run.pk).state == Run.State.DONE
    assert len(rows_of(run)) == 6
    assert Account.objects.count() == 3


def test_an_error_in_mid_apply_loses_nobody(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The people of a plan may be applied when its accounts fail; an unchanged read shows none."""
    monkeypatch.setattr(apply, "WINDOW", 10)
    people = company.directory.add_many(12)
    with monkeypatch.context() as patched:
        _interrupt(patched, "apply_accounts", ValueError("a defect"), at_call=2)
        with pytest.raises(ValueError, match="a defect"):
            company.sync()
    run = Run.objects.get()
    assert run.state == Run.State.FAILED
    assert Person.objects.count() == 12
    missing = 12 - Account.objects.count()
    assert missing > 0
    assert Person.objects.filter(to_decide=1).count() == missing
    assert company.sync().state == Run.State.DONE
    assert Account.objects.count() == 12
    assert not Person.objects.filter(to_decide__gt=0).exists()
    assert company.account(people[-1]).number.e164 == people[-1].values["phone"]


def test_a_deadlock_is_tried_again(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    company.directory.add_many(3)
    _interrupt(monkeypatch, "apply_accounts", OperationalError("deadlock detected"), at_call=1)
    assert company.sync().state == Run.State.DONE
    assert Account.objects.count() == 3


def test_an_account_that_somebody_makes_at_the_same_moment_stays_theirs(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = company.directory.add("ann")
    company.directory.add("bob")
    function = apply_people.apply_people

    def meanwhile(*given: Any) -> bool:
        if not Account.objects.exists():
            make_account("Room", user_part="ann")
        return function(*given)

    monkeypatch.setattr(apply, "apply_people", meanwhile)
    run = company.sync()
    assert (run.state, run.problem) == (Run.State.DONE, "")
    assert run.remark == "1 change did not fit any more; the next sync decides anew."
    assert company.person(ann).to_decide == 1
    company.sync()
    assert "already belongs to Room" in company.person(ann).problem
    assert Account.objects.get(aor="bob@voice.example.com").state == State.ACTIVE


def test_a_second_worker_keeps_off_a_run_and_its_source(company: Company) -> None:
    first = runs.request_sync(source=company.source, actor=SYNC)
    owner = leases.new_owner()
    assert leases.claim(DirectorySource.objects.filter(pk=company.source.pk), owner, 60)
    with pytest.raises(Busy, match="Another sync of Head office"):
        runs.execute_run(run_id=first.pk)
    leases.release(DirectorySource.objects.filter(pk=company.source.pk), owner)
    assert leases.claim(Run.objects.filter(pk=first.pk), owner, 60)
    with pytest.raises(Busy, match="Another worker has this run"):
        runs.execute_run(run_id=first.pk)
    first.refresh_from_db()
    assert first.state == Run.State.QUEUED
    assert DirectorySource.objects.get(pk=company.source.pk).lease_owner == ""


def test_a_worker_whose_run_was_taken_over_writes_nothing_more(company: Company) -> None:
    company.directory.add_many(3)
    run = Run.objects.create(kind=Run.Kind.SYNC, source=company.source, lease_owner="other")
    progress = Progress(run, "me")
    with pytest.raises(Lost):
        progress.phase(Run.Phase.READ)
    with pytest.raises(Lost):
        progress.hold()


def test_a_run_that_is_over_is_not_carried_out_again(company: Company) -> None:
    company.directory.add("ann")
    run = company.sync()
    company.directory.add("bob")
    assert runs.execute_run(run_id=run.pk).state == Run.State.DONE
    assert Person.objects.count() == 1
