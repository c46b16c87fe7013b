"""What the rules and the directory say of some people as they are now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from provisioning.core.moments import moment
from provisioning.core.precedence import EntryValues, Merged, Precedence, merge
from provisioning.core.records import PERSON_FIELDS, PERSON_FLAGS
from provisioning.models import DirectorySource, GroupMember, Joining, Person
from provisioning.services.rules.decide import PersonView
from provisioning.services.rules.rule_book import CompiledRule, RuleBook

# The settings of joined entries are one row.
ONLY = 1
_VALUES = ("dn", *PERSON_FIELDS, *PERSON_FLAGS)


@dataclass(frozen=True, slots=True)
class Judged:
    """A person with everything that all of their entries say, and the rule that matches, if any."""

    view: PersonView
    rule: CompiledRule | None


def judge_people(people: Sequence[Person]) -> dict[int, Judged]:
    """Each person by id, as rules see them, with the matching rule. A few queries for all."""
    if not people:
        return {}
    book = RuleBook()
    return {
        view.person_id: Judged(
            view,
            book.match(places=view.places, values=view.values, groups=view.groups)
            if view.present
            else None,
        )
        for view in find_views(people, book)
        if view.person_id is not None
    }


def find_views(people: Sequence[Person], book: RuleBook | None = None) -> list[PersonView]:
    """The people as rules see them: of those with several entries what these say together.

    Without a `book` that asks for groups nothing is said of these.

    An entry that belongs to somebody else is nobody's by itself, so it is not present.
    """
    entries = entries_of(people)
    everybody = [*people, *(entry for found in entries.values() for entry in found)]
    groups = watched_groups(book, everybody) if book is not None else {}
    precedence = load_precedence() if entries else Precedence()
    views = []
    for person in people:
        view = PersonView(
            person.source_id, person.guid, values_of(person),
            person.left_at is None and person.same_as_id is None, groups.get(person.pk, set()),
            person.pk, person.problem, same_as=person.same_as_id,
        )  # fmt: skip
        if found := entries.get(person.pk):
            merged = merge_people([person, *found], precedence)
            view.values, view.joined, view.present = merged.values, merged.places, merged.present
            view.groups = {group for each in (person, *found) for group in groups.get(each.pk, ())}
        views.append(view)
    return views


def entries_of(people: Sequence[Person]) -> dict[int, list[Person]]:
    """The other entries of each person who has some, by the person's id, in the order of ids."""
    found: dict[int, list[Person]] = {}
    joined = Person.objects.filter(same_as__in=[person.pk for person in people])
    for entry in joined.select_related("source").order_by("pk"):
        if entry.same_as_id is not None:
            found.setdefault(entry.same_as_id, []).append(entry)
    return found


def has_joined() -> bool:
    """Whether anybody has more than one entry."""
    # In order, for that is how PostgreSQL takes the index, of a table just filled as well.
    joined = Person.objects.filter(same_as__isnull=False).order_by("same_as")
    return joined.values_list("same_as").first() is not None


def load_precedence() -> Precedence:
    """Whose value counts for somebody with several entries."""
    return current_joining().precedence()


def current_joining() -> Joining:
    """The settings, with every source in the order that counts: of those without a place the oldest
    comes first.
    """
    joining = Joining.objects.first() or Joining(pk=ONLY)
    sources = list(DirectorySource.objects.order_by("pk").values_list("pk", flat=True))
    ordered = [pk for pk in joining.order if pk in sources]
    joining.order = [*ordered, *(pk for pk in sources if pk not in ordered)]
    return joining


def merge_people(entries: Sequence[Person], precedence: Precedence) -> Merged:
    """What the entries of one person say together now, the person's own one first."""
    return merge(
        entries=[
            EntryValues(entry.source_id, values_of(entry), entry.left_at is None)
            for entry in entries
        ],
        precedence=precedence,
        now=moment(timezone.now()),
    )


def watched_groups(book: RuleBook, people: Sequence[Person]) -> dict[int, set[int]]:
    """The ids of the groups that rules ask for, by the id of the person in them."""
    found: dict[int, set[int]] = {}
    if book.watched:
        rows = GroupMember.objects.filter(person__in=people, group__in=book.watched.values())
        for person_id, group_id in rows.values_list("person_id", "group_id"):
            found.setdefault(person_id, set()).add(group_id)
    return found


def values_of(person: Person) -> dict[str, Any]:
    """What one entry says of a person, and its DN."""
    return {name: getattr(person, name) for name in _VALUES}
