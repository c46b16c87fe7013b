"""Account states: the published table, and who wins when several have a say."""

from dataclasses import replace
from itertools import product

import pytest

from provisioning.core.states import MEANINGS, Standing, State, decide_state, loses_service

WORKING = Standing(present=True, disabled=False, matched=True, blocked=False)
BOTH = (True, False)
EVERY_STANDING = [
    Standing(present, disabled, matched, blocked, pinned, existed)
    for present, disabled, matched, blocked, pinned, existed in product(
        BOTH, BOTH, BOTH, BOTH, (None, *State), BOTH
    )
]


@pytest.mark.parametrize(
    ("standing", "state"),
    [
        (WORKING, State.ACTIVE),
        (replace(WORKING, existed=False), State.ACTIVE),
        (replace(WORKING, disabled=True), State.DISABLED),
        (replace(WORKING, disabled=True, existed=False), State.PREPARED),
        (replace(WORKING, present=False), State.GRACE),
        (replace(WORKING, matched=False), State.GRACE),
        (replace(WORKING, present=False, disabled=True), State.GRACE),
        (replace(WORKING, blocked=True), State.BLOCKED),
        (replace(WORKING, pinned=State.HELD), State.HELD),
        (replace(WORKING, present=False, pinned=State.ACTIVE), State.ACTIVE),
    ],
)
def test_the_state_follows_from_where_a_person_stands(standing: Standing, state: State) -> None:
    assert decide_state(standing) is state


def test_an_administrators_block_beats_everything() -> None:
    blocked = {decide_state(each) for each in EVERY_STANDING if each.blocked}
    assert blocked == {State.BLOCKED}


def test_a_directory_that_enables_an_account_again_does_not_lift_the_block() -> None:
    disabled = replace(WORKING, blocked=True, disabled=True)
    assert decide_state(disabled) is decide_state(replace(disabled, disabled=False))


def test_a_pin_beats_directory_and_rules() -> None:
    for standing in EVERY_STANDING:
        if standing.pinned is not None and not standing.blocked:
            assert decide_state(standing) is standing.pinned


def test_nobody_is_removed_at_once_for_being_gone() -> None:
    unpinned = [standing for standing in EVERY_STANDING if standing.pinned is None]
    assert State.REMOVED not in {decide_state(standing) for standing in unpinned}


def test_only_somebody_present_enabled_and_matched_is_active_without_a_pin() -> None:
    for standing in EVERY_STANDING:
        if standing.pinned is None and decide_state(standing) is State.ACTIVE:
            assert standing.present
            assert standing.matched
            assert not standing.disabled
            assert not standing.blocked


def test_every_state_has_a_row_in_the_published_table() -> None:
    assert list(MEANINGS) == list(State)
    assert len({meaning.label for meaning in MEANINGS.values()}) == len(State)


def test_active_is_the_only_state_in_which_calls_are_made() -> None:
    assert [state for state in State if MEANINGS[state].usable] == [State.ACTIVE]
    assert [state for state in State if not MEANINGS[state].on_server] == [
        State.PREPARED,
        State.REMOVED,
    ]


@pytest.mark.parametrize("after", list(State))
def test_leaving_active_is_what_counts_as_loss_of_service(after: State) -> None:
    assert loses_service(State.ACTIVE, after) is (after is not State.ACTIVE)
    assert not loses_service(after, State.ACTIVE)
    assert not loses_service(State.DISABLED, after)
