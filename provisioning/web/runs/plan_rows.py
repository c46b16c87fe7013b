"""Planned changes as they are shown: words, names instead of ids, counts instead of long lists."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

from django.db.models import Model

from provisioning.core.records import PERSON_FIELDS
from provisioning.core.states import MEANINGS, State
from provisioning.models import (
    Account,
    AccountRule,
    ClientProfile,
    DirectoryGroup,
    Person,
    PlannedChange,
    ServerPool,
    SipDomain,
    Site,
)
from provisioning.services.accounts.known_clients import known_clients
from provisioning.web.forms.mapping import label_of
from provisioning.web.shell import href_of

_NAMES_SHOWN = 3


class Look(NamedTuple):
    """How an action is shown."""

    word: str
    tone: str
    icon: str


LOOKS = {
    "create": Look("New", "green", "plus"),
    "update": Look("Changed", "blue", "edit"),
    "leave": Look("Leaving", "red", "user-minus"),
    "return": Look("Coming back", "green", "user-plus"),
    "join": Look("One person", "blue", "users-group"),
    "separate": Look("Two people", "blue", "users"),
    "none": Look("Conflict", "yellow", "alert-triangle"),
    "rekey": Look("Another key", "blue", "key"),
    "unclear": Look("Unclear", "yellow", "user-question"),
    "resolve": Look("Conflict gone", "green", "circle-check"),
    "withdraw": Look("Proposal withdrawn", "secondary", "wand"),
    "empty": Look("Emptied", "red", "circle-minus"),
}
# Fields of the rows in the order in which they are shown; all others are the console's own.
_ACCOUNT = {
    "state": "State", "aor": "SIP URI", "number": "Number", "pool": "Home pool", "site": "Site",
    "profile": "Client profile", "rule": "Account rule", "name": "Name", "kind": "Kind",
    "SIP URI": "SIP URI", "alias_days": "Old SIP URI leads on (days)",
    "pins_until": "Pinned until",
}  # fmt: skip
_PERSON = {
    "same_as": "Same person as", "by": "Because of", "guid": "Key",
    **{name: label_of(name) for name in PERSON_FIELDS}, "dn": "DN", "disabled": "Disabled",
    "locked_out": "Locked out", "must_change_password": "Must change password",
}  # fmt: skip
_GROUP = {
    "guid": "Key",
    "name": "Name",
    "description": "Description",
    "dn": "DN",
    "member_count": "Members",
}
_FIELDS = {"account": _ACCOUNT, "person": _PERSON, "group": _GROUP}
_REFERENCES: dict[str, type[Model]] = {
    "pool": ServerPool, "site": Site, "profile": ClientProfile, "rule": AccountRule,
    "domain": SipDomain,
}  # fmt: skip

Row = tuple[str, Any, Any]


@dataclass(frozen=True, slots=True)
class ShownChange:
    """One row of a plan as the page shows it; `rows` are (field, before, after)."""

    change: PlannedChange
    look: Look
    href: str
    where: str
    note: str
    rows: list[Row]
    summary: str = ""


@dataclass(slots=True)
class _Names:
    """Everything that the rows of one page call by an id or a GUID; a query for each kind."""

    references: dict[tuple[str, int], str] = field(default_factory=dict)
    people: dict[tuple[int, str], tuple[int | None, str]] = field(default_factory=dict)
    groups: dict[tuple[int, str], int] = field(default_factory=dict)
    aors: dict[tuple[int, str], str] = field(default_factory=dict)
    clients: dict[tuple[int, str], str] = field(default_factory=dict)


def show_changes(changes: Sequence[PlannedChange]) -> list[ShownChange]:
    """The rows of one page of one run, in their order; at most ten queries for all of them."""
    names = _find_names(changes)
    return [_show(change, names) for change in changes]


def _show(change: PlannedChange, names: _Names) -> ShownChange:
    if change.action == "leave":
        rows: list[Row] = [("In the directory", "yes", "not found any more")]
    elif change.action == "withdraw":
        rows = [("Proposed SIP URI", change.before.get("SIP URI", ""), "none")]
    elif change.action == "resolve":
        rows = [("Conflict", change.before.get("problem", ""), "none")]
    elif change.kind == "value":
        rows = [(name, change.before.get(name), after) for name, after in change.after.items()]
    else:
        labels = _FIELDS[change.kind]
        rows = [
            (label, _value(name, change.before.get(name), names), _value(name, after, names))
            for name, label in labels.items()
            if name in change.after and (after := change.after[name]) != change.before.get(name)
            if change.action != "create" or after not in ("", 0, False)
        ]
    if change.kind == "group":
        rows += _member_rows(change, names)
    if _renames(change):
        known = names.clients.get((change.source_id, change.subject), "no client that is known")
        rows.append(("Needs a new profile", "", known))
    count = f"{len(rows)} field{'' if len(rows) == 1 else 's'}" if rows else ""
    return ShownChange(
        change=change,
        look=LOOKS.get(change.action, LOOKS["update"]),
        href=_href(change, names),
        where=_where(change, names),
        note=count,
        rows=rows,
        summary=_summary(change),
    )


def _whose(change: PlannedChange) -> str:
    """The GUID of the entry that the row is about; a joined entry's person may be elsewhere."""
    if change.kind == "person" and change.action != "rekey":
        return change.key
    return change.subject


def _renames(change: PlannedChange) -> bool:
    """Whether it gives, or proposes, another SIP URI."""
    return change.action == "update" and bool({"aor", "SIP URI"} & change.after.keys())


