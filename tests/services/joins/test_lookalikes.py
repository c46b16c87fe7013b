"""Newcomers who may be somebody of the other forest get no second account before a decision."""

from __future__ import annotations

import pytest

from provisioning.core.states import State
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.joins import joins
from tests.services.company import Somebody, rows_of
from tests.services.joins.forests import PHONE, Forests

pytestmark = [pytest.mark.database, pytest.mark.django_db]


@pytest.fixture
def held(forests: Forests) -> tuple[Somebody, Somebody]:
    """Somebody with an account, and an entry of the other forest that shares the mail."""
    forests.prefer(forests.source, forests.bought, holds=["mail", "employee_id"])
    one = forests.directory.add("ann", mail="ann@example.com", phone=PHONE)
    other = forests.second.add("a.lee", mail="Ann@Example.com ", phone=PHONE)
    forests.sync_both()
    return one, other


def test_unlinked_in_both_forests_means_held(
    forests: Forests, held: tuple[Somebody, Somebody]
) -> None:
    assert forests.account_of(held[0]) is not None
    assert forests.account_of(held[1]) is None
    assert "Ann (ann, Head office) has the same mail" in forests.entry(held[1]).problem
    assert rows_of(forests.sync(source=forests.bought)) == [], "a conflict is told once"
    assert forests.account_of(held[1]) is None


def test_joining_them_ends_the_conflict(forests: Forests, held: tuple[Somebody, Somebody]) -> None:
    forests.join("mail")
    assert forests.entry(held[1]).problem == ""
    assert forests.account_of(held[1]) is None
    account = forests.account_of(held[0])
    assert account is not None
    assert account.state == State.ACTIVE


def test_keeping_them_apart_gives_each_an_account(
    forests: Forests, held: tuple[Somebody, Somebody]
) -> None:
    held[1].set(phone="")
    joins.keep_apart(one=forests.entry(held[0]), other=forests.entry(held[1]), actor=COMMAND_LINE)
    forests.sync(source=forests.bought)
    assert forests.entry(held[1]).problem == ""
    assert forests.account_of(held[1]) is not None


def test_a_newcomer_who_shares_nothing_or_is_in_the_same_forest_is_not_held(
    forests: Forests, held: tuple[Somebody, Somebody]
) -> None:
    alone = forests.second.add("new", mail="new@example.com")
    twin = forests.second.add("twin", mail="new@example.com")
    forests.sync(source=forests.bought)
    assert forests.account_of(alone) is not None
    assert forests.account_of(twin) is not None


def test_whoever_has_an_account_keeps_it(forests: Forests, held: tuple[Somebody, Somebody]) -> None:
    held[0].set(title="Head")
    forests.sync()
    account = forests.account_of(held[0])
    assert account is not None
    assert account.state == State.ACTIVE
    assert forests.entry(held[0]).problem == ""
