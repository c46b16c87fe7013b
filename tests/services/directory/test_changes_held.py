"""What waits for approval while changes go on being read."""

from __future__ import annotations

import pytest

from provisioning.core.states import State
from provisioning.models import PlannedChange, Run
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.runs.review import approve_run, discard_run, release_people
from provisioning.services.runs.runs import execute_run
from tests.services.company import Company, Somebody, company, rows_of
from tests.services.journal import Journal, keep_journal, read_changes

__all__ = ["company"]

pytestmark = [pytest.mark.database, pytest.mark.django_db]


@pytest.fixture
def staff(company: Company) -> list[Somebody]:
    return company.directory.add_many(100)


@pytest.fixture
def journal(company: Company, staff: list[Somebody], monkeypatch: pytest.MonkeyPatch) -> Journal:
    """A company of 100, read by its changes; at most 5 may lose service in a day."""
    journal = keep_journal(monkeypatch, company)
    assert company.sync().state == Run.State.DONE
    return journal


def hold(company: Company, gone: list[Somebody]) -> Run:
    """Too many leave at once."""
    company.directory.remove(*gone)
    run = read_changes(company)
    assert run is not None
    assert (run.state, run.reading) == (Run.State.WAITING, Run.Reading.CHANGES)
    return run


def waiting() -> Run:
    return Run.objects.get(state=Run.State.WAITING)


def held(run: Run) -> set[str]:
    rows = run.changes.filter(status=PlannedChange.Status.HELD, kind="person")
    return set(rows.values_list("name", flat=True))


def go_on(run: Run) -> None:
    """The worker that an approval wakes."""
    execute_run(run_id=run.pk)
    run.refresh_from_db()


def nothing_is_left(company: Company) -> bool:
    """Whether a read of everything finds nothing that was not told."""
    run = company.sync()
    assert "missed" not in run.counts, run.remark
    return not [name for name in run.counts if not name.startswith("read.")]


def test_others_go_on_while_leavers_wait(
    company: Company, staff: list[Somebody], journal: Journal
) -> None:
    first = hold(company, staff[:20])
    staff[50].set(title="Director")
    run = read_changes(company)
    assert run is not None
    assert (run.state, rows_of(run, "person")) == (
        Run.State.DONE, [("person", "update", "P0050")],
    )  # fmt: skip
    assert company.person(staff[50]).title == "Director"
    assert waiting() == first
    assert len(held(first)) == 20
    assert company.account(staff[0]).state == State.ACTIVE
    approve_run(run=first, digest=waiting().digest, actor=COMMAND_LINE)
    go_on(first)
    assert first.state == Run.State.DONE
    assert company.account(staff[0]).state == State.GRACE
    assert nothing_is_left(company)


def test_somebody_who_comes_back_is_not_held_any_more(
    company: Company, staff: list[Somebody], journal: Journal
) -> None:
    first = hold(company, staff[:20])
    company.directory.people.append(staff[0])
    run = read_changes(company)
    assert run == waiting()
    first.refresh_from_db()
    assert first.state == Run.State.SUPERSEDED
    assert held(waiting()) == {one.values["display_name"] for one in staff[1:20]}
    company.directory.people.extend(staff[1:20])
    run = read_changes(company)
    assert run is not None
    assert (run.state, run.counts["replaced"]) == (Run.State.DONE, 1)
    assert not Run.objects.filter(state=Run.State.WAITING).exists()
    assert company.account(staff[0]).state == State.ACTIVE
    assert nothing_is_left(company)


def test_one_more_leaver_joins_those_who_wait(
    company: Company, staff: list[Somebody], journal: Journal
) -> None:
    hold(company, staff[:20])
    company.directory.remove(staff[20])
    read_changes(company)
    assert len(held(waiting())) == 21


