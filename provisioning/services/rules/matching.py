"""Which account rule each of some people falls under, as the rules and the directory are now."""

from __future__ import annotations

from collections.abc import Sequence

from provisioning.core.records import PERSON_FIELDS
from provisioning.models import GroupMember, Person
from provisioning.services.rules.rule_book import CompiledRule, RuleBook


def find_rules(people: Sequence[Person]) -> dict[int, CompiledRule | None]:
    """The matching rule of each person by id; None where no rule matches. A few queries for all."""
    if not people:
        return {}
    book = RuleBook()
    groups = watched_groups(book, people)
    return {
        person.pk: book.match(
            source_id=person.source_id,
            values=values_of(person),
            groups=groups.get(person.pk, set()),
        )
        for person in people
    }


def watched_groups(book: RuleBook, people: Sequence[Person]) -> dict[int, set[int]]:
    """The ids of the groups that rules ask for, by the id of the person in them."""
    found: dict[int, set[int]] = {}
    if book.watched:
        rows = GroupMember.objects.filter(person__in=people, group__in=book.watched.values())
        for person_id, group_id in rows.values_list("person_id", "group_id"):
            found.setdefault(person_id, set()).add(group_id)
    return found


def values_of(person: Person) -> dict[str, str]:
    """What rules may ask about a person."""
    return {name: getattr(person, name) for name in (*PERSON_FIELDS, "dn")}
