"""Reading changes whenever it comes, and dying at any point, ends where a full read would."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioning.core.states import State
from provisioning.models import (
    Account,
    AccountRule,
    Credential,
    DirectoryGroup,
    DirectorySource,
    GroupMember,
    Number,
    Person,
    PlannedChange,
    Run,
)
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.runs import apply, review, runs
from provisioning.services.sync import plan_changes
from tests.factories import make_rule
from tests.services.company import Company, Somebody, Team, company
from tests.services.journal import keep_journal, read_changes

__all__ = ["company"]

pytestmark = [pytest.mark.database, pytest.mark.django_db]

WHO = st.integers(0, 5)
STEP = st.one_of(
    st.tuples(st.just("title"), WHO, st.sampled_from(["Clerk", "Director"])),
    st.tuples(st.just("locked"), WHO, st.sampled_from(["", "yes"])),
    st.tuples(st.just("dn"), WHO, st.sampled_from(["people", "others"])),
    st.tuples(st.just("there"), WHO, st.sampled_from(["", "yes"])),
    st.tuples(st.just("inner"), WHO, st.sampled_from(["", "yes"])),
    st.tuples(st.just("outer"), WHO, st.sampled_from(["", "yes"])),
    st.tuples(st.just("nested"), WHO, st.sampled_from(["", "yes"])),
    st.tuples(st.just("read"), WHO, st.just("")),
    st.tuples(st.just("approve"), WHO, st.just("")),
)


@pytest.fixture(autouse=True)
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plans of a few rows are applied in several transactions."""
    monkeypatch.setattr(apply, "WINDOW", 3)


class Story:
    """Six people and two groups, of which the outer one decides accounts."""

    def __init__(self, company: Company) -> None:
        directory = company.directory
        directory.people.clear()
        directory.groups.clear()
        self.company = company
        self.everybody = [directory.add(f"p{n}") for n in range(6)]
        self.inner = directory.group("Inner", "cn=nobody,dc=example")
        self.outer = directory.group("Outer", "cn=nobody,dc=example")

    def tell(self, step: tuple[str, int, str]) -> None:
        what, which, value = step
        one = self.everybody[which]
        places: dict[str, list[Any]] = {
            "there": self.company.directory.people,
            "inner": self.inner.members,
            "outer": self.outer.members,
        }
        if what in places:
            _put(places[what], one, there=bool(value))
        elif what == "nested":
            _put(self.outer.members, self.inner, there=bool(value))
        elif what == "dn":
            one.dn = f"uid={one.values['login']},ou={value},dc=example"
        elif what == "read":
            read_changes(self.company)
        elif what == "approve":
            approve_everything()
        else:
            one.set(**{what: value})


def _put(place: list[Any], one: Somebody | Team, *, there: bool) -> None:
    if there and one not in place:
        place.append(one)
    elif not there and one in place and len(place) > 1:
        place.remove(one)


def approve_everything() -> None:
    for run in Run.objects.filter(state=Run.State.WAITING):
        review.approve_run(run=run, digest=run.digest, actor=COMMAND_LINE)
        runs.execute_run(run_id=run.pk)


def forget_everything(company: Company) -> None:
    AccountRule.objects.exclude(pk=company.rule.pk).delete()
    for model in (
        Number, Credential, Account, GroupMember, Person, PlannedChange, Run,
    ):  # fmt: skip
        model.objects.all().delete()
    DirectoryGroup.objects.all().delete()
    DirectorySource.objects.update(cookie=None, fell_back="", fell_back_at=None)


def check(company: Company) -> None:
    """A full read finds nothing that was not told, and nothing to do."""
    for _ in range(3):
        read_changes(company)
        approve_everything()
    run = company.sync()
    assert "missed" not in run.counts, run.remark
    rows = list(run.changes.values_list("kind", "action", "name", "before", "after"))
    assert not rows, rows


