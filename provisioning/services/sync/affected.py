"""Whose accounts a run decides: who changed or moved, who has an open question, or everybody."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

import orjson
from django.db.models import Exists, OuterRef, QuerySet

from provisioning.core.records import PERSON_FIELDS, PERSON_FLAGS
from provisioning.models import DirectorySource, GroupMember, Person, PlannedChange, Run
from provisioning.services import bulk
from provisioning.services.ahead import read_ahead
from provisioning.services.rules.decide import PersonView
from provisioning.services.rules.matching import has_joined
from provisioning.services.runs.plan import TABLE

_VALUES = ("dn", *PERSON_FIELDS, *PERSON_FLAGS)
# What is read of a person to decide the account.
COLUMNS = ("id", "source_id", "guid", "left_at", "problem", "to_decide", "same_as_id", *_VALUES)
_CHUNK = 500
# What a new person has of which the plan says nothing.
_NOTHING: dict[str, Any] = dict.fromkeys(PERSON_FIELDS, "") | dict.fromkeys(PERSON_FLAGS, False)
_PAGE = 2000
# The next planned people after an ordinal, for the plan grows while it is read.
_PLANNED = f"""
SELECT ordinal, key, action, after FROM {TABLE}
WHERE run_id = %s AND ordinal > %s AND ordinal <= %s AND kind = 'person' AND status = 'planned'
  AND action <> 'refresh'
