"""New people and accounts, applied on two connections: nothing is lost, and order is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from threading import Barrier, Event
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from structlog.testing import capture_logs

from provisioning.models import Account, Credential, Number, PendingChange, Person, Run, ServerPool
from provisioning.services.runs import apply
from provisioning.services.runs.apply_accounts import apply_accounts
from provisioning.services.runs.lanes import Turn, has_lanes, side_by_side
from tests.factories import make_account, make_pool
from tests.services.company import Company, company

__all__ = ["company"]

pytestmark = [
    pytest.mark.database,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer"),
]


@pytest.fixture
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apply, "WINDOW", 10)


@pytest.fixture
def noticed() -> Iterator[Callable[[], list[str]]]:
    """The warnings so far."""
    with capture_logs() as logs:
        yield lambda: [log["event"] for log in logs if log["log_level"] == "warning"]


def test_work_begins_before_what_is_before_it_ends_and_is_committed_after_it() -> None:
    both_began = Barrier(2)

    def add(name: str, turn: Turn) -> list[str]:
        with transaction.atomic():
            make_pool(name)
            both_began.wait(60.0)
            turn()
            return list(ServerPool.objects.order_by("name").values_list("name", flat=True))

    works = [partial(add, name) for name in ("a", "b", "c", "d")]
    assert list(side_by_side(works)) == [
        ["a"], ["a", "b"], ["a", "b", "c"], ["a", "b", "c", "d"],
    ]  # fmt: skip


def test_nothing_after_a_failure_is_committed() -> None:
    second_began = Event()

    def fail(turn: Turn) -> str:
        second_began.wait(60.0)
        raise OperationalError("no")

    # Under different names: of two with the same one each would wait for the other.
    def add(name: str, turn: Turn) -> str:
        with transaction.atomic():
            make_pool(name)
            second_began.set()
            turn()
            return name

    works: list[Callable[[Turn], str]] = [fail, *(partial(add, each) for each in ("b", "c", "d"))]
    with pytest.raises(OperationalError, match="no"):
        list(side_by_side(works))
    assert not ServerPool.objects.exists()


def test_what_belongs_to_a_transaction_of_the_caller_has_no_lanes() -> None:
    assert has_lanes()
    with transaction.atomic():
        assert not has_lanes()


@pytest.mark.usefixtures("small_windows")
def test_a_first_sync_goes_side_by_side(company: Company, noticed: Callable[[], list[str]]) -> None:
    company.directory.add_many(45)
    run = company.sync()
    assert noticed() == []
    assert (run.state, run.applied_to) == (Run.State.DONE, 90)
    assert Person.objects.count() == Account.objects.filter(state="active").count() == 45
    assert Credential.objects.count() == Number.objects.filter(state="assigned").count() == 45
    assert PendingChange.objects.count() == 90
    assert company.sync().counts.keys() == {"read.people", "read.unreadable"}


@pytest.mark.usefixtures("small_windows")
def test_what_somebody_else_made_meanwhile_ends_it_and_stays_theirs(
    company: Company, monkeypatch: pytest.MonkeyPatch, noticed: Callable[[], list[str]]
) -> None:
    people = company.directory.add_many(45)
    taken = f"{people[27].values['login']}"
    before = apply.apply_plan

    def first_somebody_else(**named: Any) -> apply.Outcome:
        make_account("Room", domain=company.rule.domain, user_part=taken)
        return before(**named)

    monkeypatch.setattr("provisioning.services.runs.runs.apply_plan", first_somebody_else)
    run = company.sync()
    assert noticed() == ["applying one after the other"]
    assert (run.state, run.applied_to) == (Run.State.DONE, 90)
    assert [change.subject for change in run.changes.filter(status="stale")] == [people[27].guid]
    assert Account.objects.filter(person__isnull=False).count() == 44


@pytest.mark.usefixtures("small_windows")
def test_a_lock_of_somebody_else_ends_it_and_nobody_is_lost(
    company: Company, monkeypatch: pytest.MonkeyPatch, noticed: Callable[[], list[str]]
) -> None:
    company.directory.add_many(45)
    real, calls = apply_accounts, 0

    def locked(*given: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise OperationalError("canceling statement due to lock timeout")
        return real(*given)

    monkeypatch.setattr(apply, "apply_accounts", locked)
    run = company.sync()
    assert noticed() == ["applying one after the other"]
    assert (run.state, run.applied_to) == (Run.State.DONE, 90)
    assert Account.objects.count() == Credential.objects.count() == 45