def test_a_later_change_of_somebody_who_waits_is_applied_with_the_rest(
    company: Company, staff: list[Somebody], journal: Journal
) -> None:
    for one in staff[:20]:
        one.set(locked="yes")
    first = read_changes(company)
    assert first is not None
    assert first.state == Run.State.WAITING
    staff[0].set(title="Director")
    read_changes(company)
    second = waiting()
    assert second != first
    assert len(held(second)) == 20
    release_people(run=second, digest=second.digest, subjects=[staff[0].guid], actor=COMMAND_LINE)
    go_on(second)
    person = company.person(staff[0])
    assert (person.disabled, person.title) == (True, "Director")
    staff[60].set(title="Director")
    read_changes(company)
    assert company.person(staff[60]).title == "Director"
    assert len(held(waiting())) == 19
    approve_run(run=waiting(), digest=waiting().digest, actor=COMMAND_LINE)
    run = Run.objects.filter(state=Run.State.RUNNING).get()
    go_on(run)
    assert nothing_is_left(company)


def test_an_approval_does_not_turn_reading_back(
    company: Company, staff: list[Somebody], journal: Journal
) -> None:
    first = hold(company, staff[:20])
    staff[50].set(title="Director")
    read_changes(company)
    company.source.refresh_from_db()
    cookie = company.source.cookie
    approve_run(run=first, digest=waiting().digest, actor=COMMAND_LINE)
    go_on(first)
    company.source.refresh_from_db()
    assert company.source.cookie == cookie


def test_discarded_changes_come_again_with_the_next_full_read(
    company: Company, staff: list[Somebody], journal: Journal
) -> None:
    discard_run(run=hold(company, staff[:20]), actor=COMMAND_LINE)
    staff[50].set(title="Director")
    run = read_changes(company)
    assert run is not None
    assert ("person", "leave", "P0000") not in rows_of(run)
    assert company.account(staff[0]).state == State.ACTIVE
    run = company.sync()
    assert run.state == Run.State.WAITING
    assert "missed" not in run.counts


def test_a_held_group_stays_as_it_is_until_it_is_approved(
    company: Company, staff: list[Somebody], journal: Journal
) -> None:
    team = company.directory.group("Team", *staff[:20])
    read_changes(company)
    team.members = list(staff[:3])
    first = read_changes(company)
    assert first is not None
    assert first.state == Run.State.WAITING
    staff[50].set(title="Director")
    read_changes(company)
    assert waiting() == first
    assert len(company.members(team)) == 20
    approve_run(run=first, digest=waiting().digest, actor=COMMAND_LINE)
    go_on(first)
    assert len(company.members(team)) == 3
    assert nothing_is_left(company)


def test_what_a_journal_keeps_to_itself_is_found_and_named_at_night(
    company: Company, staff: list[Somebody], journal: Journal
) -> None:
    journal.forgets = {staff[0].guid}
    staff[0].set(title="Director")
    assert read_changes(company) is None
    run = company.sync()
    assert run.counts["missed"] == 1
    assert run.remark == "The readings of changes had missed: P0000."
    assert company.person(staff[0]).title == "Director"


def test_a_directory_that_refuses_is_read_whole_and_not_again_at_once(
    company: Company, staff: list[Somebody], journal: Journal
) -> None:
    journal.refuses = "The directory forgot."
    staff[0].set(title="Director")
    run = read_changes(company)
    assert run is not None
    assert run.remark == "Everything was read. The directory forgot."
    assert company.person(staff[0]).title == "Director"
    assert read_changes(company) is None
    company.source.refresh_from_db()
    assert company.source.fell_back == "The directory forgot."


def test_a_flood_of_changes_is_read_whole(
    company: Company, staff: list[Somebody], journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("provisioning.services.sync.plan_changes._MOST", 10)
    for one in staff[:11]:
        one.set(title="Director")
    run = read_changes(company)
    assert run is not None
    assert (run.reading, run.remark) == (
        Run.Reading.FULL, "Everything was read. 11 entries changed at once.",
    )  # fmt: skip
