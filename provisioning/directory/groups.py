"""Who belongs to which group, through any nesting and around any circle."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from provisioning.directory.dn import normalise_dn
from provisioning.directory.nesting import circles


@dataclass(frozen=True, slots=True)
class ResolvedGroup:
    """One group with its members, as the keys (GUIDs) of persons and of groups.

    `effective` are all its persons, `direct` those that the group itself names, `children` the
    groups that it names; `foreign` are members that are neither, as normalised DNs.
    """

    guid: str
    dn: str
    direct: frozenset[str]
    effective: frozenset[str]
    children: frozenset[str]
    foreign: tuple[str, ...]


class Membership:
    """Takes persons and groups in any order, page by page, and then resolves them.

    A DN is kept once and a membership is one integer of four bytes; what a group holds is forgotten
    as soon as the groups around it are done.
    """

    def __init__(self) -> None:
        self._nodes: dict[str, int] = {}
        self._persons: dict[int, str] = {}
        self._groups: dict[int, tuple[str, str]] = {}
        self._members: dict[int, array[int]] = {}

    def add_person(self, dn: str, guid: str) -> None:
        """Somebody who may be a member."""
        self._persons[self._node(dn)] = guid

    def add_group(self, dn: str, guid: str, members: Iterable[bytes | str]) -> None:
        """A group with the DNs of its members, as the directory writes them."""
        texts = (m if isinstance(m, str) else m.decode("utf-8", "replace") for m in members)
        node = self._node(dn)
        self._groups[node] = (guid, dn)
        self._members[node] = array("I", {self._node(text) for text in texts})

    def resolve(self) -> Iterator[ResolvedGroup]:
        """Every group once, inner groups before those around them."""
        children = {
            node: [member for member in members if member in self._groups]
            for node, members in self._members.items()
        }
        # How many groups still ask for what a group holds.
        asking = Counter(child for inside in children.values() for child in inside)
        foreign = self._foreign_dns()
        held: dict[int, frozenset[str]] = {}
        for circle in circles(children):
            effective = self._effective(circle, children, held)
            for node in circle:
                held[node] = effective
            for node in circle:
                yield self._resolved(node, children[node], effective, foreign)
                for child in children[node]:
                    asking[child] -= 1
                    if not asking[child]:
                        del held[child]
            for node in circle:
                if not asking[node]:
                    held.pop(node, None)

    def _node(self, dn: str) -> int:
        return self._nodes.setdefault(normalise_dn(dn), len(self._nodes))

    def _foreign_dns(self) -> dict[int, str]:
        known = self._persons.keys() | self._groups.keys()
        return {node: dn for dn, node in self._nodes.items() if node not in known}

    def _direct(self, node: int) -> Iterator[str]:
        persons = self._persons
        return (persons[member] for member in self._members[node] if member in persons)

    def _effective(
        self, circle: list[int], children: dict[int, list[int]], held: dict[int, frozenset[str]]
    ) -> frozenset[str]:
        persons: set[str] = set()
        for node in circle:
            persons.update(self._direct(node))
            for child in children[node]:
                persons |= held.get(child, frozenset())
        return frozenset(persons)

    def _resolved(
        self, node: int, children: list[int], effective: frozenset[str], foreign: dict[int, str]
    ) -> ResolvedGroup:
        guid, dn = self._groups[node]
        return ResolvedGroup(
            guid=guid,
            dn=dn,
            direct=frozenset(self._direct(node)),
            effective=effective,
            children=frozenset(self._groups[child][0] for child in children),
            foreign=tuple(sorted(foreign[m] for m in self._members[node] if m in foreign)),
        )
