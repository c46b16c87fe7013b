"""Asking for joins: of two sources, of two people by hand, and for their end; each is a run."""

from __future__ import annotations

from django.db import transaction

from provisioning.core.errors import InvalidInput
from provisioning.models import Apart, DirectorySource, Person, Run
from provisioning.services.accounts.asked import ask
from provisioning.services.actor import Actor
from provisioning.services.console import audit
from provisioning.services.joins.candidates import BY
from provisioning.services.runs import runs
from provisioning.services.runs.progress import Watch


def join_sources(
    *, one: DirectorySource, other: DirectorySource, by: str, actor: Actor, dry: bool = True
) -> Run:
    """Queue a run that joins everybody of two sources who is one person by BY."""
    run = runs.request(_bulk(one, other, by, dry=dry), actor)
    if not dry:
        audit.record(
            actor=actor, action="asked to join", obj=run,
            detail={"sources": f"{one} and {other}", "by": BY[by]},
        )  # fmt: skip
    return run


def join_here(
    *,
    one: DirectorySource,
    other: DirectorySource,
    by: str,
    actor: Actor,
    dry: bool,
    watch: Watch | None = None,
) -> Run:
    """The same in this process, without a worker."""
    return runs.carry_out(_bulk(one, other, by, dry=dry), actor, watch)


def join_again(*, run: Run, actor: Actor) -> Run:
    """Queue what the preview `run` showed, this time to be applied; it is planned anew.

    Raises InvalidInput where `run` is no preview of joins.
    """
    if run.kind != Run.Kind.JOIN or not run.dry:
        raise InvalidInput("That is no preview of joined entries. Nothing was changed.")
    again = runs.request(Run(kind=Run.Kind.JOIN, question=run.question), actor)
    audit.record(actor=actor, action="asked to join", obj=again, detail={"as previewed": str(run)})
    return again


def join_people(*, one: Person, other: Person, actor: Actor) -> Run:
    """Queue that two people are one, whatever was decided before; InvalidInput where they are."""
    owners = [person.same_as or person for person in (one, other)]
    if owners[0] == owners[1]:
        raise InvalidInput(f"{one} and {other} are one person already. Nothing was changed.")
    ids = sorted(person.pk for person in owners)
    with transaction.atomic():
        Apart.objects.filter(one=ids[0], other=ids[1]).delete()
        run = runs.request(Run(kind=Run.Kind.JOIN, question={"people": ids}), actor)
        audit.record(
            actor=actor, action="asked to join", obj=one, detail={"with": str(other), "run": run.pk}
        )
    return run


def separate(*, entry: Person, actor: Actor) -> Run:
    """Queue that an entry is a person of its own again. Raises InvalidInput where it is."""
    if entry.same_as is None:
        raise InvalidInput(f"{entry} is nobody else's entry. Nothing was changed.")
    with transaction.atomic():
        run = runs.request(Run(kind=Run.Kind.JOIN, question={"separate": [entry.pk]}), actor)
        audit.record(
            actor=actor, action="asked to separate", obj=entry,
            detail={"from": str(entry.same_as), "run": run.pk},
        )  # fmt: skip
    return run


def keep_apart(*, one: Person, other: Person, actor: Actor) -> None:
    """Note that two people are two, whatever they share; who waited for that is decided anew."""
    first, second = sorted((one, other), key=lambda person: person.pk)
    with transaction.atomic():
        Apart.objects.get_or_create(one=first, other=second, defaults={"by": actor.user})
        ask(Person.objects.filter(pk__in=[first.pk, second.pk]))
        audit.record(actor=actor, action="kept apart", obj=one, detail={"from": str(other)})


def _bulk(one: DirectorySource, other: DirectorySource, by: str, *, dry: bool) -> Run:
    if by not in BY or one.pk == other.pk:
        raise InvalidInput("Choose two different sources, and one thing to compare.")
    return Run(kind=Run.Kind.JOIN, dry=dry, question={"sources": [one.pk, other.pk], "by": by})