ORDER BY ordinal LIMIT {_PAGE}
"""  # noqa: S608
Memberships = dict[str, set[int]]


def memberships_of(members: dict[int, set[str]]) -> Memberships:
    """Turn group id → GUIDs of members into GUID → ids of groups."""
    found: Memberships = {}
    for group_id, guids in members.items():
        for guid in guids:
            found.setdefault(guid, set()).add(group_id)
    return found


def kept_members(group_ids: Iterable[int]) -> dict[int, set[str]]:
    """The effective members that are kept of the given groups."""
    members: dict[int, set[str]] = {group_id: set() for group_id in group_ids}
    rows = GroupMember.objects.filter(group_id__in=list(members)).values_list(
        "group_id", "person__guid"
    )
    for group_id, guid in rows.iterator(chunk_size=10_000):
        members[group_id].add(guid)
    return members


def kept_memberships(group_ids: Collection[int], guids: Collection[str]) -> Memberships:
    """In which of the given groups each of these people is kept as a member."""
    found: Memberships = {}
    wanted = sorted(guids)
    for start in range(0, len(wanted), _CHUNK):
        rows = GroupMember.objects.filter(
            person__guid__in=wanted[start : start + _CHUNK], group_id__in=group_ids
        )
        for guid, group_id in rows.values_list("person__guid", "group_id"):
            found.setdefault(guid, set()).add(group_id)
    return found


def find_open_questions(source: DirectorySource) -> dict[str, int]:
    """Whose accounts every run of `source` decides anew, whatever the directory says.

    GUID → source, which is another one where an entry of `source` belongs to somebody there.
    """
    return {**dict(_with_question(source)), **dict(_waiting(source))}


def everybody(
    memberships: Memberships, people: QuerySet[Person] | None = None
) -> Iterator[PersonView]:
    """Every person of every source, or just `people`, for a run that reads no directory."""
    people = Person.objects.all() if people is None else people
    for row in people.order_by("id").values(*COLUMNS).iterator(chunk_size=2000):
        yield view_of(row, memberships)


def affected_by(
    *,
    run: Run,
    source: DirectorySource,
    until: int,
    moved: Collection[str],
    foreign: Mapping[str, int],
    unreadable: Collection[str],
    memberships: Memberships,
) -> Iterator[PersonView]:
    """The people whose accounts this sync has to decide, each once, as the run will leave them.

    They are the planned people up to the ordinal `until`, who `moved` between watched groups, and
    who has an open question: a conflict, a change of an account that waits for approval, or one
    that somebody asked for. Whoever is `unreadable` stays as known. `foreign` are the sources of
    those who moved here and were read from another one.
    """
    questions = find_open_questions(source)
    foreign = {**foreign, **{guid: at for guid, at in questions.items() if at != source.pk}}
    others = {*moved, *questions}.difference(unreadable)
    with closing(read_ahead(_planned_people(run, until))) as chunks:
        for chunk in chunks:
            known = _known(source.pk, [key for _, key, action, _ in chunk if action != "create"])
            for _, key, action, after in chunk:
                others.discard(key)
                values = orjson.loads(after)
                yield _changed(source, key, action, values, known.get(key), memberships)
    waiting: dict[int, list[str]] = {}
    for guid in sorted(others):
        waiting.setdefault(foreign.get(guid, source.pk), []).append(guid)
    for source_id, guids in waiting.items():
        for start in range(0, len(guids), _CHUNK):
            for row in _known(source_id, guids[start : start + _CHUNK]).values():
                yield view_of(row, memberships)


def _with_question(source: DirectorySource) -> Iterable[tuple[str, int]]:
    # Whose account waits in a run that reads no directory is not planned, and shown, twice.
    waiting = PlannedChange.objects.filter(
        run__source=None, run__state=Run.State.WAITING, status=PlannedChange.Status.HELD,
        kind="account",
    ).values("subject")  # fmt: skip
    asked = [Person.objects.filter(source=source)]
    if has_joined():
        joined = Person.objects.filter(same_as=OuterRef("pk"), source=source)
        asked.append(Person.objects.exclude(source=source).filter(Exists(joined)))
    for people in asked:
        conflicts = people.exclude(problem="").exclude(guid__in=waiting)
        yield from conflicts.values_list("guid", "source_id")
        yield from people.filter(to_decide__gt=0).values_list("guid", "source_id")


def _waiting(source: DirectorySource) -> Iterable[tuple[str, int]]:
    """People who may be applied already while their account waits, so that a read shows nothing."""
    return PlannedChange.objects.filter(
        run__source=source, run__state=Run.State.WAITING, status=PlannedChange.Status.HELD,
        kind="account",
    ).values_list("subject", "source_id")  # fmt: skip


def _planned_people(run: Run, until: int) -> Iterator[Sequence[tuple[Any, ...]]]:
    last = 0
    while page := bulk.fetch(_PLANNED, [run.pk, last, until]):
        last = page[-1][0]
        yield page


def _changed(
    source: DirectorySource, guid: str, action: str, after: dict[str, Any],
    old: dict[str, Any] | None, memberships: Memberships,
) -> PersonView:  # fmt: skip
    if old is None:
        return PersonView(source.pk, guid, _NOTHING | after, True, memberships.get(guid, ()))
    if action == "leave":
        return _view(old, {}, present=False, memberships=memberships)
    return _view(old, after, present=True, memberships=memberships)


def view_of(row: dict[str, Any], memberships: Memberships) -> PersonView:
    """A person as kept: `row` has the COLUMNS."""
    return _view(row, {}, present=row["left_at"] is None, memberships=memberships)


def replanned(row: dict[str, Any], action: str, after: dict[str, Any]) -> PersonView:
    """A known person as a planned row will leave them; of their groups nothing is said."""
    return _view(row, after, present=action != "leave", memberships={})


def _view(
    row: dict[str, Any], after: dict[str, Any], *, present: bool, memberships: Memberships
) -> PersonView:
    return PersonView(
        source_id=row["source_id"],
        guid=row["guid"],
        values={name: after.get(name, row[name]) for name in _VALUES},
        present=present,
        groups=memberships.get(row["guid"], ()),
        person_id=row["id"],
        problem=row["problem"],
        asked=row["to_decide"],
        same_as=row["same_as_id"],
    )


def _known(source_id: int, guids: list[str]) -> dict[str, dict[str, Any]]:
    if not guids:
        return {}
    rows = Person.objects.filter(source=source_id, guid__in=guids).values(*COLUMNS)
    return {row["guid"]: row for row in rows}
