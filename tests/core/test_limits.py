"""Limits: what passes without an administrator, and what is held."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning.core.limits import LABELS, Breach, Category, Limit, find_breaches

COUNTED = [category for category in Category if category is not Category.NONE]


def breaches(
    planned: dict[Category, int],
    *,
    population: int = 1000,
    earlier: dict[Category, int] | None = None,
    limit: Limit | None = None,
) -> list[Breach]:
    return find_breaches(
        scope="Head office",
        limit=limit or Limit(),
        population=population,
        planned=planned,
        earlier=earlier or {},
    )


@pytest.mark.parametrize(
    ("population", "allowed"),
    [(0, 1), (1, 1), (20, 1), (21, 2), (1000, 50), (5000, 250), (100_000, 250)],
)
def test_five_percent_pass_but_never_more_than_the_ceiling(population: int, allowed: int) -> None:
    assert Limit().allowed(Category.SERVICE, population) == allowed


def test_memberships_have_a_percentage_of_their_own_and_no_ceiling() -> None:
    assert Limit().allowed(Category.MEMBERSHIP, 100_000) == 20_000


@pytest.mark.parametrize("category", COUNTED)
def test_the_limit_itself_passes_and_one_more_is_held(category: Category) -> None:
    allowed = Limit().allowed(category, 1000)
    assert breaches({category: allowed}) == []
    (breach,) = breaches({category: allowed + 1})
    assert (breach.category, breach.count, breach.allowed) == (category, allowed + 1, allowed)


def test_what_happened_in_the_last_day_counts_too() -> None:
    assert breaches({Category.SERVICE: 10}, earlier={Category.SERVICE: 40}) == []
    (breach,) = breaches({Category.SERVICE: 11}, earlier={Category.SERVICE: 40})
    assert (breach.count, breach.earlier) == (11, 40)


def test_one_category_does_not_eat_anothers_limit() -> None:
    assert breaches({Category.SERVICE: 50, Category.NUMBER: 50, Category.AOR: 50}) == []


def test_only_the_offending_category_is_held() -> None:
    held = breaches({Category.SERVICE: 51, Category.NUMBER: 3})
    assert [breach.category for breach in held] == [Category.SERVICE]


def test_nothing_planned_is_no_breach_however_much_happened_before() -> None:
    assert breaches({Category.SERVICE: 0}, earlier={Category.SERVICE: 9000}) == []


def test_changes_without_a_risk_are_never_held() -> None:
    assert breaches({Category.NONE: 100_000}) == []


@pytest.mark.parametrize("category", [Category.SERVICE, Category.MEMBERSHIP])
def test_taking_everything_away_is_held_whatever_the_percentage(category: Category) -> None:
    generous = Limit(percent=100, ceiling=1_000_000, membership_percent=100)
    assert breaches({category: 99}, population=100, limit=generous) == []
    assert len(breaches({category: 100}, population=100, limit=generous)) == 1


def test_the_only_one_there_is_may_go() -> None:
    assert breaches({Category.SERVICE: 1}, population=1) == []


def test_a_breach_says_what_where_and_how_much() -> None:
    (breach,) = breaches({Category.SERVICE: 1200}, population=20_000, earlier={Category.SERVICE: 9})
    assert str(breach) == (
        "Head office: loss of service, 1,200 planned on top of 9 in the last 24 hours; "
        "at most 250 of 20,000 pass without approval."
    )


def test_every_category_that_is_held_has_a_name() -> None:
    assert set(LABELS) == set(COUNTED)


@given(
    st.sampled_from(COUNTED),
    st.integers(0, 2000),
    st.integers(0, 2000),
    st.integers(0, 100_000),
    st.integers(0, 100),
    st.integers(1, 1000),
)
def test_splitting_a_plan_never_gets_more_through(
    category: Category, first: int, second: int, population: int, percent: int, ceiling: int
) -> None:
    limit = Limit(percent, ceiling, percent)
    apart = not breaches({category: first}, population=population, limit=limit) and not breaches(
        {category: second}, population=population, limit=limit, earlier={category: first}
    )
    if apart and second:
        assert first + second <= limit.allowed(category, population)
