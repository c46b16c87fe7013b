"""One person by all of their entries: what each says, what counts, and who may be another one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Q, QuerySet
from django.db.models.functions import Lower

from provisioning.core.precedence import Merged
from provisioning.models import Apart, Person
from provisioning.services.rules.matching import entries_of, load_precedence, merge_people
from provisioning.services.sync.lookalikes import HELD_BY

_MOST = 20


@dataclass(frozen=True, slots=True)
class OnePerson:
    """A person with several entries, the first of which has the account; and what counts."""

    entries: list[Person]
    merged: Merged

    def origin(self, name: str) -> str:
        """The name of the source that a field (or SERVICE) comes from; empty where none has it."""
        wanted = self.merged.origins.get(name)
        return next((str(each.source) for each in self.entries if each.source_id == wanted), "")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Somebody of another source, and what both share, such as "employee ID 4711"."""

    person: Person
    shared: list[str]


def find_one_person(*, person: Person) -> OnePerson | None:
    """All entries of the person to whom this one belongs; None for somebody with one entry."""
    first = person
    if person.same_as_id is not None:
        first = Person.objects.select_related("source").get(pk=person.same_as_id)
    others = entries_of([first]).get(first.pk, [])
    if not others:
        return None
    entries = [first, *others]
    return OnePerson(entries, merge_people(entries, load_precedence()))


def find_suggestions(*, person: Person) -> list[Suggestion]:
    """Those of other sources who share the employee ID or mail, and whom nobody kept apart."""
    shared = Q(pk__in=())
    if employee := person.employee_id.strip():
        shared |= Q(folded_id=employee.lower())
    if mail := person.mail.strip():
        shared |= Q(folded_mail=mail.lower())
    people = strangers_to(person).annotate(
        folded_id=Lower("employee_id"), folded_mail=Lower("mail")
    )
    apart = Apart.objects.filter(Q(one=person) | Q(other=person)).values_list("one_id", "other_id")
    known = {pk for pair in apart for pk in pair}
    return suggest(person, list(people.filter(shared).exclude(pk__in=known)[:_MOST]))


def suggest(person: Person, others: Sequence[Person]) -> list[Suggestion]:
    """The others with what each shares with the person."""
    return [
        Suggestion(
            other,
            [
                f"{label} {getattr(other, name)}"
                for name, label in HELD_BY.items()
                if (value := getattr(person, name).strip().casefold())
                and value == getattr(other, name).strip().casefold()
            ],
        )
        for other in others
    ]


def strangers_to(person: Person) -> QuerySet[Person]:
    """Whoever is there, is nobody's entry, and is not this person."""
    owner = person.same_as_id or person.pk
    people = Person.objects.filter(left_at=None, same_as=None).exclude(pk__in=[owner, person.pk])
    return people.select_related("source").order_by("name_key", "pk")
