"""Numbers in a plan: from the directory and from ranges, swapped, taken, refused, kept."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from provisioning.core.states import State
from provisioning.models import Account, Number, NumberRange, PendingChange, PlannedChange, Run
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.numbers import numbers
from provisioning.services.runs import apply, apply_people
from tests.factories import make_account, make_site
from tests.services.company import Company, Somebody, company, rows_of

__all__ = ["company"]

pytestmark = [pytest.mark.database, pytest.mark.django_db]


def _number(company: Company, one: Somebody) -> str:
    number = Number.objects.filter(account=company.account(one)).first()
    return number.e164 if number else ""


def _e164(n: int) -> str:
    return f"+4420794600{n:02d}"


@pytest.fixture
def ring(company: Company) -> list[Somebody]:
    """Four people with the numbers …00 to …03, and no limits."""
    company.relax()
    people = [company.directory.add(f"p{n}", phone=_e164(n)) for n in range(4)]
    company.sync()
    return people


def _give(people: list[Somebody], *which: int) -> None:
    for one, number in zip(people, which, strict=True):
        one.set(phone=_e164(number))


@pytest.mark.parametrize("window", [20_000, 3])
@pytest.mark.parametrize(
    "which",
    [(1, 0, 2, 3), (1, 2, 0, 3), (1, 2, 3, 0), (1, 2, 3, 4), (1, 0, 3, 2), (9, 0, 1, 2)],
    ids=["swap", "circle of three", "circle of four", "shift", "two swaps", "shift up"],
)
def test_numbers_change_hands_in_one_run(
    company: Company, ring: list[Somebody], which: tuple[int, ...], window: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(apply, "WINDOW", window)
    _give(ring, *which)
    run = company.sync()
    assert (run.state, run.problem) == (Run.State.DONE, "")
    assert [_number(company, one) for one in ring] == [_e164(n) for n in which]
    for one in ring:
        assert one.values["phone"] in company.account(one).search_key
    kept = set(Number.objects.filter(account__isnull=False).values_list("e164", flat=True))
    assert kept == {_e164(n) for n in which}
    # Only what nobody got is in quarantine.
    rest = Number.objects.filter(account__isnull=True)
    assert {number.state for number in rest} <= {"quarantined"}
    assert not Number.objects.filter(account__isnull=False, quarantined_until__isnull=False)
    assert rows_of(company.sync()) == []


def test_a_number_that_its_holder_keeps_is_refused_and_given_when_it_is_free(
    company: Company, ring: list[Somebody]
) -> None:
    _give(ring, 1, 1, 0, 3)
    run = company.sync()
    assert run.state == Run.State.DONE
    assert company.person(ring[0]).problem == (f"The number {_e164(1)} already belongs to P1.")
    assert company.person(ring[2]).problem == (f"The number {_e164(0)} already belongs to P0.")
    assert [_number(company, one) for one in ring] == [_e164(n) for n in (0, 1, 2, 3)]
    ring[1].set(phone=_e164(8))
    company.sync()
    assert [_number(company, one) for one in ring] == [_e164(n) for n in (1, 8, 0, 3)]
    assert {company.person(one).problem for one in ring} == {""}


def test_two_who_want_the_same_number_are_told(company: Company) -> None:
    ann = company.directory.add("ann", phone=_e164(5))
    bob = company.directory.add("bob", phone="+44 20 7946 0005")
    company.sync()
    assert _number(company, ann) == _e164(5)
    assert company.person(bob).problem == f"The number {_e164(5)} already belongs to Ann."
    assert company.account(bob).state == State.ACTIVE
    assert rows_of(company.sync()) == []
    assert company.person(bob).problem


def test_what_is_no_number_is_reported_and_the_account_still_made(company: Company) -> None:
    ann = company.directory.add("ann", phone="extension 12")
    company.sync()
    assert company.person(ann).problem.startswith("“extension 12” is not a telephone number")
    assert company.account(ann).state == State.ACTIVE
    ann.set(phone=_e164(1))
    company.sync()
    assert (_number(company, ann), company.person(ann).problem) == (_e164(1), "")
    ann.set(phone="nonsense")
    company.sync()
    assert _number(company, ann) == _e164(1)


def test_a_national_number_is_read_as_its_sites(company: Company) -> None:
    make_site("London", "GB")
    ann = company.directory.add("ann", phone="020 7946 0001", office="LONDON")
    company.sync()
    assert _number(company, ann) == _e164(1)


@pytest.mark.parametrize(
    ("state", "words"), [("used elsewhere", "is used elsewhere"), ("quarantined", "quarantine")]
)
def test_a_number_that_nobody_may_have_is_refused(company: Company, state: str, words: str) -> None:
    Number.objects.create(e164=_e164(1), state=state)
    ann = company.directory.add("ann", phone=_e164(1))
    company.sync()
    assert words in company.person(ann).problem
    assert _number(company, ann) == ""
    Number.objects.update(state="free")
    company.sync()
    assert _number(company, ann) == _e164(1)


def test_a_rooms_number_stays_with_the_room(company: Company) -> None:
    room = make_account("Board room")
    numbers.assign_number(account=room, e164=_e164(1), actor=COMMAND_LINE)
    ann = company.directory.add("ann", phone=_e164(1))
    company.sync()
    assert "already belongs to Board room" in company.person(ann).problem
    assert Number.objects.get(e164=_e164(1)).account == room


def test_a_number_given_away_while_the_plan_was_made_stays_there(
    company: Company, ring: list[Somebody], monkeypatch: pytest.MonkeyPatch
) -> None:
    room = make_account("Board room")
    function = apply_people.apply_people

    def meanwhile(*given: Any) -> bool:
        if not Number.objects.filter(account=room).exists():
            numbers.assign_number(account=room, e164=_e164(9), actor=COMMAND_LINE)
        return function(*given)

    monkeypatch.setattr(apply, "apply_people", meanwhile)
    _give(ring, 9, 0, 1, 2)
    company.sync()
    assert Number.objects.get(e164=_e164(9)).account == room
    assert [_number(company, one) for one in ring] == [_e164(n) for n in range(4)]
    company.sync()
    assert "already belongs to Board room" in company.person(ring[0]).problem
    assert company.person(ring[3]).problem


def test_a_number_that_leaves_the_directory_goes_into_quarantine(
    company: Company, ring: list[Somebody]
) -> None:
    PendingChange.objects.all().delete()
    ring[0].set(phone="")
    company.sync()
    assert _number(company, ring[0]) == ""
    number = Number.objects.get(e164=_e164(0))
    assert number.state == "quarantined"
    assert number.quarantined_until is not None
    assert number.quarantined_until - timezone.now() > numbers.QUARANTINE - timedelta(minutes=5)
    keys = set(PendingChange.objects.values_list("key", flat=True))
    assert f"{_e164(0)}@voice.example.com" in keys


def test_whoever_wants_the_number_in_a_later_sync_waits_for_the_end_of_its_quarantine(
    company: Company, ring: list[Somebody]
) -> None:
    ring[0].set(phone="")
    company.sync()
    ring[1].set(phone=_e164(0))
    company.sync()
    assert "is in quarantine; make it free first" in company.person(ring[1]).problem
    assert _number(company, ring[1]) == _e164(1)
    freed = Number.objects.get(e164=_e164(0))
    numbers.set_number_state(number=freed, state=Number.State.FREE, actor=COMMAND_LINE)
    company.sync()
    assert _number(company, ring[1]) == _e164(0)
    assert company.person(ring[1]).problem == ""


def test_a_sticky_number_does_not_follow_the_directory(
    company: Company, ring: list[Somebody]
) -> None:
    company.rule.follow_number = False
    company.rule.save()
    _give(ring, 1, 2, 3, 9)
    company.sync()
    assert [_number(company, one) for one in ring] == [_e164(n) for n in range(4)]


def _from_range(company: Company, last: int) -> NumberRange:
    company.relax()
    block = NumberRange.objects.create(name="London", first=_e164(10), last=_e164(last))
    company.rule.number_source, company.rule.number_range = "range", block
    company.rule.save()
    return block


def test_a_range_gives_the_next_free_number_once(company: Company) -> None:
    _from_range(company, 19)
    Number.objects.create(e164=_e164(11), state="reserved")
    Number.objects.create(e164=_e164(12), state="quarantined")
    Number.objects.create(e164=_e164(13), state="free")
    people = [company.directory.add(f"p{n}", phone="+4930123456") for n in range(3)]
    company.sync()
    assert [_number(company, one) for one in people] == [_e164(10), _e164(13), _e164(14)]
    newcomer = company.directory.add("new")
    people[0].set(title="Director")
    company.sync()
    assert _number(company, newcomer) == _e164(15)
    assert _number(company, people[0]) == _e164(10)


def test_an_exhausted_range_is_reported_and_a_freed_number_given_by_the_next_sync(
    company: Company,
) -> None:
    _from_range(company, 11)
    people = [company.directory.add(f"p{n}") for n in range(4)]
    company.sync()
    assert [_number(company, one) for one in people] == [_e164(10), _e164(11), "", ""]
    assert company.person(people[2]).problem == "The range London has no free number left."
    assert Account.objects.filter(state=State.ACTIVE).count() == 4
    given = Number.objects.get(e164=_e164(10))
    numbers.release_number(number=given, free=True, actor=COMMAND_LINE)
    company.sync()
    assert sorted(_number(company, one) for one in people[2:]) == ["", _e164(10)]


def test_a_pinned_number_beats_directory_and_range(company: Company, ring: list[Somebody]) -> None:
    numbers.assign_number(account=company.account(ring[0]), e164=_e164(50), actor=COMMAND_LINE)
    number = Number.objects.get(account=company.account(ring[1]))
    numbers.release_number(number=number, actor=COMMAND_LINE)
    _give(ring, 7, 8, 2, 3)
    company.sync()
    assert (_number(company, ring[0]), _number(company, ring[1])) == (_e164(50), "")
    _from_range(company, 19)
    company.apply_rules()
    assert (_number(company, ring[0]), _number(company, ring[1])) == (_e164(50), "")
    assert {company.person(one).problem for one in ring} == {""}


def test_a_held_release_keeps_the_number_from_the_next_until_it_is_decided(
    company: Company, ring: list[Somebody]
) -> None:
    company.source.limit_ceiling = 1
    company.source.save()
    ring[0].set(phone=_e164(9), locked="yes")
    ring[1].set(phone=_e164(0))
    ring[2].set(locked="yes")
    run = company.sync()
    assert run.state == Run.State.WAITING
    assert [_number(company, one) for one in ring[:2]] == [_e164(0), _e164(1)]
    assert PlannedChange.objects.filter(run=run, status="stale").count() == 1
    ring[2].set(locked="")
    company.sync()
    assert [_number(company, one) for one in ring[:2]] == [_e164(9), _e164(0)]
    assert {company.person(one).problem for one in ring} == {""}
