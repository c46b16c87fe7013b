"""Why somebody is in a group: the shortest way from the person through groups within groups."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from provisioning.core.errors import InvalidInput
from provisioning.models import DirectoryGroup, GroupMember, Person
from provisioning.services.directory.nesting import edges_around, edges_within

_SAME_NAMES = 20


@dataclass(frozen=True, slots=True)
class MembershipPath:
    """A group of a person; `through` are the groups on the way, nearest to the person first.

    Neither direct nor through a group is a membership that the last read found gone, and that is
    kept because the removal waits for approval.
    """

    group: DirectoryGroup
    direct: bool
    through: tuple[DirectoryGroup, ...]

    def words(self, person: Person) -> str:
        """ "Ann Lee → Berlin → Europe → Everybody"."""
        if not self.direct and not self.through:
            return "kept until its removal is approved"
        return " → ".join(map(str, (person, *self.through, self.group)))


def find_memberships(*, person: Person) -> list[MembershipPath]:
    """Every group of the person by name, with the shortest way to it; three queries."""
    rows = dict(GroupMember.objects.filter(person=person).values_list("group_id", "direct"))
    direct = sorted(group_id for group_id, is_direct in rows.items() if is_direct)
    tree = _Tree.grow(direct, ((child, parent) for parent, child in edges_around(person.pk)))
    groups = DirectoryGroup.objects.select_related("source").in_bulk([*{*rows, *tree.before}])
    return [
        MembershipPath(
            group,
            rows.get(group.pk, False),
            tuple(groups[group_id] for group_id in reversed(tree.way(group.pk))),
        )
        for group in sorted(groups.values(), key=lambda group: (group.name_key, group.pk))
        # Where something asks for the group, only kept members count.
        if group.pk in rows or not group.follows_nested
    ]


def find_membership(*, person: Person, name: str) -> MembershipPath | None:
    """How the person is in the group of that name, None where not.

    Raises InvalidInput where no group is called that. Of several, one that has the person counts.
    """
    named = DirectoryGroup.objects.filter(name__iexact=name.strip()).order_by("left_at", "id")
    wanted = {group.pk for group in named[:_SAME_NAMES]}
    if not wanted:
        raise InvalidInput(f"No group is called “{name.strip()}”.")
    found = find_memberships(person=person)
    return next((each for each in found if each.group.pk in wanted), None)


def find_ways(
    *, group: DirectoryGroup, people: Collection[Person]
) -> dict[int, tuple[DirectoryGroup, ...]]:
    """The groups between each of `people` and the group, nearest to the person first, by id.

    Whom the group itself names is not among them, nor who is only kept. Three queries for all.
    """
    tree = _Tree.grow([group.pk], edges_within(group.pk))
    nearest: dict[int, int] = {}
    rows = GroupMember.objects.filter(person__in=people, direct=True).order_by("group_id")
    for person_id, inner in rows.values_list("person_id", "group_id"):
        if inner in tree.depth and (
            person_id not in nearest or tree.depth[inner] < tree.depth[nearest[person_id]]
        ):
            nearest[person_id] = inner
    found = {
        person_id: (inner, *tree.way(inner)[:-1])
        for person_id, inner in nearest.items()
        if inner != group.pk
    }
    groups = DirectoryGroup.objects.in_bulk([*{each for way in found.values() for each in way}])
    return {pk: tuple(groups[each] for each in way) for pk, way in found.items()}


@dataclass(slots=True)
class _Tree:
    """The shortest way to each group that can be reached from `starts` by `steps`, as its end.

    `steps` lead from one group to the next; circles end where they began.
    """

    before: dict[int, int | None]
    depth: dict[int, int]

    @classmethod
    def grow(cls, starts: Iterable[int], steps: Iterable[tuple[int, int]]) -> _Tree:
        """Look from near to far."""
        after: dict[int, list[int]] = {}
        for here, there in steps:
            after.setdefault(here, []).append(there)
        tree = cls(dict.fromkeys(starts), {})
        tree.depth = dict.fromkeys(tree.before, 0)
        waiting = deque(tree.before)
        while waiting:
            here = waiting.popleft()
            for there in after.get(here, ()):
                if there not in tree.before:
                    tree.before[there], tree.depth[there] = here, tree.depth[here] + 1
                    waiting.append(there)
        return tree

    def way(self, group: int) -> list[int]:
        """The groups before `group`, nearest to it first; empty where it cannot be reached."""
        found = []
        here = self.before.get(group)
        while here is not None:
            found.append(here)
            here = self.before[here]
        return found
