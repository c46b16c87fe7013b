"""Any history of two forests, joined and parted: one account a person, and nobody is lost."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioning.core.states import MEANINGS, State
from provisioning.models import Account, Person, PlannedChange, Run
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.joins import joins
from provisioning.services.runs import apply
from provisioning.services.runs.plan import UNAPPLIED
from tests.services.company import Directory, Somebody, rows_of
from tests.services.joins.forests import Forests
from tests.services.story import forget_everything

pytestmark = [pytest.mark.database, pytest.mark.django_db]

_PEOPLE = 3
_STEP = st.tuples(
    st.sampled_from(
        ["leave", "return", "disable", "enable", "retitle", "join", "part", "join all", "sync",
         "sync other"]
    ),
    st.integers(0, 2 * _PEOPLE - 1),
)  # fmt: skip


@pytest.fixture(autouse=True)
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plans of a few rows are applied in several transactions."""
    monkeypatch.setattr(apply, "WINDOW", 3)


class _Story:
    """Three people with an entry in each forest, and what happens to them."""

    def __init__(self, forests: Forests) -> None:
        self.forests = forests
        for name, directory in (("first", forests.directory), ("second", forests.second)):
            directory.people.clear()
            directory.add(f"{name}.other")
        self.entries: list[tuple[Directory, Somebody]] = [
            (directory, directory.add(f"{name}{n}", employee_id=f"E{n}"))
            for name, directory in (("a", forests.directory), ("b", forests.second))
            for n in range(_PEOPLE)
        ]

    def tell(self, what: str, place: int) -> None:
        directory, one = self.entries[place]
        if what == "leave" and one in directory.people:
            directory.remove(one)
        elif what == "return" and one not in directory.people:
            directory.people.append(one)
        elif what in ("disable", "enable"):
            one.set(locked="yes" if what == "disable" else "")
        elif what == "retitle":
            one.set(title=f"{one.values.get('title', '')}x")
        elif what == "sync":
            self.forests.sync()
        elif what == "sync other":
            self.forests.sync(source=self.forests.bought)
        elif what == "join all":
            self.forests.join()
        else:
            self._by_hand(what, one, self.entries[(place + _PEOPLE) % len(self.entries)][1])

    def _by_hand(self, what: str, one: Somebody, other: Somebody) -> None:
        entry = Person.objects.filter(guid=one.guid).first()
        partner = Person.objects.filter(guid=other.guid).first()
        if what == "part" and entry is not None and entry.same_as is not None:
            self.forests.carry_out(joins.separate(entry=entry, actor=COMMAND_LINE))
            return
        if what != "join" or entry is None or partner is None:
            return
        if (entry.same_as or entry) != (partner.same_as or partner):
            run = joins.join_people(one=entry, other=partner, actor=COMMAND_LINE)
            self.forests.carry_out(run)


@settings(max_examples=20)
@given(st.lists(_STEP, min_size=3, max_size=15))
def test_after_any_history_each_person_has_one_account_as_their_entries_say(
    forests: Forests, steps: list[tuple[str, int]]
) -> None:
    Person.objects.update(same_as=None)
    forget_everything()
    story = _Story(forests)
    for what, place in steps:
        story.tell(what, place)
    for _ in range(2):
        forests.sync_both()
    assert rows_of(forests.sync()) == []
    assert rows_of(forests.sync(source=forests.bought)) == []
    assert not PlannedChange.objects.filter(UNAPPLIED).exists()
    assert not Run.objects.exclude(state=Run.State.DONE).exists()
    for person in Person.objects.all():
        if person.same_as is not None:
            assert person.same_as.same_as is None, "one level only"
            _check_account(person, present=False, disabled=False)
            continue
        entries = [person, *person.entries.order_by("pk")]
        here = [each for each in entries if each.left_at is None]
        decides = min(here or entries, key=lambda each: each.source_id)
        _check_account(person, present=bool(here), disabled=decides.disabled)


def _check_account(person: Person, *, present: bool, disabled: bool) -> None:
    account = Account.objects.filter(person=person).first()
    if account is None:
        assert not present or person.problem, "nobody who is there is without"
        return
    state = State(account.state)
    if not present:
        assert state is State.GRACE
    else:
        assert MEANINGS[state].usable is not disabled
