"""Who comes into groups and who leaves them, through any nesting, because single ones changed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from provisioning.directory.nesting import around, places
from provisioning.models import DirectorySource, GroupMember, GroupNesting
from provisioning.services.directory.group_members import direct_groups

# Whose groups are looked at one by one; for more of them reading everything is faster.
_MOST_PEOPLE = 20_000
# (parent, child)
Edges = set[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class GroupChange:
    """The direct members of a group before and after, and the groups within it after, as GUIDs."""

    before: frozenset[str]
    after: frozenset[str]
    children: frozenset[str]


@dataclass(slots=True)
class Shift:
    """Who comes into a group, and who leaves it, counting those of groups within."""

    joined: set[str] = field(default_factory=set)
    left: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Shifts:
    """The groups in which somebody is, or is not any more, and the groups within each group."""

    groups: dict[str, Shift]
    children: dict[str, list[str]]


def find_shifts(
    *, source: DirectorySource, ids: Mapping[str, int], changes: Mapping[str, GroupChange],
    gone: Collection[str], foreign: dict[str, int],
) -> Shifts | None:  # fmt: skip
    """What differs in all groups, by GUID; None where it concerns too many people.

    `foreign` are the sources of people who were read from another one, and gets those of more.

    `ids` are those of all groups that were there before, and were resolved then. Whose membership
    may differ is known: who is named or not any more, and who is in a group that is or is not any
    more within another. Of each of them it is asked in which groups they were and will be.
    """
    before = _kept_nesting(source, ids)
    after = {(parent, child) for parent, child in before if parent not in changes}
    after |= {(parent, child) for parent, each in changes.items() for child in each.children}
    after = {edge for edge in after if not set(edge) & set(gone)}
    people = set().union(*(each.before ^ each.after for each in changes.values()))
    moved = {child for _, child in before ^ after}
    people |= _everybody_within(source, moved & ids.keys(), before, ids, foreign)
    if len(people) > _MOST_PEOPLE:
        return None
    places_of = {guid: place for place, guid in enumerate({*ids, *changes})}
    names = list(places_of)
    was, will_be = (_around(edges, places_of) for edges in (before, after))
    direct = _direct_groups(source, people, {pk: guid for guid, pk in ids.items()}, foreign)
    shifts: dict[str, Shift] = {}
    for person in people:
        now, then = direct.get(person, set()), set(direct.get(person, ()))
        for guid, change in changes.items():
            if person in change.after:
                then.add(guid)
            else:
                then.discard(guid)
        old = _union(was, (places_of[guid] for guid in now))
        new = _union(will_be, (places_of[guid] for guid in then.difference(gone)))
        for place in places(new & ~old):
            shifts.setdefault(names[place], Shift()).joined.add(person)
        for place in places(old & ~new):
            shifts.setdefault(names[place], Shift()).left.add(person)
    return Shifts(shifts, _children(after))


def _kept_nesting(source: DirectorySource, ids: Mapping[str, int]) -> Edges:
    guids = {pk: guid for guid, pk in ids.items()}
    rows = GroupNesting.objects.filter(parent__source=source).values_list("parent_id", "child_id")
    return {
        (guids[parent], guids[child])
        for parent, child in rows.iterator(chunk_size=10_000)
        if parent in guids and child in guids
    }


def _children(nesting: Edges) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for parent, child in nesting:
        found.setdefault(parent, []).append(child)
    return found


def _everybody_within(
    source: DirectorySource, groups: Collection[str], nesting: Edges, ids: Mapping[str, int],
    foreign: dict[str, int],
) -> set[str]:  # fmt: skip
    """Everybody in the groups and in those within, or more than are looked at."""
    inside = _children(nesting)
    waiting, found = list(groups), set(groups)
    while waiting:
        new = set(inside.get(waiting.pop(), ())) - found
        found |= new
        waiting += new
    people: set[str] = set()
    for guid in found:
        rows = GroupMember.objects.filter(group=ids[guid], direct=True)
        found_people = rows.values_list("person__guid", "person__source_id")
        for person, source_id in found_people.iterator(chunk_size=10_000):
            people.add(person)
            if source_id != source.pk:
                foreign[person] = source_id
        if len(people) > _MOST_PEOPLE:
            break
    return people


def _direct_groups(
    source: DirectorySource,
    people: Collection[str],
    guids: Mapping[int, str],
    foreign: Mapping[str, int],
) -> dict[str, set[str]]:
    """The groups that name each of `people`."""
    found: dict[str, set[str]] = {}
    by_source: dict[int, set[str]] = {}
    for person in people:
        by_source.setdefault(foreign.get(person, source.pk), set()).add(person)
    for source_id, some in by_source.items():
        for person, group in direct_groups(some, source_id):
            if group in guids:
                found.setdefault(person, set()).add(guids[group])
    return found


def _around(nesting: Edges, numbers: Mapping[str, int]) -> list[int]:
    """For each group, by its number, the groups that it is in, itself included, as a bitset."""
    parents: list[list[int]] = [[] for _ in numbers]
    for parent, child in nesting:
        parents[numbers[child]].append(numbers[parent])
    return around(parents)


def _union(sets: list[int], chosen: Iterable[int]) -> int:
    found = 0
    for number in chosen:
        found |= sets[number]
    return found
