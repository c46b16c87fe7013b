"""Planning joins: which entry becomes whose, and what follows for the accounts of both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.db.models import QuerySet

from provisioning.core.errors import InvalidInput, StalePlan
from provisioning.core.states import State
from provisioning.models import Account, DirectorySource, Person, PlannedChange, Run
from provisioning.services.joins.candidates import BY, Pair, find_pairs
from provisioning.services.rules.decide import PersonView
from provisioning.services.rules.matching import load_precedence
from provisioning.services.rules.rule_book import RuleBook
from provisioning.services.runs.plan import APPLIED, PlanWriter
from provisioning.services.runs.progress import Progress
from provisioning.services.sync.affected import (
    Memberships,
    everybody,
    kept_members,
    memberships_of,
)
from provisioning.services.sync.joined import Joins
from provisioning.services.sync.plan_accounts import AccountPlanner
from provisioning.services.sync.sync import Plan

_CHUNK = 500
JOINING = ("join", "separate")


def plan_joins(*, run: Run, progress: Progress) -> Plan:
    """Write the plan of `run`, by its `question` (services.joins.joins makes them).

    Entries are joined or separated; accounts are decided as if that were so already. Raises a
    ProvisioningError where a source cannot be read or somebody is not there any more.
    """
    plan = Plan(PlanWriter(run))
    planner = JoinPlanner(run, plan, progress)
    question = run.question
    if run.undoes is not None:
        planner.undo(run.undoes)
    elif "separate" in question:
        planner.separate(question["separate"])
    elif "people" in question:
        one, other = question["people"]
        planner.join([Pair(one, other, "")], "decided by hand")
    else:
        planner.compare(question["sources"], question["by"])
    planner.decide_accounts()
    return plan


def joined_by(run: Run) -> QuerySet[PlannedChange]:
    """What `run` joined and separated."""
    return run.changes.filter(APPLIED, kind="person", action__in=JOINING)


class JoinPlanner:
    """Plans one run; `changed` is to whom each entry belongs afterwards, None for itself."""

    def __init__(self, run: Run, plan: Plan, progress: Progress) -> None:
        self.run = run
        self.plan = plan
        self.progress = progress
        self.changed: dict[int, int | None] = {}
        self._concerned: dict[int, None] = {}
        self._precedence = load_precedence()

    def compare(self, source_ids: Sequence[int], by: str) -> None:
        """Plan to join everybody of two sources who is the same person by what both have."""
        sources = DirectorySource.objects.in_bulk(source_ids)
        if len(sources) != 2:
            raise InvalidInput("One of the two sources is not there any more. Nothing was changed.")
        one, other = (sources[pk] for pk in source_ids)
        self.progress.phase(Run.Phase.READ)
        found = find_pairs(one=one, other=other, by=by)
        self.join(found.pairs, BY[by])
        for chunk in _chunks(sorted(found.unclear)):
            for person in Person.objects.filter(pk__in=chunk).order_by("pk"):
                self.plan.writer.add(
                    source_id=person.source_id, kind="person", key=person.guid,
                    subject=person.guid, name=str(person), action="unclear", after={},
                    status="problem", message=f"{found.unclear[person.pk]} Nobody was joined.",
                )  # fmt: skip
        alone = [f"{count:,} of {source}" for count, source in zip(found.alone, (one, other),
                 strict=True) if count]  # fmt: skip
        if alone:
            self.plan.remarks.append(f"Without a counterpart: {' and '.join(alone)}.")
        if found.joined:
            self.plan.remarks.append(f"Joined already: {found.joined:,}.")

    def join(self, pairs: Sequence[Pair], by: str) -> None:
        """Plan that both of each pair (people, not entries of others) are one person."""
        for chunk in _chunks(pairs):
            ids = [person for pair in chunk for person in (pair.one, pair.other)]
            people = Person.objects.select_related("source").in_bulk(ids)
            accounts = Account.objects.filter(person__in=ids, slot="main")
            having = set(accounts.exclude(state=State.REMOVED).values_list("person_id", flat=True))
            entries: dict[int, list[Person]] = {}
            for entry in Person.objects.filter(same_as__in=ids).order_by("pk"):
                entries.setdefault(entry.same_as_id or 0, []).append(entry)
            for pair in chunk:
                both = [people[pk] for pk in (pair.one, pair.other) if pk in people]
                if len(both) < 2 or any(person.same_as_id for person in both):
                    raise StalePlan("Somebody joined them meanwhile. Nothing was changed.")
                owner, entry = sorted(both, key=lambda each: self._rank(each, having))
                evidence = f"{by} {pair.value}".strip()
                for each in (entry, *entries.get(entry.pk, ())):
                    self._write("join", each, owner, evidence)

    def separate(self, ids: Sequence[int]) -> None:
        """Plan that each of these entries is a person of its own again."""
        for chunk in _chunks(ids):
            entries = Person.objects.filter(pk__in=chunk, same_as__isnull=False)
            for entry in entries.select_related("same_as__source").order_by("pk"):
                if entry.same_as is not None:
                    self._write("separate", entry, entry.same_as, "")

    def undo(self, undone: Run) -> None:
        """Plan the inverse of what a run joined and separated, where it is still so."""
        rows = list(joined_by(undone))
        parted = [row for row in rows if row.action == "join"]
        for chunk in _chunks(parted):
            people = {(p.source_id, p.guid): p for p in _people(chunk)}
            self.separate([
                person.pk for row in chunk
                if (person := people.get((row.source_id, row.key))) is not None
                and person.same_as is not None
                and (person.same_as.source_id, person.same_as.guid)
                == (row.after["source"], row.after["person"])
            ])  # fmt: skip
        for row in (row for row in rows if row.action == "separate"):
            entry = Person.objects.filter(source=row.source_id, guid=row.key, same_as=None).first()
            owner = Person.objects.filter(
                source=row.after["source"], guid=row.after["person"], same_as=None
            ).select_related("source").first()  # fmt: skip
            if entry is not None and owner is not None and not entry.entries.exists():
                self._write("join", entry, owner, f"undoes {undone}")

    def decide_accounts(self) -> None:
        """Plan the accounts of everybody concerned."""
        self.plan.writer.flush()
        book = RuleBook()
        memberships = memberships_of(kept_members(book.watched.values()))
        people = list(self._concerned)
        self.progress.phase(Run.Phase.PLAN, len(people))
        views = Joins(self.run, memberships, self.changed).people(_views(people, memberships))
        AccountPlanner(book=book, writer=self.plan.writer, progress=self.progress).plan(views)
        self.plan.writer.flush()

    def _rank(self, person: Person, having: set[int]) -> tuple[bool, int, int]:
        """Who of two keeps the account: whoever has one, then by the order of the sources."""
        order = self._precedence.order
        known = person.source_id in order
        place = order.index(person.source_id) if known else len(order)
        return person.pk not in having, place, person.pk

    def _write(self, action: str, entry: Person, owner: Person, evidence: str) -> None:
        shown = f"{owner} ({owner.login}, {owner.source})"
        joins = action == "join"
        after: dict[str, Any] = {
            "same_as": shown if joins else "", "source": owner.source_id, "person": owner.guid,
            "version": owner.version,
        }  # fmt: skip
        if evidence:
            after["by"] = evidence
        self.plan.writer.add(
            source_id=entry.source_id, kind="person", key=entry.guid, subject=owner.guid,
            name=str(entry), action=action, before={"same_as": "" if joins else shown},
            after=after, base_version=entry.version,
        )  # fmt: skip
        self.changed[entry.pk] = owner.pk if joins else None
        self._concerned |= {owner.pk: None, entry.pk: None}


def _views(ids: Sequence[int], memberships: Memberships) -> Iterator[PersonView]:
    for chunk in _chunks(ids):
        yield from everybody(memberships, Person.objects.filter(pk__in=chunk))


def _people(rows: Sequence[PlannedChange]) -> Iterable[Person]:
    return Person.objects.filter(
        source__in={row.source_id for row in rows}, guid__in=[row.key for row in rows]
    ).select_related("same_as")  # fmt: skip


def _chunks(items: Sequence[Any]) -> Iterator[Any]:
    for start in range(0, len(items), _CHUNK):
        yield items[start : start + _CHUNK]