def _where(change: PlannedChange, names: _Names) -> str:
    """The SIP URI of an account, the user name of a new person."""
    if change.kind == "account":
        known = names.aors.get((change.source_id, change.subject), "")
        return change.after.get("aor") or known
    return change.after.get("login", "") if change.action == "create" else ""


def _value(name: str, value: Any, names: _Names) -> Any:
    if value is None:
        return None
    if name in _REFERENCES:
        return names.references.get((name, value), f"#{value}") if value else ""
    if name == "pins_until":
        return f"{date.fromisoformat(value):%-d %b %Y}"
    if name == "state":
        return MEANINGS[State(value)].label
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value


def _member_rows(change: PlannedChange, names: _Names) -> Iterable[Row]:
    added = [joining[0] for joining in change.after.get("added", ())]
    removed = list(change.after.get("removed", ()))
    if added:
        yield "Joining", "", _listed(change.source_id, added, names)
    if removed:
        yield "Leaving the group", _listed(change.source_id, removed, names), ""


def _listed(source_id: int, guids: list[str], names: _Names) -> str:
    """ "1,204 people: Ann Lee, Bo Ek, Cy Fox and others"."""
    known = [names.people[source_id, g][1] for g in guids[:_NAMES_SHOWN]
             if (source_id, g) in names.people]  # fmt: skip
    count = f"{len(guids):,} {'person' if len(guids) == 1 else 'people'}"
    if not known:
        return count
    return f"{count}: {', '.join(known)}{' and others' if len(guids) > len(known) else ''}"


_SUMMARIES: dict[str, Callable[[PlannedChange], str]] = {
    "leave": lambda change: (
        "left out by the attribute map"
        if change.after.get("left_out")
        else "not in the directory any more"
    ),
    "resolve": lambda _: "no longer in conflict",
    "withdraw": lambda _: "its rule gives the present SIP URI again",
    "join": lambda change: f"is {change.after['same_as']}",
    "separate": lambda change: f"is not {change.before['same_as']} any more",
}


def _summary(change: PlannedChange) -> str:
    """What the row means, in a few words beside the name."""
    if change.kind == "group":
        added, removed = len(change.after.get("added", ())), len(change.after.get("removed", ()))
        parts = [f"{n:,} {word}" for n, word in ((added, "joining"), (removed, "leaving")) if n]
        return ", ".join(parts)
    if change.kind == "value":
        return ", ".join(
            f"{name}: {change.before.get(name) or 'nothing'} → {after or 'nothing'}"
            for name, after in change.after.items()
        )
    if change.action in _SUMMARIES:
        return _SUMMARIES[change.action](change)
    if change.kind == "person" and change.action == "update" and "disabled" in change.after:
        return f"{'disabled' if change.after['disabled'] else 'enabled'} in the directory"
    state = change.after.get("state")
    if change.kind == "account" and change.action == "update" and state:
        return f"becomes {MEANINGS[State(state)].label.lower()}"
    return ""


def _href(change: PlannedChange, names: _Names) -> str:
    if change.kind == "group":
        pk = names.groups.get((change.source_id, change.subject))
        return href_of("group", pk) if pk else ""
    pk, _ = names.people.get((change.source_id, _whose(change)), (None, ""))
    return href_of("person", pk) if pk else ""


def _find_names(changes: Sequence[PlannedChange]) -> _Names:
    names = _Names()
    for name, model in _REFERENCES.items():
        ids = {side.get(name) for change in changes if change.kind == "account"
               for side in (change.before, change.after)} - {None, 0}  # fmt: skip
        if ids:
            for row in model._default_manager.filter(pk__in=ids):
                names.references[name, row.pk] = str(row)
    guids = {(c.source_id, _whose(c)) for c in changes if c.kind != "group"}
    for change in changes:
        if change.kind == "group":
            shown = [each[0] for each in change.after.get("added", ())[:_NAMES_SHOWN]]
            shown += change.after.get("removed", ())[:_NAMES_SHOWN]
            guids |= {(change.source_id, guid) for guid in shown}
    _find_people(guids, changes, names)
    accounts = Account.objects.filter(
        person__guid__in={c.subject for c in changes if c.kind == "account"}, slot="main"
    )
    found = list(accounts.values_list("pk", "person__source", "person__guid", "aor"))
    renamed = {change.subject for change in changes if _renames(change)}
    mine = [pk for pk, _, guid, _ in found if guid in renamed]
    clients = known_clients(account_ids=mine) if mine else {}
    for pk, source_id, guid, aor in found:
        names.aors[source_id, guid] = aor
        if pk in clients:
            names.clients[source_id, guid] = clients[pk]
    groups = [change for change in changes if change.kind == "group"]
    if groups:
        rows = DirectoryGroup.objects.filter(guid__in={group.key for group in groups})
        names.groups = {
            (source_id, guid): pk
            for pk, source_id, guid in rows.values_list("pk", "source", "guid")
        }
    return names


def _find_people(
    wanted: set[tuple[int, str]], changes: Sequence[PlannedChange], names: _Names
) -> None:
    """Known people, and those whom the same run is about to create."""
    guids = {guid for _, guid in wanted}
    if not guids:
        return
    created = PlannedChange.objects.filter(
        run_id=changes[0].run_id, kind="person", key__in=guids, action="create"
    )
    if any(change.kind == "group" for change in changes):
        for source_id, guid, name in created.values_list("source_id", "key", "name"):
            names.people[source_id, guid] = (None, name)
    people = Person.objects.filter(guid__in=guids)
    for pk, source_id, guid, name, login in people.values_list(
        "pk", "source_id", "guid", "display_name", "login"
    ):
        names.people[source_id, guid] = (pk, name or login)
