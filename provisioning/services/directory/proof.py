"""A full read proves the readings of changes before it: what they missed is said in its run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from provisioning.core.errors import ProvisioningError
from provisioning.directory.changes import ChangesRefused
from provisioning.directory.mapping import PersonMapping
from provisioning.models import DirectoryGroup, DirectorySource, PlannedChange, Run
from provisioning.services.directory.changes import (
    find_changes,
    follows_changes,
    keys_of,
    note_fallback,
    sealed,
)
from provisioning.services.directory.readers import AnyReader, begin_changes
from provisioning.services.runs.plan import PlanWriter

_NAMED = 5
_STATUSES = PlannedChange.Status


@dataclass(frozen=True, slots=True)
class Proof:
    """Begun before anything is read, ended after: what happens meanwhile is nobody's fault.

    `cookie` is where changes are read from after this full read; None where they cannot be.
    """

    source: DirectorySource
    reader: AnyReader
    mapping: PersonMapping
    cookie: bytes | None

    @classmethod
    def begin(cls, *, source: DirectorySource, reader: AnyReader, mapping: PersonMapping) -> Self:
        """Note where the directory is now; why it cannot be told is kept at the source.

        A cookie of before is forgotten then: nothing could go on from it.
        """
        cookie = None
        if follows_changes(source):
            try:
                start = begin_changes(reader, source.mode)
            except ChangesRefused as refused:
                source.cookie = None
                note_fallback(source=source, reason=refused.message)
            else:
                cookie = sealed(source, mapping, start.cookie)
                source.unseen = start.unseen
                source.save(update_fields=["unseen"])
        return cls(source, reader, mapping, cookie)

    def end(self, writer: PlanWriter) -> list[str]:
        """What the plan has that no reading of changes had told; empty where nothing, or unknown.

        What waits for approval was told before, and what an administrator discarded comes again.
        """
        if not follows_changes(self.source) or not self.source.cookie:
            return []
        try:
            changes = find_changes(source=self.source, reader=self.reader, mapping=self.mapping)
            told = keys_of(source=self.source, reader=self.reader, changes=changes)
        except ProvisioningError:
            return []
        run = writer.run
        missed = _planned(run, "person", told | _known_before(run))
        if not _concern_groups(run, told):
            missed += _planned(run, "group", _known_before(run))
        if not missed:
            return []
        writer.counts["missed"] = len(missed)
        more = f" and {len(missed) - _NAMED:,} more" if len(missed) > _NAMED else ""
        return [f"The readings of changes had missed: {', '.join(missed[:_NAMED])}{more}."]


def _concern_groups(run: Run, told: set[str]) -> bool:
    """Whether groups may differ because of what was told: of a group, or of somebody's place."""
    groups = DirectoryGroup.objects.filter(source=run.source, guid__in=told)
    if groups.exists() or run.changes.filter(kind="group", key__in=told).exists():
        return True
    people = run.changes.filter(kind="person", key__in=told)
    return any(
        action in ("create", "return", "leave", "refresh") or "dn" in after or "sid" in after
        for action, after in people.values_list("action", "after")
    )


def _planned(run: Run, kind: str, told: set[str]) -> list[str]:
    rows = run.changes.filter(
        kind=kind, status__in=[_STATUSES.PLANNED, _STATUSES.HELD]
    ).exclude(action="refresh")  # fmt: skip
    found = rows.order_by("ordinal").values_list("key", "name")
    return [name for key, name in found.iterator(chunk_size=2000) if key not in told]


def _known_before(run: Run) -> set[str]:
    """What earlier runs of the source planned and did not apply."""
    open_or_over = [_STATUSES.HELD, _STATUSES.DISCARDED, _STATUSES.STALE]
    earlier = PlannedChange.objects.filter(
        run__source=run.source, run__dry=False, status__in=open_or_over
    ).exclude(run=run)  # fmt: skip
    return {key for row in earlier.values_list("subject", "key") for key in row}
