"""Nested membership agrees with a naive model, around circles and at any depth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from provisioning.directory.groups import Membership, ResolvedGroup


def person(number: int) -> str:
    return f"CN=Person {number},OU=Staff,DC=corp"


def group(number: int) -> str:
    return f"CN=Group {number},OU=Groups,DC=corp"


def resolved(membership: Membership) -> dict[str, ResolvedGroup]:
    found = list(membership.resolve())
    by_guid = {each.guid: each for each in found}
    assert len(by_guid) == len(found)
    return by_guid


@dataclass(frozen=True)
class Company:
    """`groups[n]` names persons and groups by number; persons from `known` on are foreign."""

    known: int
    groups: list[tuple[list[int], list[int]]]

    def effective(self, number: int) -> set[str]:
        seen, waiting, found = set[int](), [number], set[str]()
        while waiting:
            current = waiting.pop()
            if current in seen:
                continue
            seen.add(current)
            persons, inside = self.groups[current]
            found |= {f"p{n}" for n in persons if n < self.known}
            waiting += inside
        return found


@st.composite
def companies(draw: st.DrawFn) -> Company:
    size = draw(st.integers(1, 9))
    persons = st.lists(st.integers(0, 11), max_size=4)
    inside = st.lists(st.integers(0, size - 1), max_size=3)
    groups = draw(st.lists(st.tuples(persons, inside), min_size=size, max_size=size))
    return Company(draw(st.integers(0, 12)), groups)


@given(companies(), st.randoms(use_true_random=False))
@settings(max_examples=100)
def test_the_closure_agrees_with_a_naive_model_in_any_order(
    company: Company, random: Random
) -> None:
    membership = Membership()
    steps = [partial(membership.add_person, person(n), f"p{n}") for n in range(company.known)]
    for number, (persons, inside) in enumerate(company.groups):
        members = [*map(person, persons), *(group(n).upper() for n in inside)]
        steps.append(partial(membership.add_group, group(number), f"g{number}", members))
    random.shuffle(steps)
    for step in steps:
        step()
    found = resolved(membership)
    assert found.keys() == {f"g{n}" for n in range(len(company.groups))}
    for number, (persons, inside) in enumerate(company.groups):
        each = found[f"g{number}"]
        assert each.effective == company.effective(number)
        assert each.direct == {f"p{n}" for n in persons if n < company.known}
        assert each.children == {f"g{n}" for n in inside}
        foreign = {person(n).lower() for n in persons if n >= company.known}
        assert each.foreign == tuple(sorted(foreign))


def test_inner_groups_come_before_those_around_them() -> None:
    membership = Membership()
    for number in range(5):
        membership.add_group(group(number), f"g{number}", [group(number + 1)] if number < 4 else [])
    assert [each.guid for each in membership.resolve()] == ["g4", "g3", "g2", "g1", "g0"]


def test_ten_thousand_groups_within_one_another_need_no_recursion() -> None:
    membership = Membership()
    membership.add_person(person(0), "p0")
    for number in range(10_000):
        membership.add_group(group(number), f"g{number}", [group(number + 1)])
    membership.add_group(group(10_000), "g10000", [person(0), group(0)])
    assert all(each.effective == {"p0"} for each in membership.resolve())


def test_a_group_of_fifty_thousand_is_complete() -> None:
    membership = Membership()
    members = [person(number).encode() for number in range(50_000)]
    membership.add_group(group(0), "g0", members)
    for number in range(50_000):
        membership.add_person(person(number), f"p{number}")
    assert len(resolved(membership)["g0"].effective) == 50_000


def test_a_member_that_is_not_utf8_is_foreign_and_stops_nobody() -> None:
    membership = Membership()
    membership.add_person(person(1), "p1")
    membership.add_group(group(0), "g0", [b"CN=\xff\xfe,DC=corp", person(1).encode()])
    found = resolved(membership)["g0"]
    assert found.effective == {"p1"}
    assert len(found.foreign) == 1
