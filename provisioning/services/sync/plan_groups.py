"""Planning groups: effective membership compared with what is kept, one row per changed group."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.utils import timezone

from provisioning.core.limits import Breach, Category, InUse, Limit
from provisioning.core.text import fold
from provisioning.directory.groups import ResolvedGroup
from provisioning.models import DirectoryGroup, DirectorySource, GroupMember, PlannedChange
from provisioning.services.directory.group_uses import GroupUse
from provisioning.services.runs.plan import APPLIED, PlanWriter

_SHOWN = ("name", "dn", "description", "member_count", "unresolved_count", "foreign_count")
# So many unknown members are named.
_UNKNOWN_SHOWN = 20


@dataclass(frozen=True, slots=True)
class ReadGroup:
    """A group as it was read and resolved."""

    name: str
    description: str
    resolved: ResolvedGroup


@dataclass(slots=True)
class GroupPlan:
    """What planning found: limits passed, who moves in or out of watched groups, who is in them.

    `foreign` are the sources of members that were read from another one, by their GUIDs.
    """

    breaches: list[Breach | InUse]
    moved: set[str]
    members: dict[int, set[str]]
    foreign: dict[str, int]


def plan_groups(
    *,
    source: DirectorySource,
    groups: Iterable[ReadGroup],
    foreign: dict[str, int],
    watched: dict[str, int],
    uses: dict[int, list[GroupUse]],
    writer: PlanWriter,
) -> GroupPlan:
    """Write a row for every group that differs.

    `watched` maps the GUIDs of groups that rules use to their ids; `uses` are all that ask for a
    group, by its id: of those the members of groups within are kept too. Removing more members than
    the limit allows, or a group that something asks for, holds that group alone; for a held group
    the plan keeps the old membership in `members` (group id → person GUIDs), so nothing that
    follows from it happens either.
    """
    plan = GroupPlan([], set(), {}, foreign)
    known = {g["guid"]: g for g in DirectoryGroup.objects.filter(source=source).values(
        "id", "guid", "content_hash", "left_at", "version", *_SHOWN)}  # fmt: skip
    seen: set[str] = set()
    for group in groups:
        guid = group.resolved.guid
        seen.add(guid)
        content = _content(group)
        old = known.get(guid)
        nested = old is not None and old["id"] in uses
        wanted = dict.fromkeys(group.resolved.effective, False) if nested else {}
        wanted |= dict.fromkeys(group.resolved.direct, True)
        existing = _members(source, old["id"], plan) if nested and old is not None else None
        if _is_known(old, content, group) and (existing is None or existing == wanted):
            if guid in watched:
                plan.members[watched[guid]] = set(wanted)
            continue
        if existing is None:
            existing = _members(source, old["id"], plan) if old else {}
        _plan_group(source, group, content, old, wanted, existing, watched, writer, plan)
    for guid, old in known.items():
        if guid not in seen and old["left_at"] is None:
            _plan_gone(source, old, uses.get(old["id"], ()), watched, writer, plan)
    return plan


def _content(group: ReadGroup) -> str:
    """Changes with what the directory says of the group itself."""
    resolved = group.resolved
    texts = (
        resolved.dn, group.name, group.description, str(resolved.foreign), *resolved.unknown, "",
        *sorted(resolved.direct), "", *sorted(resolved.children),
    )  # fmt: skip
    return hashlib.blake2b("\0".join(texts).encode(), digest_size=16).hexdigest()


def _is_known(old: dict[str, Any] | None, content: str, group: ReadGroup) -> bool:
    """Whether nothing of the group differs; the groups within change the count of its members."""
    return (
        old is not None
        and old["left_at"] is None
        and old["content_hash"] == content
        and old["member_count"] == group.resolved.count
    )


def _plan_group(
    source: DirectorySource, group: ReadGroup, content: str, old: dict[str, Any] | None,
    wanted: dict[str, bool], existing: dict[str, bool], watched: dict[str, int],
    writer: PlanWriter, plan: GroupPlan,
) -> None:  # fmt: skip
    resolved = group.resolved
    added = sorted(guid for guid, direct in wanted.items() if existing.get(guid) is not direct)
    removed = sorted(guid for guid in existing if guid not in wanted)
    breach = _breach(source, group.name, old, len(removed), len(existing))
    after = {
        "dn": resolved.dn,
        "name": group.name[:200],
        "description": group.description[:500],
        "name_key": fold(group.name)[:200],
        "content_hash": content,
        "member_count": resolved.count,
        "unresolved_count": len(resolved.unknown),
        "unknown_members": resolved.unknown[:_UNKNOWN_SHOWN],
        "foreign_count": resolved.foreign,
        "children": sorted(resolved.children),
        # With the source where it is another one.
        "added": [[guid, wanted[guid], *_elsewhere(plan, guid)] for guid in added],
        "removed": removed,
    }
    before = {field: old[field] for field in _SHOWN if old[field] != after[field]} if old else {}
    writer.add(
        source_id=source.pk, kind="group", key=resolved.guid, subject=resolved.guid,
        name=group.name, action="update" if old else "create", before=before, after=after,
        base_version=old["version"] if old else 0,
        category=Category.MEMBERSHIP if removed else Category.NONE,
        status="held" if breach else "planned", message=str(breach or ""),
    )  # fmt: skip
    if breach:
        plan.breaches.append(breach)
    if resolved.guid in watched:
        plan.members[watched[resolved.guid]] = set(existing) if breach else set(wanted)
        if not breach:
            plan.moved |= existing.keys() ^ wanted.keys()


def _elsewhere(plan: GroupPlan, guid: str) -> tuple[int, ...]:
    return (plan.foreign[guid],) if guid in plan.foreign else ()


def _plan_gone(
    source: DirectorySource,
    old: dict[str, Any],
    uses: Collection[GroupUse],
    watched: dict[str, int],
    writer: PlanWriter,
    plan: GroupPlan,
) -> None:
    existing = _members(source, old["id"], plan)
    breach: Breach | InUse | None = _breach(source, old["name"], old, len(existing), len(existing))
    if uses:
        breach = InUse(f"Group {old['name']}", " and ".join(map(str, uses)))
    writer.add(
        source_id=source.pk, kind="group", key=old["guid"], subject=old["guid"],
        name=old["name"], action="leave", before={"member_count": old["member_count"]},
        after={"left": True, "removed": sorted(existing)}, base_version=old["version"],
        category=Category.MEMBERSHIP if existing else Category.NONE,
        status="held" if breach else "planned", message=str(breach or ""),
    )  # fmt: skip
    if breach:
        plan.breaches.append(breach)
    if old["guid"] in watched:
        plan.members[watched[old["guid"]]] = set(existing) if breach else set()
        if not breach:
            plan.moved |= existing.keys()


def _breach(
    source: DirectorySource, name: str, old: dict[str, Any] | None, removed: int, population: int
) -> Breach | None:
    if not removed or old is None:
        return None
    limit: Limit = source.limit()
    earlier = _removed_lately(source, old["guid"])
    allowed = limit.allowed(Category.MEMBERSHIP, population + earlier)
    if removed + earlier <= allowed and (removed < population or population == 1):
        return None
    return Breach(f"Group {name}", Category.MEMBERSHIP, removed, earlier, allowed, population)


def _removed_lately(source: DirectorySource, guid: str) -> int:
    """Removed within 24 hours; what was approved does not count: held once, it has a message."""
    rows = PlannedChange.objects.filter(
        APPLIED, kind="group", key=guid, source_id=source.pk, category=Category.MEMBERSHIP,
        at__gte=timezone.now() - timedelta(hours=24), message="",
    )  # fmt: skip
    return sum(len(after["removed"]) for after in rows.values_list("after", flat=True))


def _members(source: DirectorySource, group_id: int, plan: GroupPlan) -> dict[str, bool]:
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
