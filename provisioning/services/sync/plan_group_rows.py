"""The row of a group in a plan: what it becomes, who comes and goes, what holds it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.utils import timezone

from provisioning.core.limits import Breach, Category, InUse, Limit
from provisioning.core.text import fold
from provisioning.models import DirectoryGroup, DirectorySource, GroupMember, PlannedChange
from provisioning.services.directory.group_uses import GroupUse
from provisioning.services.runs.plan import APPLIED, PlanWriter

_SHOWN = ("name", "dn", "description", "member_count", "unresolved_count", "foreign_count")
_COLUMNS = ("id", "guid", "content_hash", "left_at", "version", "unknown_members", *_SHOWN)
# So many unknown members are named.
_UNKNOWN_SHOWN = 20

# A group as it is kept: the columns above.
KeptGroup = dict[str, Any]


@dataclass(slots=True)
class GroupPlan:
    """What planning found: limits passed, who moves in or out of watched groups, who is in them.

    `members` are everybody in a watched group, by its id; `shifts` only who comes and who goes,
    where not all of it was looked at. `foreign` are the sources of members that were read from
    another one, by their GUIDs.
    """

    breaches: list[Breach | InUse] = field(default_factory=list)
    moved: set[str] = field(default_factory=set)
    members: dict[int, set[str]] = field(default_factory=dict)
    shifts: dict[int, tuple[set[str], set[str]]] = field(default_factory=dict)
    foreign: dict[str, int] = field(default_factory=dict)
    read: int = 0


@dataclass(frozen=True, slots=True)
class GroupAfter:
    """What a group becomes; `unknown` are the first of its unknown members, `children` GUIDs."""

    guid: str
    dn: str
    name: str
    description: str
    content_hash: str
    count: int
    foreign: int
    unknown_count: int
    unknown: Sequence[str]
    children: Collection[str]

    def is_kept(self, old: KeptGroup | None) -> bool:
        """Whether it is so already; the groups within change the count of its members."""
        return (
            old is not None
            and old["left_at"] is None
            and old["content_hash"] == self.content_hash
            and old["member_count"] == self.count
        )


def group_after(
    *, guid: str, dn: str, name: str, description: str, count: int, foreign: int,
    unknown: Sequence[str], direct: Collection[str], children: Collection[str],
) -> GroupAfter:  # fmt: skip
    """A group as it was read; its hash changes with what the directory says of the group itself."""
    texts = (dn, name, description, str(foreign), *unknown, "", *sorted(direct), "",
             *sorted(children))  # fmt: skip
    content = hashlib.blake2b("\0".join(texts).encode(), digest_size=16).hexdigest()
    return GroupAfter(
        guid, dn, name, description, content, count, foreign, len(unknown),
        unknown[:_UNKNOWN_SHOWN], children,
    )  # fmt: skip


def kept_groups(source: DirectorySource) -> dict[str, KeptGroup]:
    """Every group of the source that is or was there, by its GUID."""
    rows = DirectoryGroup.objects.filter(source=source).values(*_COLUMNS)
    return {row["guid"]: row for row in rows.iterator(chunk_size=10_000)}


@dataclass(slots=True)
class GroupRows:
    """Writes the rows of groups. `watched` maps the GUIDs of groups that rules use to their ids."""

    source: DirectorySource
    watched: Mapping[str, int]
    writer: PlanWriter
    plan: GroupPlan

    def change(
        self, after: GroupAfter, old: KeptGroup | None, wanted: Mapping[str, bool],
        existing: Mapping[str, bool], population: int,
    ) -> bool:  # fmt: skip
        """Write what becomes of a group, and whether it may.

        `wanted` and `existing` are its members, or all of whom that may differ of the `population`
        that it has; whether the group names them itself is said of each.
        """
        added = sorted(guid for guid, direct in wanted.items() if existing.get(guid) is not direct)
        removed = sorted(guid for guid in existing if guid not in wanted)
        breach = self._breach(after.name, old, len(removed), population)
        values = {
            "dn": after.dn,
            "name": after.name[:200],
            "description": after.description[:500],
            "name_key": fold(after.name)[:200],
            "content_hash": after.content_hash,
            "member_count": after.count,
            "unresolved_count": after.unknown_count,
            "unknown_members": after.unknown,
            "foreign_count": after.foreign,
            "children": sorted(after.children),
            # With the source where it is another one.
            "added": [[guid, wanted[guid], *self._elsewhere(guid)] for guid in added],
            "removed": removed,
        }
        before = {name: old[name] for name in _SHOWN if old[name] != values[name]} if old else {}
        self.writer.add(
            source_id=self.source.pk, kind="group", key=after.guid, subject=after.guid,
            name=after.name, action="update" if old else "create", before=before, after=values,
            base_version=old["version"] if old else 0,
            category=Category.MEMBERSHIP if removed else Category.NONE,
            status="held" if breach else "planned", message=str(breach or ""),
        )  # fmt: skip
        if breach:
            self.plan.breaches.append(breach)
        elif after.guid in self.watched:
            self.plan.moved |= existing.keys() ^ wanted.keys()
        return breach is None

    def leave(self, old: KeptGroup, existing: Mapping[str, bool], uses: Sequence[GroupUse]) -> bool:
        """Write that a group is gone, with all its members, and whether it may be."""
        breach: Breach | InUse | None = self._breach(old["name"], old, len(existing), len(existing))
        if uses:
            breach = InUse(f"Group {old['name']}", " and ".join(map(str, uses)))
        self.writer.add(
            source_id=self.source.pk, kind="group", key=old["guid"], subject=old["guid"],
            name=old["name"], action="leave", before={"member_count": old["member_count"]},
            after={"left": True, "removed": sorted(existing)}, base_version=old["version"],
            category=Category.MEMBERSHIP if existing else Category.NONE,
            status="held" if breach else "planned", message=str(breach or ""),
        )  # fmt: skip
        if breach:
            self.plan.breaches.append(breach)
        elif old["guid"] in self.watched:
            self.plan.moved |= existing.keys()
        return breach is None

    def _elsewhere(self, guid: str) -> tuple[int, ...]:
        return (self.plan.foreign[guid],) if guid in self.plan.foreign else ()

    def _breach(
        self, name: str, old: KeptGroup | None, removed: int, population: int
    ) -> Breach | None:
        if not removed or old is None:
            return None
        limit: Limit = self.source.limit()
        earlier = self._removed_lately(old["guid"])
        allowed = limit.allowed(Category.MEMBERSHIP, population + earlier)
        if removed + earlier <= allowed and (removed < population or population == 1):
            return None
        return Breach(f"Group {name}", Category.MEMBERSHIP, removed, earlier, allowed, population)

    def _removed_lately(self, guid: str) -> int:
        """Removed within 24 hours; what was approved does not count: it has a message."""
        rows = PlannedChange.objects.filter(
            APPLIED, kind="group", key=guid, source_id=self.source.pk,
            category=Category.MEMBERSHIP, at__gte=timezone.now() - timedelta(hours=24), message="",
        )  # fmt: skip
        return sum(len(after["removed"]) for after in rows.values_list("after", flat=True))


def kept_of(source: DirectorySource, group_id: int, plan: GroupPlan) -> dict[str, bool]:
    """The kept members by GUID, and whether the group names them itself."""
    members: dict[str, bool] = {}
    rows = GroupMember.objects.filter(group_id=group_id).values_list(
        "person__guid", "direct", "person__source_id"
    )
    for guid, direct, source_id in rows.iterator(chunk_size=10_000):
        members[guid] = direct
        if source_id != source.pk:
            plan.foreign[guid] = source_id
    return members
