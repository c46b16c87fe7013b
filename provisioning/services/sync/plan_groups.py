"""Planning groups: effective membership compared with what is kept, one row per changed group."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from provisioning.directory.groups import ResolvedGroup
from provisioning.models import DirectorySource
from provisioning.services.directory.group_uses import GroupUse
from provisioning.services.runs.plan import PlanWriter
from provisioning.services.sync.plan_group_rows import (
    GroupPlan,
    GroupRows,
    group_after,
    kept_groups,
    kept_of,
)


@dataclass(frozen=True, slots=True)
class ReadGroup:
    """A group as it was read and resolved."""

    name: str
    description: str
    resolved: ResolvedGroup


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
    plan = GroupPlan(foreign=foreign)
    rows = GroupRows(source, watched, writer, plan)
    known = kept_groups(source)
    seen: set[str] = set()
    for group in groups:
        resolved = group.resolved
        guid = resolved.guid
        seen.add(guid)
        after = group_after(
            guid=guid, dn=resolved.dn, name=group.name, description=group.description,
            count=resolved.count, foreign=resolved.foreign, unknown=resolved.unknown,
            direct=resolved.direct, children=resolved.children,
        )  # fmt: skip
        old = known.get(guid)
        nested = old is not None and old["id"] in uses
        wanted = dict.fromkeys(resolved.effective, False) if nested else {}
        wanted |= dict.fromkeys(resolved.direct, True)
        existing = kept_of(source, old["id"], plan) if nested and old is not None else None
        allowed = True
        if not after.is_kept(old) or (existing is not None and existing != wanted):
            if existing is None:
                existing = kept_of(source, old["id"], plan) if old else {}
            allowed = rows.change(after, old, wanted, existing, len(existing))
        if guid in watched:
            plan.members[watched[guid]] = set(wanted if allowed else existing or ())
    for guid, old in known.items():
        if guid not in seen and old["left_at"] is None:
            members = kept_of(source, old["id"], plan)
            allowed = rows.leave(old, members, uses.get(old["id"], []))
            if guid in watched:
                plan.members[watched[guid]] = set() if allowed else set(members)
    plan.read = len(seen)
    return plan
