"""Rehires: people under a new key who look like somebody who left, offered and decided by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Lower
from django.utils import timezone

from provisioning.core.errors import StalePlan
from provisioning.core.states import State
from provisioning.core.text import fold
from provisioning.models import Account, Number, Person, Rehire, Run
from provisioning.services.accounts.accounts import retire
from provisioning.services.accounts.asked import ask
from provisioning.services.accounts.blocks import record_moves
from provisioning.services.accounts.standing import locked, settle
from provisioning.services.actor import Actor
from provisioning.services.console import audit

# Whoever came in longer ago is no rehire: each later run would look through everybody.
RECENT = timedelta(days=90)
_CHUNK = 500
# What two people of one company do not share by chance, and what says something with the same name.
_STRONG = {"employee_id": "employee ID", "sid": "security identifier", "mail": "mail"}
_WITH_NAME = {"login": "user name", "mobile": "mobile", "phone": "phone", "custom": "custom value"}
_AWAY = "away"


@dataclass(frozen=True, slots=True)
class RehirePlan:
    """What accepting a rehire does: `kept` changes its owner, `replaced` (if any) is removed."""

    kept: Account
    number: str
    replaced: Account | None


def offer_rehires(*, run: Run) -> int:
    """Offer whom `run` may have brought back under a new key; how many offers are new.

    Nothing else follows from an offer. What was declined is not offered again.
    """
    if not any(run.counts.get(f"person.{action}") for action in ("create", "leave")):
        return 0
    if not Person.objects.exclude(left_at=None).exists():
        return 0  # as after a first sync, of which PostgreSQL has no statistics yet
    since = timezone.now() - RECENT
    recent = Person.objects.filter(left_at=None, first_seen_at__gte=since, same_as=None).annotate(
        same_mail=Lower("mail")
    )
    found: dict[tuple[int, int], Rehire] = {}
    for leavers in _leavers():
        same = (
            Q(name_key__in={one.name_key for one in leavers} - {""})
            | Q(employee_id__in={one.employee_id for one in leavers} - {""})
            | Q(sid__in={one.sid for one in leavers} - {""})
            | Q(same_mail__in={one.mail.lower() for one in leavers} - {""})
        )
        for person in recent.filter(same):
            for former in leavers:
                evidence = compare(person, former)
                if evidence:
                    found[person.pk, former.pk] = Rehire(
                        person=person, former=former, evidence=evidence, created_at=timezone.now()
                    )
    known = set(
        Rehire.objects.filter(person__in={person for person, _ in found}).values_list(
            "person", "former"
        )
    )
    new = [rehire for pair, rehire in found.items() if pair not in known]
    Rehire.objects.bulk_create(new, ignore_conflicts=True)
    return len(new)


def compare(person: Person, former: Person) -> list[list[str]]:
    """What both have in common, as [what, value]; empty where that is too little for an offer.

    Different employee IDs are two people, whatever they share: mail addresses are used again.
    """
    if person.first_seen_at <= former.first_seen_at:
        return []
    if person.employee_id and former.employee_id and person.employee_id != former.employee_id:
        return []
    strong = _shared(_STRONG, person, former)
    same_name = bool(person.name_key) and person.name_key == former.name_key
    others = _shared(_WITH_NAME, person, former)
    if not strong and not (same_name and others):
        return []
    return [*strong, *([["name", person.display_name]] if same_name else []), *others]


def open_rehires() -> QuerySet[Rehire]:
    """Offers that somebody can decide on: the one is there, the other is in no directory."""
    offers = Rehire.objects.filter(
        ~_elsewhere("former"), state=Rehire.State.OPEN, person__left_at=None, person__same_as=None
    )
    return offers.exclude(former__left_at=None).select_related("person__source", "former__source")


def plan_rehire(*, rehire: Rehire) -> RehirePlan:
    """What accepting would do; raises StalePlan when there is nothing left to give back."""
    kept = _main(rehire.former)
    if kept is None or kept.state == State.REMOVED:
        raise StalePlan(
            f"The account of {rehire.former} was removed meanwhile, so nothing is left to give "
            "back. Nothing was changed."
        )
    number = Number.objects.filter(account=kept).first()
    fresh = _main(rehire.person)
    replaced = fresh if fresh is not None and fresh.state != State.REMOVED else None
    return RehirePlan(kept, number.e164 if number else "", replaced)


def accept_rehire(*, rehire: Rehire, actor: Actor) -> Account:
    """Give the account of the one who left to the one who came: SIP URI, number, secret, pins.

    An account that the new person has already is removed, its number rests. A block of either stays
    a block. Raises StalePlan when somebody decided already or the account is gone.
    """
    with transaction.atomic():
        current = _decide(rehire, Rehire.State.OPEN, Rehire.State.ACCEPTED, actor)
        kept = locked([plan_rehire(rehire=current).kept.pk])[0]
        fresh = _locked_main(current.person)
        if fresh is not None and fresh.state != State.REMOVED:
            if fresh.blocked and not kept.blocked:
                kept.blocked, kept.blocked_reason = True, fresh.blocked_reason
            retire(fresh, actor=actor)
        _exchange(kept, current.person, fresh, current.former)
        others = Q(person=current.person) | Q(former=current.former)
        Rehire.objects.filter(others, state=Rehire.State.OPEN).delete()
        _tell(kept, current, "given to a rehired person", actor)
    return kept


def undo_rehire(*, rehire: Rehire, actor: Actor) -> Account:
    """Take the account back to the one who left; the offer is open again.

    The person gets what the rules say with the next sync. Raises StalePlan where it was not
    accepted, or the account was removed since.
    """
    with transaction.atomic():
        current = _decide(rehire, Rehire.State.ACCEPTED, Rehire.State.OPEN, actor)
        kept = _locked_main(current.person)
        if kept is None or kept.state == State.REMOVED:
            raise StalePlan("The account was removed meanwhile. Nothing was changed.")
        _exchange(kept, current.former, _locked_main(current.former), current.person)
        _tell(kept, current, "taken back from a rehired person", actor)
    return kept


def decline_rehire(*, rehire: Rehire, actor: Actor) -> None:
    """Keep both apart for good: they are two people."""
    with transaction.atomic():
        current = _decide(rehire, Rehire.State.OPEN, Rehire.State.DECLINED, actor)
        audit.record(
            actor=actor, action="kept apart", obj=current.person,
            detail={"from": str(current.former), "evidence": _words(current)},
        )  # fmt: skip


def _leavers() -> Iterator[Sequence[Person]]:
    """Those who left and whose account is kept, in chunks."""
    kept = Account.objects.exclude(state=State.REMOVED).filter(person__isnull=False, slot="main")
    people = Person.objects.exclude(left_at=None).filter(
        ~_elsewhere("pk"), pk__in=kept.values("person_id"), same_as=None
    )
    last = 0
    while chunk := list(people.filter(pk__gt=last).order_by("pk")[:_CHUNK]):
        last = chunk[-1].pk
        yield chunk


def _elsewhere(person: str) -> Exists:
    """Whether the person, left or not, has an entry that is still there."""
    return Exists(Person.objects.filter(same_as=OuterRef(person), left_at=None))


def _shared(fields: dict[str, str], person: Person, former: Person) -> list[list[str]]:
    return [
        [label, value]
        for name, label in fields.items()
        if (value := getattr(person, name)) and fold(value) == fold(getattr(former, name))
    ]


def _main(person: Person) -> Account | None:
    return Account.objects.filter(person=person, slot="main").select_related("domain").first()


def _locked_main(person: Person) -> Account | None:
    account = _main(person)
    return None if account is None else locked([account.pk])[0]


def _decide(rehire: Rehire, before: str, after: str, actor: Actor) -> Rehire:
    mine = Rehire.objects.filter(pk=rehire.pk, state=before)
    if not mine.update(state=after, decided_by=actor.user, decided_at=timezone.now()):
        raise StalePlan("Somebody else decided on this already. Nothing was changed.")
    return mine.model.objects.select_related("person", "former").get(pk=rehire.pk)


def _exchange(kept: Account, owner: Person, other: Account | None, place: Person) -> None:
    """Make `kept` the account of `owner`, and `other` that of `place`; each has one at most."""
    if other is not None:
        Account.objects.filter(pk=other.pk).update(slot=_AWAY)
    Account.objects.filter(pk=kept.pk).update(person=owner)
    if other is not None:
        Account.objects.filter(pk=other.pk).update(person=place, slot="main")
    kept.person = owner
    # Name, number and SIP URI follow the rules again, as of anybody.
    ask(Person.objects.filter(pk__in=[owner.pk, place.pk]))


def _tell(kept: Account, rehire: Rehire, action: str, actor: Actor) -> None:
    moves = settle([kept])
    record_moves(
        moves, action, actor,
        left=str(rehire.former), came=str(rehire.person), evidence=_words(rehire),
    )  # fmt: skip


def _words(rehire: Rehire) -> str:
    return ", ".join(f"same {what} {value}" for what, value in rehire.evidence)
