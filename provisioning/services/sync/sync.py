"""The directory sync: read everything, plan people, groups and accounts; applying comes after."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import structlog
from django.db.models import QuerySet
from django.utils import timezone

from provisioning.core.errors import ProvisioningError
from provisioning.core.limits import Breach, Emptied, InUse
from provisioning.core.records import SourceRecord
from provisioning.directory.groups import Membership, membership_attributes, names_logins
from provisioning.directory.mapping import PersonMapping, compile_mapping
from provisioning.models import DirectorySource, Person, Proposal, Run
from provisioning.services.directory.elsewhere import NumbersElsewhere
from provisioning.services.directory.expiry import find_expired
from provisioning.services.directory.failover import watched
from provisioning.services.directory.group_uses import follow_used_groups
from provisioning.services.directory.proof import Proof
from provisioning.services.directory.read_groups import read_groups
from provisioning.services.directory.readers import AnyReader, open_reader
from provisioning.services.rules.rule_book import RuleBook
from provisioning.services.runs.plan import PlanWriter
from provisioning.services.runs.progress import Progress
from provisioning.services.servers import targets
from provisioning.services.sync.affected import affected_by, everybody, kept_members, memberships_of
from provisioning.services.sync.joined import Joins
from provisioning.services.sync.plan_accounts import AccountPlanner
from provisioning.services.sync.plan_group_rows import GroupPlan
from provisioning.services.sync.plan_groups import ReadGroup, plan_groups
from provisioning.services.sync.plan_people import ReadResult, plan_people

log = structlog.stdlib.get_logger(__name__)


@dataclass(slots=True)
class Plan:
    """A written plan: its writer, the limits that groups pass, and what somebody should know.

    `cookie` is where changes of the source are read from once all of it was applied or held; None
    where they are not read.
    """

    writer: PlanWriter
    breaches: list[Breach | InUse | Emptied] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    cookie: bytes | None = None


def plan_sync(*, run: Run, source: DirectorySource, progress: Progress) -> Plan:
    """Read `source` completely and write the plan of `run`.

    Raises a ProvisioningError when the read is not complete: nothing was changed then. Groups that
    cannot be read are kept as they are and marked stale; people go on.
    """
    plan = Plan(PlanWriter(run))
    with plan.writer.writing_behind():
        _plan_everything(run, source, plan, progress)
    return plan


def _plan_everything(run: Run, source: DirectorySource, plan: Plan, progress: Progress) -> None:
    book = RuleBook()
    record, mapping = reading_of(source, book)
    membership = Membership(by_login=names_logins(record)) if record.group_bases else None
    groups: GroupPlan | None = None
    numbers = NumbersElsewhere(source)
    present = Person.objects.filter(source=source, left_at__isnull=True)
    progress.phase(Run.Phase.READ, present.count())
    with open_reader(source, record) as reader, watched(source, reader):
        plan.remarks.extend(f"Not used: {reason}" for reason in reader.passed_over)
        proof = Proof.begin(source=source, reader=reader, mapping=mapping)
        plan.cookie = proof.cookie
        people = plan_people(
            source=source, mapping=mapping, reader=reader,
            meet=membership.add_person if membership else None, writer=plan.writer,
            progress=progress, elsewhere=numbers,
        )  # fmt: skip
        last_person = plan.writer.ordinal
        if membership is not None:
            groups = plan_read_groups(source, reader, membership, book, plan)
        del membership  # as large as everything that follows
        plan.writer.flush()
        plan.remarks.extend(proof.end(plan.writer))
    if not run.dry:
        plan.remarks.extend(numbers.keep())
    members = groups.members if groups else {}
    members |= kept_members(set(book.watched.values()) - members.keys())
    progress.phase(Run.Phase.PLAN, last_person)
    plan.writer.flush()
    memberships = memberships_of(members)
    affected = affected_by(
        run=run, source=source, until=last_person, moved=groups.moved if groups else (),
        foreign=groups.foreign if groups else {}, unreadable=people.unreadable,
        memberships=memberships,
    )  # fmt: skip
    planner = AccountPlanner(book=book, writer=plan.writer, progress=progress)
    planner.plan(Joins(run, memberships).people(affected))
    plan.writer.flush()
    count_read(plan.writer, people, groups)


def plan_rules(*, run: Run, progress: Progress) -> Plan:
    """Decide the account of every person anew; nothing is read from a directory."""
    book = RuleBook()
    plan = Plan(PlanWriter(run))
    follow_used_groups()
    progress.phase(Run.Phase.PLAN, Person.objects.count())
    memberships = memberships_of(kept_members(book.watched.values()))
    people = Joins(run, memberships).people(everybody(memberships))
    with plan.writer.writing_behind():
        AccountPlanner(book=book, writer=plan.writer, progress=progress).plan(people)
    return plan


def plan_expiry(*, run: Run, progress: Progress) -> Plan:
    """Decide the accounts of those who expired; nothing is read from a directory."""
    return _plan_some(run, find_expired(now=timezone.now()), progress)


def plan_renames(*, run: Run, progress: Progress) -> Plan:
    """Decide the accounts whose new SIP URI was accepted; nothing is read from a directory."""
    accepted = Proposal.objects.filter(state=Proposal.State.ACCEPTED)
    people = Person.objects.filter(pk__in=accepted.values("account__person_id"))
    return _plan_some(run, people, progress)


def _plan_some(run: Run, people: QuerySet[Person], progress: Progress) -> Plan:
    book = RuleBook()
    plan = Plan(PlanWriter(run))
    progress.phase(Run.Phase.PLAN, people.count())
    memberships = memberships_of(kept_members(book.watched.values()))
    chosen = Joins(run, memberships).people(everybody(memberships, people))
    AccountPlanner(book=book, writer=plan.writer, progress=progress).plan(chosen)
    plan.writer.flush()
    return plan


def reading_of(source: DirectorySource, book: RuleBook) -> tuple[SourceRecord, PersonMapping]:
    """How `source` is reached, at addresses that were judged, and what is read of its people."""
    record = targets.pin_source(source.as_record())
    mapping = compile_mapping(
        source.mapping,
        source.disabled_expression,
        also=(*membership_attributes(record), *NumbersElsewhere(source).attributes),
        regions=book.regions,
    )
    return record, mapping


def plan_read_groups(
    source: DirectorySource, reader: AnyReader, membership: Membership, book: RuleBook, plan: Plan
) -> GroupPlan | None:
    """Read every group, after everybody is in `membership`, and plan those that differ.

    None where they cannot be read: they stay as they are, marked stale, and the plan says why.
    """
    try:
        read = read_groups(source=source, reader=reader, membership=membership)
    except ProvisioningError as error:
        keep_groups(source, error, plan)
        return None
    _note_stale(source, None, plan)
    resolved = (ReadGroup(*read.names[group.guid], group) for group in membership.resolve())
    groups = plan_groups(
        source=source, groups=resolved, foreign=read.foreign, watched=book.watched,
        uses=follow_used_groups(), writer=plan.writer,
    )  # fmt: skip
    plan.breaches.extend(groups.breaches)
    return groups


def count_read(writer: PlanWriter, people: ReadResult, groups: GroupPlan | None) -> None:
    """Note in the run how much was read."""
    writer.counts["read.people"] = people.people
    writer.counts["read.unreadable"] = people.left_out + len(people.unreadable)
    if groups is not None and groups.read:
        writer.counts["read.groups"] = groups.read


def keep_groups(source: DirectorySource, error: ProvisioningError, plan: Plan) -> None:
    """Groups could not be read: they stay as they are, marked stale, and the plan says why."""
    log.warning("groups were not read", source=source.name, reason=error.message)
    plan.remarks.append(f"Groups could not be read and stay as they are. {error.message}")
    _note_stale(source, source.groups_stale_since or timezone.now(), plan)


def _note_stale(source: DirectorySource, since: datetime | None, plan: Plan) -> None:
    if not plan.writer.run.dry:
        DirectorySource.objects.filter(pk=source.pk).update(groups_stale_since=since)
