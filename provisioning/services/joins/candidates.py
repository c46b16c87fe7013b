"""Entries of two sources that share something that one person has: compared exactly, not guessed.

A value is compared without blanks around it and without case, and in no other way. Whatever is not
one to one, or contradicts itself, is told as unclear and joined by nobody but an administrator.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from provisioning.core.errors import InvalidInput
from provisioning.directory.sid import sid_text
from provisioning.models import Apart, DirectorySource, Person
from provisioning.services.directory.failover import watched
from provisioning.services.directory.readers import open_reader
from provisioning.services.servers import targets

# What people are joined by, and how it is called.
BY = {
    "employee_id": "employee ID",
    "mail": "mail",
    "sid": "security identifier",
}
_HISTORY = "sidhistory"
_NAMED = 5

# Value → ids of the people who have it.
Index = Mapping[str, list[int]]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two people, by id, who are one; and the value that says so."""

    one: int
    other: int
    value: str


@dataclass(slots=True)
class Found:
    """What comparing two sources found.

    `unclear` are people (by id) with the reason why nobody is joined to them; `joined` counts pairs
    that are one person already, `alone` those of either source whose value nobody else has.
    """

    pairs: list[Pair] = field(default_factory=list)
    unclear: dict[int, str] = field(default_factory=dict)
    joined: int = 0
    alone: tuple[int, int] = (0, 0)


def find_pairs(*, one: DirectorySource, other: DirectorySource, by: str) -> Found:
    """Who of the two sources is one person by BY. Raises a ProvisioningError.

    Of security identifiers the history is read from the directories now, for it is not kept.
    """
    if by not in BY or one.pk == other.pk:
        raise InvalidInput("Choose two different sources, and one thing to compare.")
    first, second = _index(one, by), _index(other, by)
    found = Found(alone=(_alone(first, second), _alone(second, first)))
    candidates: dict[tuple[int, int], str] = {}
    for value, ones in first.items():
        others = second.get(value)
        if others is None:
            continue
        if len(ones) == len(others) == 1:
            candidates.setdefault((ones[0], others[0]), value)
        else:
            _note_several(found, [*ones, *others], value, by)
    _settle(candidates, found, by)
    return found


def _index(source: DirectorySource, by: str) -> Index:
    index: defaultdict[str, list[int]] = defaultdict(list)
    for value, person_id in _history(source) if by == "sid" else ():
        if person_id not in index[value]:
            index[value].append(person_id)
    people = Person.objects.filter(source=source, left_at=None).exclude(**{by: ""})
    for person_id, text in people.values_list("pk", by).iterator(chunk_size=10_000):
        value = text.strip().casefold()
        if value and person_id not in index[value]:
            index[value].append(person_id)
    return dict(index)


def _history(source: DirectorySource) -> Iterator[tuple[str, int]]:
    """The former security identifiers of each person, as the directory has them now."""
    if source.kind != DirectorySource.Kind.ACTIVE_DIRECTORY:
        return
    present = Person.objects.filter(source=source, left_at=None)
    ids = dict(present.values_list("guid", "pk").iterator(chunk_size=10_000))
    record = targets.pin_source(source.as_record())
    with open_reader(source, record) as reader, watched(source, reader):
        for page in reader.people([_HISTORY], ["(sIDHistory=*)"]):
            for entry in page:
                if entry.guid in ids:
                    for raw in entry.attributes.get(_HISTORY, ()):
                        yield sid_text(raw).casefold(), ids[entry.guid]


def _alone(index: Index, other: Index) -> int:
    return len({person for value, ids in index.items() if value not in other for person in ids})


def _note_several(found: Found, ids: Iterable[int], value: str, by: str) -> None:
    people = list(Person.objects.filter(pk__in=ids).select_related("source").order_by("pk"))
    named = ", ".join(f"{one} ({one.login}, {one.source})" for one in people[:_NAMED])
    more = f" and {len(people) - _NAMED} more" if len(people) > _NAMED else ""
    for person in people:
        found.unclear.setdefault(
            person.pk, f"Several people have the {BY[by]} {value}: {named}{more}."
        )


def _settle(candidates: Mapping[tuple[int, int], str], found: Found, by: str) -> None:
    """Take what contradicts itself out of the candidates."""
    ids = {person for pair in candidates for person in pair}
    facts = _Facts(ids)
    partners: defaultdict[int, set[int]] = defaultdict(set)
    for one, other in candidates:
        partners[one].add(other)
        partners[other].add(one)
    apart = set(Apart.objects.values_list("one_id", "other_id"))
    for (one, other), value in candidates.items():
        owners = facts.owner(one), facts.owner(other)
        if owners[0] == owners[1]:
            found.joined += 1
        elif one in found.unclear or other in found.unclear:
            continue
        elif len(partners[one]) > 1 or len(partners[other]) > 1:
            _note_several(found, {one, other, *partners[one], *partners[other]}, value, by)
        elif reason := facts.why_not(one, other, apart):
            found.unclear[other] = f"The same {BY[by]} {value} as {facts.name(one)}, but {reason}."
        else:
            found.pairs.append(Pair(*owners, value))


class _Facts:
    """What speaks against joining: employee IDs, entries that people have already, decisions."""

    def __init__(self, ids: set[int]) -> None:
        self._people: dict[int, tuple[str, str, int]] = {}
        self._sources: defaultdict[int, set[int]] = defaultdict(set)
        joined = Person.objects.filter(same_as__isnull=False)
        for owner, theirs, own in joined.values_list(
            "same_as_id", "source_id", "same_as__source_id"
        ).iterator(chunk_size=10_000):
            if owner is not None:
                self._sources[owner] |= {theirs, own}

        rows = Person.objects.filter(left_at=None).values_list(
            "pk", "display_name", "login", "employee_id", "source_id", "same_as_id"
        )
        for person_id, name, login, employee, source, joined_to in rows.iterator(chunk_size=10_000):
            if person_id in ids:
                owner = joined_to or person_id
                self._people[person_id] = (name or login, employee.strip().casefold(), owner)
                self._sources[owner].add(source)

    def owner(self, person_id: int) -> int:
        """The person whom an entry belongs to."""
        return self._people[person_id][2]

    def name(self, person_id: int) -> str:
        """What an entry is called."""
        return self._people[person_id][0]

    def why_not(self, one: int, other: int, apart: set[tuple[int, int]]) -> str:
        """What speaks against it; empty for nothing."""
        ids = {one, self.owner(one)}, {other, self.owner(other)}
        if any((min(a, b), max(a, b)) in apart for a in ids[0] for b in ids[1]):
            return "somebody decided that they are two people"
        numbers = self._people[one][1], self._people[other][1]
        if all(numbers) and numbers[0] != numbers[1]:
            return f"their employee IDs differ: {numbers[0]} and {numbers[1]}"
        if self._sources[self.owner(one)] & self._sources[self.owner(other)]:
            return "one of them has an entry of the other's source already"
        return ""
