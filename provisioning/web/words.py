"""The word, tone and icon with which the console shows a status, whatever it is the status of."""

from __future__ import annotations

from typing import NamedTuple

from provisioning.core.states import MEANINGS


class Badge(NamedTuple):
    """How one status looks: tone is green, blue, yellow, red or secondary."""

    label: str
    tone: str
    icon: str


BADGES: dict[str, Badge] = {
    # servers, stores and sources
    "ok": Badge("Healthy", "green", "circle-check"),
    "slow": Badge("Slow", "yellow", "alert-triangle"),
    "unreachable": Badge("Unreachable", "red", "plug-x"),
    "rejected": Badge("Refused", "red", "circle-x"),
    "unknown": Badge("Not checked yet", "secondary", "question-mark"),
    "paused": Badge("Paused", "yellow", "player-pause"),
    "observe": Badge("Observe", "blue", "eye"),
    "manage": Badge("Manage", "green", "settings"),
    # what a server can do
    "effective": Badge("Effective", "green", "circle-check"),
    "ineffective": Badge("Not effective", "red", "circle-x"),
    "untried": Badge("Not tried", "secondary", "circle-dashed"),
    "unproven": Badge("Stored, unproven", "yellow", "help-circle"),
    "unsupported": Badge("Not supported", "secondary", "circle-minus"),
    "nothing": Badge("Nothing to keep", "secondary", "circle-dashed"),
    # DNS records
    "published": Badge("Published", "green", "circle-check"),
    "missing": Badge("Missing", "red", "circle-x"),
    "different": Badge("Others besides", "yellow", "alert-triangle"),
    # runs and planned changes
    "queued": Badge("Queued", "blue", "clock"),
    "reading": Badge("Reading", "blue", "refresh"),
    "running": Badge("Running", "blue", "refresh"),
    "planned": Badge("Planned", "blue", "git-compare"),
    "pending": Badge("Pending", "blue", "clock"),
    "waiting": Badge("Waiting for approval", "yellow", "hourglass"),
    "approved": Badge("Approved", "blue", "check"),
    "applied": Badge("Applied", "green", "circle-check"),
    "finished": Badge("Finished", "green", "circle-check"),
    "unchanged": Badge("Nothing to change", "secondary", "checks"),
    "done": Badge("Done", "green", "circle-check"),
    "preview": Badge("Preview", "blue", "eye"),
    "superseded": Badge("Superseded", "secondary", "history"),
    "stale": Badge("Out of date", "secondary", "clock"),
    "proposed": Badge("Proposed", "blue", "wand"),
    "problem": Badge("Conflict", "yellow", "alert-triangle"),
    "failed": Badge("Failed", "red", "circle-x"),
    "stopped": Badge("Stopped", "secondary", "player-stop"),
    # rollouts and their stages
    "held back": Badge("Waiting", "secondary", "hourglass"),
    "writing": Badge("Being written", "blue", "refresh"),
    "watching": Badge("Watched", "blue", "eye"),
    "passed": Badge("Passed", "green", "circle-check"),
    "put back": Badge("Put back", "secondary", "history"),
    "rolling back": Badge("Rolling back", "yellow", "history"),
    "rolled back": Badge("Rolled back", "red", "history"),
    "cancelled": Badge("Given up", "secondary", "circle-minus"),
    "discarded": Badge("Discarded", "secondary", "trash"),
    "drift": Badge("Drift", "yellow", "activity"),
    # numbers
    "free": Badge("Free", "green", "circle-dashed"),
    "reserved": Badge("Reserved", "blue", "bookmark"),
    "assigned": Badge("Assigned", "secondary", "circle-check"),
    "quarantined": Badge("Quarantined", "yellow", "hourglass"),
    "used elsewhere": Badge("Used elsewhere", "secondary", "external-link"),
    # links, people and clients
    "used": Badge("Used", "secondary", "check"),
    "expired": Badge("Expired", "secondary", "clock"),
    "revoked": Badge("Revoked", "secondary", "link-off"),
    "registered": Badge("Registered", "green", "phone-call"),
    "offline": Badge("Not registered", "secondary", "phone-off"),
    "left": Badge("Left the directory", "secondary", "user-minus"),
} | {
    str(state): Badge(meaning.label, meaning.tone, meaning.icon)
    for state, meaning in MEANINGS.items()
}


def badge_for(word: str) -> Badge:
    """The badge of a status; an unknown word is shown as it is, without a colour."""
    known = BADGES.get(word)
    return known or Badge(word.replace("_", " ").capitalize(), "secondary", "circle-dashed")
