"""Somebody whose directory account expires loses service on the day, within the limits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from provisioning.core.moments import moment
from provisioning.core.states import State
from provisioning.models import Account, Person, Pin, PlannedChange, Run
from provisioning.services.accounts.deadlines import keep_deadlines
from provisioning.services.accounts.explain import explain_person
from provisioning.services.accounts.pins import set_pin
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.runs import runs
from provisioning.services.runs.review import discard_run
from tests.services.company import Company, company

__all__ = ["company"]

pytestmark = [pytest.mark.database, pytest.mark.django_db]

TODAY = datetime(2030, 6, 1, 12, tzinfo=UTC)
Clock = Callable[[datetime], None]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Sets the time that everything reads."""

    def set_to(at: datetime) -> None:
        monkeypatch.setattr(timezone, "now", lambda: at)

    set_to(TODAY)
    return set_to


def run_deadlines() -> Run | None:
    """What a minute of the schedule does: the deadlines, then the run that they asked for."""
    keep_deadlines()
    run = Run.objects.filter(kind=Run.Kind.EXPIRY, state=Run.State.QUEUED).first()
    return None if run is None else runs.execute_run(run_id=run.pk)


def test_an_expiry_in_the_future_acts_on_its_day_though_nothing_changed(
    company: Company, clock: Clock
) -> None:
    tomorrow = TODAY + timedelta(days=1)
    ann = company.directory.add("ann", phone="+442079460001", expires_at=moment(tomorrow))
    bob = company.directory.add("bob", expires_at="")
    company.sync()
    assert company.account(ann).state == State.ACTIVE
    assert run_deadlines() is None
    clock(tomorrow - timedelta(seconds=1))
    assert run_deadlines() is None
    clock(tomorrow)
    run = run_deadlines()
    assert run is not None
    assert (run.state, run.counts) == (Run.State.DONE, {"account.update": 1})
    assert company.account(ann).state == State.DISABLED
    assert company.account(ann).number.state == "assigned"
    assert company.account(bob).state == State.ACTIVE
    assert run_deadlines() is None


def test_a_sync_after_the_day_changes_nothing_more_and_a_later_day_gives_service_back(
    company: Company, clock: Clock
) -> None:
    ann = company.directory.add("ann", expires_at=moment(TODAY - timedelta(hours=1)))
    company.sync()
    assert company.account(ann).state == State.PREPARED
    ann.set(expires_at=moment(TODAY + timedelta(days=30)))
    company.sync()
    assert company.account(ann).state == State.ACTIVE
    clock(TODAY + timedelta(days=31))
    run_deadlines()
    assert company.account(ann).state == State.DISABLED
    company.sync()
    assert company.account(ann).state == State.DISABLED


def test_many_who_expire_at_once_wait_for_an_administrator(company: Company, clock: Clock) -> None:
    for each in company.directory.add_many(10):
        each.set(expires_at=moment(TODAY + timedelta(hours=1)))
    company.sync()
    clock(TODAY + timedelta(hours=2))
    run = run_deadlines()
    assert run is not None
    assert run.state == Run.State.WAITING
    assert PlannedChange.objects.filter(run=run, status="held").count() == 10
    assert set(Account.objects.values_list("state", flat=True)) == {State.ACTIVE}
    assert run_deadlines() is None, "the same changes are not planned again and again"
    discard_run(run=run, actor=COMMAND_LINE)
    assert run_deadlines() is None, "a discarded run rests for an hour"
    clock(TODAY + timedelta(hours=4))
    assert run_deadlines() is not None


def test_a_pin_of_the_state_beats_the_expiry(company: Company, clock: Clock) -> None:
    ann = company.directory.add("ann", expires_at=moment(TODAY + timedelta(hours=1)))
    company.sync()
    set_pin(
        account=company.account(ann), field=Pin.Field.STATE, value="active", reason="Handover",
        actor=COMMAND_LINE,
    )  # fmt: skip
    clock(TODAY + timedelta(hours=2))
    assert run_deadlines() is None
    assert company.account(ann).state == State.ACTIVE


def test_whoever_is_locked_out_or_must_change_the_password_keeps_the_telephone(
    company: Company, clock: Clock
) -> None:
    ann = company.directory.add("ann", locked_out="yes", must_change="yes")
    company.sync()
    assert company.account(ann).state == State.ACTIVE
    person = Person.objects.get()
    assert person.locked_out
    assert person.must_change_password
    said = next(each for each in explain_person(person=person) if each.title == "In the directory")
    assert said.value == "present, locked out, must change password"


def test_why_somebody_without_service_is_disabled_or_expired(
    company: Company, clock: Clock
) -> None:
    company.directory.add("ann", expires_at=moment(TODAY + timedelta(days=9)))
    company.sync()
    person = Person.objects.get()
    said = {each.title: each for each in explain_person(person=person)}
    assert said["In the directory"].value == "present, expires 10 Jun 2030, 12:00"
    clock(TODAY + timedelta(days=10))
    run_deadlines()
    said = {each.title: each for each in explain_person(person=person)}
    assert said["In the directory"].value == "expired 10 Jun 2030, 12:00"
    assert "expired" in said["State"].because
