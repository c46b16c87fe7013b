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


_REFUSED = "Refused; registrations ended"
_REVOKED = "Links revoked"

MEANINGS: dict[State, Meaning] = {
    State.PREPARED: Meaning(
        "Prepared", "blue", "clock",
        "Not there yet", "No profile is given out", "Reserved", usable=False, on_server=False,
    ),
    State.ACTIVE: Meaning(
        "Active", "green", "circle-check",
        "Registers and calls", "Profiles and links work", "Assigned", usable=True, on_server=True,
    ),
    State.DISABLED: Meaning(
        "Disabled", "secondary", "player-pause",
        _REFUSED, _REVOKED, "Kept", usable=False, on_server=True,
    ),
    State.BLOCKED: Meaning(
        "Blocked", "red", "lock",
        _REFUSED, _REVOKED, "Kept", usable=False, on_server=True,
    ),
    State.HELD: Meaning(
        "Held", "yellow", "calendar",
        _REFUSED, _REVOKED, "Kept", usable=False, on_server=True,
    ),
    State.GRACE: Meaning(
        "Grace", "yellow", "hourglass",
        _REFUSED, _REVOKED, "Kept until removal", usable=False, on_server=True,
    ),
    State.REMOVED: Meaning(
        "Removed", "secondary", "trash",
        "Not there", _REVOKED, "Quarantined, then free", usable=False, on_server=False,
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


def is_out(*, disabled: bool, expires_at: str, now: str) -> bool:
    """Whether the directory takes a person's service away: disabled, or expired by `now`.

    Both moments as core.moments writes them; an empty `expires_at` is never. Somebody who is locked
    out or must change the password keeps the telephone.
    """
    return disabled or bool(expires_at and expires_at <= now)


def loses_service(before: State, after: State) -> bool:
    """Whether the move from `before` to `after` takes a working account away."""
    return MEANINGS[before].usable and not MEANINGS[after].usable
