"""The number desk against a simple model: no number twice, nobody loses one for nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from provisioning.services.numbers.number_desk import Holding, NumberDesk, Wish
from provisioning.services.rules.decide import Decision

Numbers = st.lists(st.sampled_from(["", "a", "b", "c", "d", "e", "f"]), min_size=6, max_size=6)


def _settle(current: list[str], wanted: list[str]) -> list[Wish]:
    desk = NumberDesk()
    desk._holdings = {
        number: Holding(place, f"P{place}", "assigned")
        for place, number in enumerate(current) if number
    }  # fmt: skip
    wishes = []
    for place, number in enumerate(wanted):
        after = {"number": number, "name": f"P{place}"}
        wishes.append(Wish(place, current[place], Decision(after), after))
    for wish in wishes:
        desk.settle(wish)
    desk.finish()
    return wishes


def _distinct(numbers: list[str]) -> list[str]:
    return [number if number not in numbers[:place] else "" for place, number in enumerate(numbers)]


@given(Numbers, Numbers)
def test_nobody_ends_with_somebody_elses_number(current: list[str], wanted: list[str]) -> None:
    current = _distinct(current)
    wishes = _settle(current, wanted)
    final = [wish.after["number"] for wish in wishes]
    had = [number for number in final if number]
    assert len(had) == len(set(had))
    for wish, before, asked in zip(wishes, current, wanted, strict=True):
        if wish.decision.problems:
            assert wish.after["number"] == before
        else:
            assert wish.after["number"] == asked


@given(st.permutations(["a", "b", "c", "d", "e", "f"]), Numbers)
def test_whoever_can_have_a_number_gets_it(wanted: list[str], current: list[str]) -> None:
    """Everybody wants another number, so all of them come free, whatever the circles."""
    wishes = _settle(_distinct(current), wanted)
    assert [wish.after["number"] for wish in wishes] == wanted
    assert not any(wish.decision.problems for wish in wishes)
