"""Account states: the one table of what each means, and the rule that picks one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """State of an account."""

    PREPARED = "prepared"
    ACTIVE = "active"
    DISABLED = "disabled"
    BLOCKED = "blocked"
    HELD = "held"
    GRACE = "grace"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a state means: at the SIP server, for clients and links, and for the number."""

    label: str
    tone: str
    icon: str
    at_server: str
    clients: str
    number: str
    usable: bool
    on_server: bool


MEANINGS: dict[State, Meaning] = {
    State.PREPARED: Meaning(
        "Prepared", "blue", "clock", "Not there yet", "No profile is given out", "Reserved", False, False
    ),
    State.ACTIVE: Meaning(
        "Active", "green", "circle-check", "Registers and calls", "Profiles and links work", "Assigned", True, True
    ),
    State.DISABLED: Meaning(
        "Disabled", "secondary", "player-pause", "Refused; registrations ended", "Links revoked", "Kept", False, True
    ),
    State.BLOCKED: Meaning(
        "Blocked", "red", "lock", "Refused; registrations ended", "Links revoked", "Kept", False, True
    ),
    State.HELD: Meaning(
        "Held", "yellow", "calendar", "Refused; registrations ended", "Links revoked", "Kept", False, True
    ),
    State.GRACE: Meaning(
        "Grace", "yellow", "hourglass", "Refused; registrations ended", "Links revoked", "Kept until removal",
        False, True,
    ),
    State.REMOVED: Meaning(
        "Removed", "secondary", "trash", "Not there", "Links revoked", "Quarantined, then free", False, False
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Standing:
    """What decides the state of an account that belongs to a person."""

    present: bool
    disabled: bool
    matched: bool
    blocked: bool
    pinned: State | None = None
    existed: bool = True


def decide_state(standing: Standing) -> State:
    """The state: an administrator's block wins, then a pin, then the directory, then the rules."""
    if standing.blocked:
        return State.BLOCKED
    if standing.pinned is not None:
        return standing.pinned
    if not standing.present or not standing.matched:
        return State.GRACE
    if standing.disabled:
        return State.DISABLED if standing.existed else State.PREPARED
    return State.ACTIVE


def loses_service(before: State, after: State) -> bool:
    """Whether the move from `before` to `after` takes a working account away."""
    return MEANINGS[before].usable and not MEANINGS[after].usable
