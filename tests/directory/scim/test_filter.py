"""The filter language: whatever is written is read, or refused with its place."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning.directory.scim.errors import ScimRefused
from provisioning.directory.scim.filter import OPERATORS, read_filter

NAMES = ["userName", "title", "name.familyName", "emails", "emails.value", "active"]
values = st.one_of(
    st.text(max_size=8), st.booleans(), st.integers(-9, 9), st.sampled_from(["ann", "Ann", "a"])
)
resources = st.fixed_dictionaries(
    {},
    optional={
        "userName": st.sampled_from(["ann", "ANN", "bo"]),
        "title": st.text(max_size=4),
        "active": st.booleans(),
        "name": st.fixed_dictionaries({}, optional={"familyName": st.text(max_size=4)}),
        "emails": st.lists(
            st.fixed_dictionaries({"value": st.text(max_size=4), "type": st.just("work")}),
            max_size=3,
        ),
    },
)


def comparison() -> st.SearchStrategy[str]:
    name = st.sampled_from(NAMES)
    equal = st.builds(
        lambda n, o, v: f"{n} {o} {json.dumps(v)}", name, st.sampled_from(["eq", "NE"]), values
    )
    ordered = st.builds(
        lambda n, o, v: f"{n} {o} {json.dumps(v)}",
        name, st.sampled_from(OPERATORS), st.text(max_size=4),
    )  # fmt: skip
    return st.one_of(equal, ordered, name.map(lambda n: f"{n} pr"))


filters = st.recursive(
    comparison(),
    lambda inner: st.one_of(
        st.builds(lambda a, b: f"({a}) and ({b})", inner, inner),
        st.builds(lambda a, b: f"({a}) or ({b})", inner, inner),
        inner.map(lambda a: f"not ({a})"),
    ),
    max_leaves=6,
)


@given(filters, filters, resources)
def test_and_or_and_not_mean_what_they_say(a: str, b: str, resource: dict[str, Any]) -> None:
    def holds(text: str) -> bool:
        return read_filter(text).matches(resource)

    assert holds(f"({a}) and ({b})") == (holds(a) and holds(b))
    assert holds(f"({a}) or ({b})") == (holds(a) or holds(b))
    assert holds(f"not ({a})") != holds(a)


@given(st.text(max_size=40) | st.text(alphabet='aeq pr()[]"\\.:1not', max_size=40))
def test_any_text_is_a_filter_or_is_refused_as_one(text: str) -> None:
    said = "invalidFilter"
    try:
        read_filter(text).matches({"a": "x", "userName": "ann"})
    except ScimRefused as refused:
        said = refused.scim_type
    assert said == "invalidFilter"


@given(st.text())
def test_any_text_can_be_looked_for(text: str) -> None:
    found = read_filter(f"title eq {json.dumps(text)}")
    assert found.matches({"title": text})
    assert not found.matches({"title": f"{text}x"})


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "at its end"), ("userName", "at its end"), ("userName eq", "at its end"),
        ("userName is 5", "“is 5”"), ('userName eq "x', "at “\"x”"), ("(title pr", "at its end"),
        ("title pr)", "“)”"), ("title pr and", "at its end"), ("emails[type pr", "at its end"),
        ("title gt true", "cannot compare"), ("title co null", "cannot compare"),
        ("(" * 30 + "title pr" + ")" * 30, "brackets"), ("a" * 5000, "longer"),
    ],
)  # fmt: skip
def test_a_mistake_says_where_it_is(text: str, place: str) -> None:
    with pytest.raises(ScimRefused) as error:
        read_filter(text)
    assert place in error.value.message


def test_a_long_chain_of_brackets_costs_no_stack() -> None:
    text = " or ".join(['(title eq "x")'] * 200)
    assert read_filter(text).matches({"title": "X"})
