"""What several entries of one person say together."""

from __future__ import annotations

from typing import Any

import pytest

from provisioning.core.precedence import SERVICE, EntryValues, Merged, Precedence, Service, merge
from provisioning.core.records import PERSON_FIELDS, PERSON_FLAGS

NOW, PAST, LATER = "2026-06-01T00:00:00Z", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"


def entry(source: int, *, present: bool = True, **values: Any) -> EntryValues:
    """What a source says; empty but for `values`."""
    blank = {**dict.fromkeys(PERSON_FIELDS, ""), **dict.fromkeys(PERSON_FLAGS, False)}
    return EntryValues(source, {"dn": f"cn=x,o={source}", **blank, **values}, present)


def merged(*entries: EntryValues, order: tuple[int, ...] = (), **values: Any) -> Merged:
    """The entries in that order of sources."""
    return merge(entries=entries, precedence=Precedence(order, **values), now=NOW)


def test_each_field_is_the_first_that_is_not_empty_in_the_order_of_sources() -> None:
    found = merged(entry(1, title="", mail="one"), entry(2, title="two", mail="two"), order=(2, 1))
    assert (found.values["title"], found.values["mail"]) == ("two", "two")
    assert found.origins["title"] == 2
    found = merged(entry(1, title="", mail="one"), entry(2, title="two", mail="two"), order=(1, 2))
    assert (found.values["title"], found.values["mail"]) == ("two", "one")
    assert (found.origins["title"], found.origins["mail"]) == (2, 1)
    assert "phone" not in found.origins
    assert found.values["phone"] == ""


def test_without_an_order_the_persons_own_entry_comes_first() -> None:
    assert merged(entry(7, mail="own"), entry(1, mail="other")).values["mail"] == "own"


def test_a_field_may_have_another_source_first() -> None:
    found = merged(
        entry(1, title="one", mail="one"), entry(2, title="two", mail="two"),
        order=(1, 2), orders={"title": (2,)},
    )  # fmt: skip
    assert (found.values["title"], found.values["mail"]) == ("two", "one")


def test_an_entry_that_is_gone_counts_only_when_all_are() -> None:
    found = merged(entry(1, present=False, mail="one"), entry(2, mail="two"), order=(1, 2))
    assert (found.values["mail"], found.present) == ("two", True)
    assert found.places == ((2, "cn=x,o=2"),)
    found = merged(
        entry(1, present=False, mail="one"), entry(2, present=False, mail="two"), order=(1, 2)
    )
    assert (found.values["mail"], found.present) == ("one", False)


@pytest.mark.parametrize(
    ("service", "first", "second", "out", "decides"),
    [
        (Service.FIRST, {}, {"disabled": True}, False, 1),
        (Service.FIRST, {"disabled": True}, {}, True, 1),
        (Service.FIRST, {"expires_at": PAST}, {}, True, 1),
        (Service.FIRST, {"expires_at": LATER}, {"disabled": True}, False, 1),
        (Service.ANY, {"disabled": True}, {}, False, 2),
        (Service.ANY, {"disabled": True}, {"expires_at": PAST}, True, 1),
        (Service.ALL, {}, {"expires_at": PAST}, True, 2),
        (Service.ALL, {}, {"locked_out": True}, False, 1),
    ],
)
def test_one_entry_decides_about_service_as_a_whole(
    service: Service, first: dict[str, Any], second: dict[str, Any], out: bool, decides: int
) -> None:
    found = merged(entry(1, **first), entry(2, **second), order=(1, 2), service=service)
    assert found.origins[SERVICE] == decides
    here = EntryValues(0, found.values, present=True)
    assert here.is_out(NOW) is out
    chosen = {1: first, 2: second}[decides]
    assert found.values["expires_at"] == chosen.get("expires_at", "")
    assert found.values["locked_out"] is chosen.get("locked_out", False)


def test_service_may_have_a_source_of_its_own_first() -> None:
    found = merged(
        entry(1, mail="one"), entry(2, mail="two", disabled=True),
        order=(1, 2), orders={SERVICE: (2,)},
    )  # fmt: skip
    assert found.values["disabled"]
    assert found.values["mail"] == "one"
