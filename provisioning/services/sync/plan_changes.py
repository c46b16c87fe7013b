"""Planning what changed: like a sync of everything, with fewer entries."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from provisioning.core.errors import ProvisioningError
from provisioning.core.records import Entry, SourceRecord
from provisioning.directory.changes import ChangesRefused
from provisioning.directory.groups import Membership, membership_attributes, names_logins
from provisioning.models import DirectoryGroup, DirectorySource, Person, PlannedChange, Run
from provisioning.services.directory.changed_groups import PeopleNow
from provisioning.services.directory.changes import find_changes, keys_of, sealed
from provisioning.services.directory.failover import watched
from provisioning.services.directory.group_uses import find_uses, follow_used_groups
from provisioning.services.directory.readers import AnyReader, open_reader
from provisioning.services.rules.matching import has_joined
from provisioning.services.rules.rule_book import RuleBook
from provisioning.services.runs.plan import PlanWriter
from provisioning.services.runs.progress import Progress
from provisioning.services.sync.affected import (
    Memberships,
    affected_by,
    find_open_questions,
    kept_memberships,
    memberships_of,
)
from provisioning.services.sync.joined import Joins, with_entries
from provisioning.services.sync.plan_accounts import AccountPlanner
from provisioning.services.sync.plan_group_changes import plan_group_changes
from provisioning.services.sync.plan_group_rows import GroupPlan
from provisioning.services.sync.plan_people import plan_people
from provisioning.services.sync.sync import (
    Plan,
    count_read,
    keep_groups,
    plan_read_groups,
    reading_of,
)

# From here on reading everything is faster, and proves more.
_MOST = 5000


def plan_changes(*, run: Run, source: DirectorySource, progress: Progress) -> Plan:
    """Read what changed in `source` since its cookie, and write the plan of `run`.

    Every entry is read again as it is now, so an entry that left the bases or the filter is a
    leaver like one that was deleted. What an earlier run still holds is planned again with it: this
    run takes its place. Raises ChangesRefused where everything has to be read instead, and
    otherwise as `plan_sync` does; nothing was changed then, and the cookie stays as it is.
    """
    book = RuleBook()
    record, mapping = reading_of(source, book)
    plan = Plan(PlanWriter(run))
    follow_used_groups()
    progress.phase(Run.Phase.READ)
    with open_reader(source, record) as reader, watched(source, reader):
        plan.remarks.extend(f"Not used: {reason}" for reason in reader.passed_over)
        changes = find_changes(source=source, reader=reader, mapping=mapping)
        plan.cookie = sealed(source, mapping, changes.cookie)
        held = _held(source)
        keys = keys_of(source=source, reader=reader, changes=changes) | held.people
        if len(keys) > _MOST:
            raise ChangesRefused(f"{len(keys):,} entries changed at once.")
        met: dict[str, Entry] = {}
        people = plan_people(
            source=source, mapping=mapping, reader=reader,
            meet=lambda entry: met.update({entry.guid: entry}),
            writer=plan.writer, progress=progress, only=keys,
        )  # fmt: skip
        plan.writer.flush()
        last_person = plan.writer.ordinal
        groups: GroupPlan | None = None
        if record.group_bases:
            groups = _plan_groups(run, source, reader, keys, met, held, book, plan)
    progress.phase(Run.Phase.PLAN, last_person)
    plan.writer.flush()
    members = groups.members if groups else {}
    moved = groups.moved if groups else set()
    concerned = {*_planned(run), *moved, *find_open_questions(source)}
    if has_joined():
        concerned = with_entries(concerned)
    memberships = kept_memberships(set(book.watched.values()) - members.keys(), concerned)
    for guid, found in memberships_of(members).items():
        memberships.setdefault(guid, set()).update(found)
    _shift(memberships, groups.shifts if groups else {})
    affected = affected_by(
        run=run, source=source, until=last_person, moved=moved,
        foreign=groups.foreign if groups else {}, unreadable=people.unreadable,
        memberships=memberships,
    )  # fmt: skip
    planner = AccountPlanner(book=book, writer=plan.writer, progress=progress)
    planner.plan(Joins(run, memberships).people(affected))
    plan.writer.flush()
    count_read(plan.writer, people, groups)
    return plan


@dataclass(frozen=True, slots=True)
class _Held:
    """What waits for approval: the people that it is about, and whether groups are among it."""

    people: set[str]
    groups: bool


def _held(source: DirectorySource) -> _Held:
    rows = PlannedChange.objects.filter(
        run__source=source, run__state=Run.State.WAITING, status=PlannedChange.Status.HELD
    )
    people = rows.filter(kind="person").values_list("key", flat=True)
    accounts = rows.filter(kind="account", source_id=source.pk).values_list("subject", flat=True)
    return _Held({*people, *accounts}, rows.filter(kind="group").exists())


def _plan_groups(
    run: Run, source: DirectorySource, reader: AnyReader, keys: Collection[str],
    met: Mapping[str, Entry], held: _Held, book: RuleBook, plan: Plan,
) -> GroupPlan | None:  # fmt: skip
    """Plan the groups that changed, or all of them where that cannot be told or is faster.

    What follows from single groups can be told where all that is kept is what the directory said,
    and where members are named by DN.
    """
    record = reader.source
    concerned = _concerned(run, record)
    if source.groups_exact and not held.groups and not names_logins(record):
        leaving = run.changes.filter(kind="person", action="leave").values_list("key", flat=True)
        try:
            groups = plan_group_changes(
                source=source, reader=reader, keys=keys, watched=book.watched, writer=plan.writer,
                people=PeopleNow(met, set(leaving), concerned), uses=find_uses(),
            )  # fmt: skip
        except ProvisioningError as error:
            keep_groups(source, error, plan)
            return None
        if groups is not None:
            plan.breaches.extend(groups.breaches)
            return groups
    elif not (
        held.groups or source.groups_stale_since or concerned or _some_changed(source, reader, keys)
    ):
        return None
    membership = _everybody(run, source, record, reader)
    return plan_read_groups(source, reader, membership, book, plan)


def _concerned(run: Run, record: SourceRecord) -> set[str]:
    """Who may be in other groups though none changed: they came, went, moved, or stand for others.

    Where the content differs in what is not mapped, it may be the primary group.
    """
    changed = run.changes.filter(kind="person").exclude(status=PlannedChange.Status.PROBLEM)
    attributes = membership_attributes(record)
    return {
        key
        for key, action, after in changed.values_list("key", "action", "after")
        if action in ("create", "return", "leave")
        or "dn" in after
        or "sid" in after
        or (attributes and action == "refresh")
    }


def _some_changed(source: DirectorySource, reader: AnyReader, keys: Collection[str]) -> bool:
    """Whether groups are among the entries with these keys."""
    if DirectoryGroup.objects.filter(source=source, guid__in=keys).exists():
        return True
    known = Person.objects.filter(source=source, guid__in=keys).values_list("guid", flat=True)
    others = reader.select(sorted(set(keys).difference(known)))
    return any(reader.groups((), others))


def _shift(memberships: Memberships, shifts: Mapping[int, tuple[set[str], set[str]]]) -> None:
    """Let people come into groups, and leave them."""
    for group_id, (joined, left) in shifts.items():
        for guid in joined:
            memberships.setdefault(guid, set()).add(group_id)
        for guid in left:
            memberships.get(guid, set()).discard(group_id)


def _everybody(
    run: Run, source: DirectorySource, record: SourceRecord, reader: AnyReader
) -> Membership:
    """Everybody who may be a member, by the names that they have now.

    Somebody who is not known yet is no member yet: the run that gets to know them adds them.
    """
    present = Person.objects.filter(source=source, left_at__isnull=True)
    known = set(present.values_list("guid", flat=True))
    known.update(
        run.changes.filter(kind="person", action__in=["create", "return"]).values_list(
            "key", flat=True
        )
    )
    membership = Membership(by_login=names_logins(record))
    for page in reader.people(membership_attributes(record)):
        for entry in page:
            if entry.guid in known:
                membership.add_person(entry)
    return membership


def _planned(run: Run) -> set[str]:
    return set(run.changes.filter(kind="person").values_list("key", flat=True))
