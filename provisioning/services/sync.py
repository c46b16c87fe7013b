"""The directory sync: read everything, plan people and groups, decide accounts; applying is another step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import structlog
from django.utils import timezone

from provisioning.core.errors import ProvisioningError, Unreachable
from provisioning.directory.groups import Membership
from provisioning.directory.mapping import compile_mapping
from provisioning.directory.presets import GROUP_ATTRIBUTES
from provisioning.directory.reader import Reader
from provisioning.models import DirectorySource, Person, Run
from provisioning.services import targets
from provisioning.services.affected import affected_by, everybody, kept_members, memberships_of
from provisioning.services.plan import PlanWriter
from provisioning.services.plan_accounts import AccountPlanner
from provisioning.services.plan_groups import GroupPlan, ReadGroup, plan_groups
from provisioning.services.plan_people import ReadResult, plan_people
from provisioning.services.progress import Progress
from provisioning.services.rule_book import RuleBook

log = structlog.stdlib.get_logger(__name__)


def plan_sync(
    *, run: Run, source: DirectorySource, progress: Progress
) -> tuple[PlanWriter, list[Any]]:
    """Read `source` completely and write the plan of `run`; returns the writer and the groups' passed limits.

    Raises a ProvisioningError when the read is not complete: nothing was changed then.
    """
    record = source.as_record()
    for uri in record.uris:
        with suppress(Unreachable):  # the reader goes on with the next server
            targets.check_url(url=uri, schemes=targets.LDAP, what="The directory's address")
    mapping = compile_mapping(source.mapping, source.disabled_expression)
    book = RuleBook()
    writer = PlanWriter(run)
    membership = Membership()
    progress.phase(
        Run.Phase.READ, Person.objects.filter(source=source, left_at__isnull=True).count()
    )
    with Reader(record) as reader:
        people = plan_people(
            source=source,
            mapping=mapping,
            reader=reader,
            membership=membership,
            writer=writer,
            progress=progress,
        )
        groups = (
            _read_groups(source, reader, membership, writer, book) if record.group_bases else None
        )
    progress.phase(Run.Phase.PLAN, writer.ordinal)
    writer.flush()
    members = groups.members if groups else {}
    members |= kept_members(set(book.watched.values()) - members.keys())
    memberships = memberships_of(members)
    del membership, members
    planner = AccountPlanner(book=book, writer=writer, progress=progress)
    planner.plan(affected_by(run, source, groups.moved if groups else set(), memberships))
    if not run.dry:
        _clear_conflicts(planner)
    writer.flush()
    _note(writer, people)
    return writer, groups.breaches if groups else []


def plan_rules(*, run: Run, progress: Progress) -> PlanWriter:
    """Decide the account of every person anew and write the plan of `run`; nothing is read from a directory."""
    book = RuleBook()
    writer = PlanWriter(run)
    progress.phase(Run.Phase.PLAN, Person.objects.count())
    planner = AccountPlanner(book=book, writer=writer, progress=progress)
    planner.plan(everybody(memberships_of(kept_members(book.watched.values()))))
    if not run.dry:
        _clear_conflicts(planner)
    writer.flush()
    return writer


def _read_groups(
    source: DirectorySource,
    reader: Reader,
    membership: Membership,
    writer: PlanWriter,
    book: RuleBook,
) -> GroupPlan | None:
    """Read and plan the groups; an error keeps all of them as they are, marked stale, and people go on."""
    names: dict[str, tuple[str, str]] = {}
    try:
        for page in reader.groups(GROUP_ATTRIBUTES):
            for entry in page:
                values = entry.attributes
                members = [*values.get("member", ()), *values.get("uniquemember", ())]
                membership.add_group(entry.dn, entry.guid, members)
                names[entry.guid] = (
                    _first(values, "cn", entry.dn),
                    _first(values, "description", ""),
                )
    except ProvisioningError as error:
        log.warning(
            "groups could not be read and stay as they were",
            source=source.name,
            reason=error.message,
        )
        stale_since = source.groups_stale_since or timezone.now()
        DirectorySource.objects.filter(pk=source.pk).update(groups_stale_since=stale_since)
        return None
    DirectorySource.objects.filter(pk=source.pk).update(groups_stale_since=None)
    resolved = (ReadGroup(*names[group.guid], group) for group in membership.resolve())
    return plan_groups(source=source, groups=resolved, watched=book.watched, writer=writer)


def _first(values: dict[str, list[bytes]], name: str, default: str) -> str:
    found = values.get(name)
    return found[0].decode("utf-8", "replace") if found else default


def _clear_conflicts(planner: AccountPlanner) -> None:
    """Conflicts that are gone leave the person; new ones arrive with the plan."""
    for source_id, guids in _by_source(planner.problems):
        for start in range(0, len(guids), 500):
            Person.objects.filter(source_id=source_id, guid__in=guids[start : start + 500]).update(
                problem=""
            )


def _by_source(problems: dict[tuple[int, str], str]) -> Iterator[tuple[int, list[str]]]:
    cleared: dict[int, list[str]] = {}
    for (source_id, guid), problem in problems.items():
        if not problem:
            cleared.setdefault(source_id, []).append(guid)
    yield from cleared.items()


def _note(writer: PlanWriter, people: ReadResult) -> None:
    writer.counts["read.people"] = people.people
    writer.counts["read.unreadable"] = people.unreadable
