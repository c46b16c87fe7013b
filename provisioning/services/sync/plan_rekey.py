"""Planning another key attribute: who is known by which key now, and by which one then."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from provisioning.core.errors import InvalidInput, Rejected
from provisioning.core.records import Entry
from provisioning.directory.guid import canonical_guid
from provisioning.models import DirectoryGroup, DirectorySource, Person, Run
from provisioning.services.directory.failover import watched
from provisioning.services.directory.readers import open_reader
from provisioning.services.runs.plan import PlanWriter
from provisioning.services.runs.progress import Progress
from provisioning.services.servers import targets
from provisioning.services.sync.sync import Plan

# Guid → (version, name) of those who are there.
_Known = dict[str, tuple[int, str]]


def plan_rekey(*, run: Run, source: DirectorySource, progress: Progress) -> Plan:
    """Read everybody's present key and the one of `run.question`, and write who becomes which.

    Somebody without the new key, or with that of somebody else, is a conflict; a run that is not
    dry then raises Rejected, for the next sync would take them for people who left. Raises as
    `plan_sync` does where the read is not complete.
    """
    attribute = str(run.question["key_attribute"])
    if attribute == source.key_attribute:
        raise InvalidInput(f"{source} is read by {attribute} already. Nothing was changed.")
    plan = Plan(PlanWriter(run))
    record = targets.pin_source(source.as_record())
    people = Person.objects.filter(source=source)
    progress.phase(Run.Phase.READ, people.filter(left_at=None).count())
    problems = 0
    with open_reader(source, record) as reader, watched(source, reader):
        keys = _Keys(source, attribute, plan.writer)
        known = _known(people.filter(left_at=None).values_list("guid", "version", "display_name"))
        for page in reader.people([attribute]):
            keys.add(page, known)
            progress.advance(len(page))
        problems += keys.write("person", known)
        if record.group_bases:
            keys = _Keys(source, attribute, plan.writer)
            groups = DirectoryGroup.objects.filter(source=source, left_at=None)
            known = _known(groups.values_list("guid", "version", "name"))
            for page in reader.groups([attribute]):
                keys.add(page, known)
            problems += keys.write("group", known)
    if problems and not run.dry:
        raise Rejected(
            f"{problems:,} people or groups have no {attribute} of their own, and would look like "
            "people who left. Nothing was changed; a preview names them."
        )
    left = people.exclude(left_at=None).count()
    if problems:
        plan.remarks.append("As long as that is so, the key cannot be changed.")
    elif left:
        plan.remarks.append(
            f"{left:,} who left keep the old key: whoever of them comes back is new, and offered "
            "under Returned?."
        )
    if not problems:
        plan.remarks.append(
            "The next sync reads everything. Runs before this one are not undone any more."
        )
    plan.writer.flush()
    return plan


def _known(rows: Iterable[tuple[str, int, str]]) -> _Known:
    return {guid: (version, name) for guid, version, name in rows}


class _Keys:
    """The new key of each known entry: every one is collected before the first is written."""

    def __init__(self, source: DirectorySource, attribute: str, writer: PlanWriter) -> None:
        self._source = source
        self._attribute = attribute
        self._writer = writer
        self._new: dict[str, str] = {}
        self._faults: dict[str, str] = {}

    def add(self, page: Iterable[Entry], known: _Known) -> None:
        """Note the new keys of those who are known; whoever is not comes with the next sync."""
        name = self._attribute.lower()
        for entry in page:
            if entry.guid not in known:
                continue
            try:
                self._new[entry.guid] = canonical_guid(name, entry.attributes.get(name))
            except ValueError as error:
                self._faults[entry.guid] = f"{self._attribute} {error}."

    def write(self, kind: str, known: _Known) -> int:
        """Write a row for each; how many have no new key of their own."""
        holders: dict[str, list[str]] = {}
        for old, new in self._new.items():
            holders.setdefault(new, []).append(old)
        for new, several in holders.items():
            if len(several) > 1 or (new in known and new != several[0]):
                for old in several:
                    self._faults[old] = f"Somebody else has the {self._attribute} {new} too."
        for old, (version, name) in known.items():
            row: dict[str, Any] = {"source_id": self._source.pk, "kind": kind, "subject": old}
            if fault := self._faults.get(old):
                self._writer.add(
                    key=old, name=name, action="unclear", after={}, status="problem",
                    message=fault, **row,
                )  # fmt: skip
            elif old in self._new:
                self._writer.add(
                    key=self._new[old], name=name, action="rekey", before={"guid": old},
                    after={"guid": self._new[old]}, base_version=version, **row,
                )  # fmt: skip
        return len(self._faults)
