"""The groups of a person, and through which other groups an indirect one is reached."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from provisioning.models import DirectoryGroup, GroupMember, GroupNesting, Person


@dataclass(frozen=True, slots=True)
class MembershipPath:
    """A group of a person; `through` are the groups on the way, nearest to the person first."""

    group: DirectoryGroup
    direct: bool
    through: tuple[DirectoryGroup, ...]


def find_memberships(*, person: Person) -> list[MembershipPath]:
    """Every group of the person by name, with the shortest way to it; three queries."""
    memberships = list(
        GroupMember.objects.filter(person=person)
        .select_related("group")
        .order_by("group__name_key", "group_id")
    )
    groups = {membership.group_id: membership.group for membership in memberships}
    parents: dict[int, list[int]] = {}
    nestings = GroupNesting.objects.filter(child__in=groups, parent__in=groups).order_by("id")
    for parent, child in nestings.values_list("parent_id", "child_id"):
        parents.setdefault(child, []).append(parent)
    ways = _ways([m.group_id for m in memberships if m.direct], parents)
    return [
        MembershipPath(
            membership.group,
            membership.direct,
            tuple(groups[group_id] for group_id in ways.get(membership.group_id, ())),
        )
        for membership in memberships
    ]


def _ways(direct: list[int], parents: dict[int, list[int]]) -> dict[int, tuple[int, ...]]:
    """The shortest way from a direct group to each other one; circles end where they began."""
    ways: dict[int, tuple[int, ...]] = dict.fromkeys(direct, ())
    waiting = deque(direct)
    while waiting:
        child = waiting.popleft()
        for parent in parents.get(child, ()):
            if parent not in ways:
                ways[parent] = (*ways[child], child)
                waiting.append(parent)
    return ways