@settings(max_examples=30)
@given(st.lists(STEP, min_size=3, max_size=30), st.booleans())
def test_any_history_read_by_its_changes_ends_where_a_full_read_would(
    company: Company, monkeypatch: pytest.MonkeyPatch, steps: list[tuple[str, int, str]],
    strict: bool,
) -> None:  # fmt: skip
    forget_everything(company)
    company.source.refresh_from_db()
    if not strict:
        company.relax()
    with monkeypatch.context() as patch:
        keep_journal(patch, company)
        story = Story(company)
        company.sync()
        outer = DirectoryGroup.objects.get(name="Outer")
        make_rule(name="Of the group", group=outer, position=0)
        company.sync()
        for step in steps:
            story.tell(step)
        check(company)


class Killed(BaseException):
    """The worker's process ends here: nothing after it happens, no lease is given back."""


POINTS = {
    "before anything is planned": (plan_changes, "plan_people", "before"),
    "when people are planned": (plan_changes, "plan_people", "after"),
    "before groups are read": (plan_changes, "plan_group_changes", "before"),
    "before the limits are checked": (runs, "hold_breaches", "before"),
    "when the plan is checked": (runs, "apply_plan", "before"),
    "after some changes were applied": (apply, "_apply_window", "second"),
    "when all changes were applied": (runs, "_finish", "before"),
    "when the cookie was kept": (runs, "keep_cookie", "after"),
    "when the run was over": (runs, "_finish", "after"),
}


@contextmanager
def killed(point: str) -> Iterator[None]:
    """Ends the process at `point`, and everything that it leased runs out."""
    module, name, when = POINTS[point]
    real, calls = getattr(module, name), 0

    def die(*positional: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if when == "before" or (when == "second" and calls == 2):
            raise Killed
        answer = real(*positional, **named)
        if when == "after":
            raise Killed
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, name, die)
        patch.setattr(runs, "release_run", lambda *_: None)
        with pytest.raises(Killed):
            yield
    Run.objects.update(lease_owner="", lease_until=None)
    DirectorySource.objects.update(lease_owner="", lease_until=None)


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("held", [False, True])
def test_a_worker_that_dies_loses_no_change(
    company: Company, monkeypatch: pytest.MonkeyPatch, point: str, held: bool
) -> None:
    staff = company.directory.add_many(30)
    team = company.directory.group("Team", *staff[:3])
    keep_journal(monkeypatch, company)
    company.sync()
    outer = DirectoryGroup.objects.get(name="Team")
    rule = make_rule(name="Of the team", group=outer, position=0)
    company.sync()
    company.source.refresh_from_db()
    if not held:
        company.relax()
    gone = staff[10:15] if held else staff[10:12]
    company.directory.remove(*gone)
    team.members.append(staff[20])
    staff[21].set(title="Director")
    with killed(point):
        read_changes(company)
    for run_id in runs.find_forgotten_runs():
        runs.execute_run(run_id=run_id)
    read_changes(company)
    company.source.refresh_from_db()
    if held:
        assert Run.objects.filter(state=Run.State.WAITING).count() == 1
        assert {company.account(one).state for one in gone} == {State.ACTIVE}
        approve_everything()
    assert {company.account(one).state for one in gone} == {State.GRACE}
    assert company.account(staff[20]).rule == rule
    assert company.person(staff[21]).title == "Director"
    assert Person.objects.filter(guid=staff[21].guid).values_list("version", flat=True)[0] == 2
    check(company)


def test_what_did_not_fit_any_more_is_found_by_reading_everything(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    staff = company.directory.add_many(3)
    keep_journal(monkeypatch, company)
    company.sync()
    staff[0].set(title="Director")
    real = apply.apply_plan

    def too_late(**named: Any) -> Any:
        Person.objects.filter(guid=staff[0].guid).update(version=99)
        return real(**named)

    with monkeypatch.context() as patch:
        patch.setattr(runs, "apply_plan", too_late)
        first = read_changes(company)
    assert first is not None
    assert company.person(staff[0]).title == ""
    second = read_changes(company)
    assert second is not None
    assert second.remark.startswith(f"Everything was read. What run #{first.pk} planned")
    assert company.person(staff[0]).title == "Director"
