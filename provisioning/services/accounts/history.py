"""What happened to a person or an account: what runs changed and what console users did."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db.models import Model, Q

from provisioning.core.states import MEANINGS, State
from provisioning.models import (
    Account,
    AccountRule,
    AuditEvent,
    ClientProfile,
    Person,
    PlannedChange,
    ServerPool,
    SipDomain,
    Site,
)
from provisioning.services.console.audit_words import tell
from provisioning.services.runs.plan import APPLIED

LATEST = 50
# What a plan keeps as an id (0 for none), and what has that id.
_REFERENCES: dict[str, tuple[str, type[Model]]] = {
    "domain": ("SIP domain", SipDomain),
    "pool": ("home pool", ServerPool),
    "site": ("site", Site),
    "rule": ("rule", AccountRule),
    "profile": ("client profile", ClientProfile),
}
_LABELS = {
    "aor": "SIP URI",
    "dn": "distinguished name",
    "login": "user name",
    "display_name": "name",
    "problem": "conflict",
    "alias_days": "old SIP URI leads on (days)",
    "same_as": "same person as",
    "guid": "key",
    "by": "because of",
    "pins_until": "pinned until",
}
_TITLES = {
    ("person", "create"): "New in the directory",
    ("person", "update"): "Changed in the directory",
    ("person", "leave"): "Left the directory",
    ("person", "return"): "Came back to the directory",
    ("person", "rekey"): "Known by another key",
    ("person", "join"): "Joined: one person with two entries",
    ("person", "separate"): "Separated: a person of its own",
    ("account", "create"): "Account created",
    ("account", "update"): "Account changed",
    ("account", "none"): "Conflict",
    ("account", "resolve"): "Conflict gone",
    ("account", "withdraw"): "Proposal withdrawn",
}
# Of something new only this is told; all of it is on the page itself.
_OF_NEW = frozenset({"login", "department", "office", "phone", "aor", "number", "pool", "rule"})
_HIDDEN = frozenset(
    {"name_key", "search_key", "content_hash", "user_part", "source", "person", "version", "pins"}
)
_STATUSES = PlannedChange.Status
_SETTLED = APPLIED | Q(
    status__in=(_STATUSES.HELD, _STATUSES.PROPOSED, _STATUSES.PROBLEM, _STATUSES.DISCARDED)
)


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened: `rows` are (field, before, after), `note` is what was said about it.

    `run_id` names the run that planned it.
    """

    at: datetime
    title: str
    who: str
    rows: list[tuple[str, Any, Any]]
    note: str = ""
    run_id: int | None = None


def find_history(
    *, account: Account | None = None, person: Person | None = None
) -> list[Happening]:
    """The latest 50 things that happened to the account, the person or both, newest first."""
    events, keys = Q(pk__in=()), []
    if account is not None:
        events |= Q(object_type="account", object_id=str(account.pk))
        person = person or account.person
    if person is not None:
        events |= Q(object_type="person", object_id=str(person.pk))
        slot = account.slot if account else "main"
        keys = [
            key
            for guid in _keys_of(person)
            for key in (("person", guid), ("account", f"{guid}/{slot}"))
        ]
    happened = [
        _of_event(event)
        for event in AuditEvent.objects.select_related("actor")
        .filter(events)
        .order_by("-id")[:LATEST]
    ]
    happened += _of_changes(person, keys)
    return sorted(happened, key=lambda each: each.at, reverse=True)[:LATEST]


def _keys_of(person: Person) -> list[str]:
    """The key of the person and those that they had before, for rows go by the key of their day."""
    keys = [person.guid]
    rekeyed = PlannedChange.objects.filter(
        APPLIED, kind="person", action="rekey", source_id=person.source_id
    )
    while row := rekeyed.filter(key=keys[-1]).exclude(subject__in=keys).order_by("-id").first():
        keys.append(row.subject)
    return keys


def _of_event(event: AuditEvent) -> Happening:
    told = tell(event.detail)
    notes = "; ".join(f"{name}: {value}" for name, value in told.facts)
    # What it was done to is the page itself: "rotated the credential of" it.
    action = event.action
    for word in (" of", " to", " for"):
        action = action.removesuffix(word)
    return Happening(event.at, action.capitalize(), event.who, told.rows, notes)


def _of_changes(person: Person | None, keys: list[tuple[str, str]]) -> list[Happening]:
    if person is None:
        return []
    changes: list[PlannedChange] = []
    for kind, key in keys:
        changes += (
            PlannedChange.objects.filter(_SETTLED, kind=kind, key=key, source_id=person.source_id)
            .exclude(run__dry=True)
            .select_related("run")
            .order_by("-id")[:LATEST]
        )
    names = _names(changes)
    return [_of_change(change, names) for change in changes]


def _of_change(change: PlannedChange, names: dict[tuple[str, int], str]) -> Happening:
    title = _TITLES.get((change.kind, change.action), "Read again")
    if not change.is_applied:
        title += f" ({change.get_status_display().lower()})"
    rows = []
    for field in {**change.before, **change.after}:
        if field in _HIDDEN or (change.action == "create" and field not in _OF_NEW):
            continue
        before = _value(field, change.before.get(field), names)
        after = _value(field, change.after.get(field), names)
        if before or after:
            rows.append((_label(field), before, after))
    return Happening(change.at, title, str(change.run), rows, change.message, change.run_id)


def _names(changes: Iterable[PlannedChange]) -> dict[tuple[str, int], str]:
    """The names of everything that the changes refer to by id: a query for each kind of thing."""
    wanted: dict[str, set[int]] = {}
    for change in changes:
        for side in (change.before, change.after):
            for field in _REFERENCES.keys() & side.keys():
                if side[field]:
                    wanted.setdefault(field, set()).add(int(side[field]))
    return {
        (field, pk): str(row)
        for field, ids in wanted.items()
        for pk, row in _REFERENCES[field][1]._default_manager.in_bulk(ids).items()
    }


def _label(field: str) -> str:
    if field in _REFERENCES:
        return _REFERENCES[field][0]
    return _LABELS.get(field, field.replace("_", " "))


def _value(field: str, value: Any, names: dict[tuple[str, int], str]) -> Any:
    if field in _REFERENCES:
        return names.get((field, int(value)), f"#{value}") if value else ""
    if field == "state" and value in MEANINGS:
        return MEANINGS[State(value)].label
    if field == "pins_until" and value:
        return f"{date.fromisoformat(value):%-d %b %Y}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value
