"""Who belongs to which group, through any nesting and around any circle."""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from provisioning.core.records import Entry, SourceRecord
from provisioning.directory.dn import normalise_dn
from provisioning.directory.nesting import circles
from provisioning.directory.sid import foreign_sid, primary_group

# A bitset costs a bit for every DN, a list four bytes for every member and much more time. Lists
# are kept only where bitsets would take more than this many bytes.
_ROOM = 32 << 20
_BITS_OF_A_MEMBER = 32
_RUNS = re.compile(rb"[^\0]+")
_PLACES = [[place for place in range(8) if byte >> place & 1] for byte in range(256)]


@dataclass(frozen=True, slots=True)
class ResolvedGroup:
    """One group with its members, as the keys (GUIDs) of persons and of groups.

    `direct` are the persons that the group itself names, and those whose primary group it is;
    `children` the groups that it names. `count` is the number of its `effective` members: direct
    ones and those of all groups within. `foreign` counts members of another forest that nobody
    here knows; `unknown` are all other members, as normalised DNs.
    """

    guid: str
    dn: str
    direct: frozenset[str]
    children: frozenset[str]
    count: int
    foreign: int
    unknown: tuple[str, ...]
    _persons: list[str] = field(repr=False, compare=False)
    _effective: int | None = field(repr=False, compare=False)

    @property
    def effective(self) -> frozenset[str]:
        """All its persons; put together on demand, because few groups are asked for them."""
        if self._effective is None:
            return self.direct
        return frozenset(self._persons[node] for node in _places(self._effective))


class Membership:
    """Takes persons and groups in any order, page by page, and then resolves them.

    A DN is kept once and a membership is one integer of four bytes. What a group holds is a bitset
    over all DNs, or a list where that is smaller, and is forgotten as soon as the groups around it
    are done. `by_login` also resolves what RFC 2307 says by other means than a DN: members that are
    user names (memberUid), and the primary group of each person (gidNumber).
    """

    def __init__(self, *, by_login: bool = False) -> None:
        self._by_login = by_login
        self._nodes: dict[str, int] = {}
        self._persons: list[str] = []  # by node, empty for what is no person
        self._groups: dict[int, tuple[str, str]] = {}
        self._members: dict[int, array[int]] = {}
        self._sids: dict[bytes, int] = {}
        self._primary: dict[bytes, array[int]] = {}
        self._logins: dict[bytes, int] = {}
        self._named: dict[int, list[bytes]] = {}
        self._numbers: dict[bytes, list[int]] = {}
        self._primary_number: dict[bytes, array[int]] = {}
        self._foreign: dict[str, int] = {}

    def add_person(self, entry: Entry) -> None:
        """Somebody who may be a member."""
        values = entry.attributes
        node = self._node(entry.dn)
        self._persons[node] = entry.guid
        sid, number = values.get("objectsid"), values.get("primarygroupid")
        if sid and number:
            group = primary_group(sid[0], number[0])
            self._primary.setdefault(group, array("I")).append(node)
        if self._by_login:
            self._logins |= dict.fromkeys(values.get("uid", ()), node)
            if gid := values.get("gidnumber"):
                self._primary_number.setdefault(gid[0], array("I")).append(node)

    def add_group(self, entry: Entry) -> None:
        """A group with its members, as the directory writes them."""
        values = entry.attributes
        node = self._node(entry.dn)
        self._groups[node] = (entry.guid, entry.dn)
        known = self._nodes.get
        members = set()
        for value in (*values.get("member", ()), *values.get("uniquemember", ())):
            dn = value.decode("utf-8", "replace")
            # Nearly all are in lower case what a DN is in its one spelling.
            member = known(dn.lower())
            members.add(self._member(dn) if member is None else member)
        self._members[node] = array("I", members)
        if sid := values.get("objectsid"):
            self._sids[sid[0]] = node
        if logins := values.get("memberuid"):
            self._named[node] = logins
        if self._by_login and (gid := values.get("gidnumber")):
            self._numbers.setdefault(gid[0], []).append(node)

    def foreign_sids(self) -> Collection[str]:
        """The SIDs of members of other forests, as text."""
        return self._foreign.keys()

    def know_foreign(self, sid: str, guid: str) -> None:
        """Take a member of another forest for that person."""
        self._persons[self._foreign.pop(sid)] = guid

    def resolve(self) -> Iterator[ResolvedGroup]:
        """Every group once, inner groups before those around them; nothing can be added then."""
        self._add_primary_and_named()
        children = {
            node: [member for member in members if member in self._groups]
            for node, members in self._members.items()
        }
        # How many groups still ask for what a group holds.
        asking = Counter(child for inside in children.values() for child in inside)
        foreign = set(self._foreign.values())
        unknown = self._unknown_dns(foreign)
        holding = _Holding(len(self._persons), self._persons)
        for circle in circles(children):
            nested = len(circle) > 1 or children[circle[0]]
            effective = None
            if nested or asking[circle[0]]:
                effective = holding.unite(
                    [self._members[node] for node in circle],
                    {child for node in circle for child in children[node]}.difference(circle),
                )
                holding.keep([node for node in circle if asking[node]], effective)
            for node in circle:
                guid, dn = self._groups[node]
                members = self._members[node]
                direct = frozenset(self._persons[m] for m in members if self._persons[m])
                yield ResolvedGroup(
                    guid=guid,
                    dn=dn,
                    direct=direct,
                    children=frozenset(self._groups[child][0] for child in children[node]),
                    count=effective.bit_count() if nested and effective else len(direct),
                    foreign=sum(member in foreign for member in members) if foreign else 0,
                    unknown=tuple(sorted(unknown[m] for m in members if m in unknown)),
                    _persons=self._persons,
                    _effective=effective if nested else None,
                )
                for child in children[node]:
                    asking[child] -= 1
                    if not asking[child]:
                        holding.forget(child)

    def _node(self, dn: str) -> int:
        node = self._nodes.setdefault(normalise_dn(dn), len(self._persons))
        if node == len(self._persons):
            self._persons.append("")
        return node

    def _member(self, dn: str) -> int:
        known = len(self._persons)
        node = self._node(dn)
        # Where a DN is seen for the first time, it may be somebody of another forest.
        if node == known and (sid := foreign_sid(normalise_dn(dn))):
            self._foreign[sid] = node
        return node

    def _add_primary_and_named(self) -> None:
        for sid, nodes in self._primary.items():
            if (group := self._sids.get(sid)) is not None:
                self._members[group] = array("I", {*self._members[group], *nodes})
        for number, nodes in self._primary_number.items():
            for group in self._numbers.get(number, ()):  # several groups may share a number
                self._members[group] = array("I", {*self._members[group], *nodes})
        for group, logins in self._named.items():
            known = {self._named_member(login) for login in logins}
            self._members[group] = array("I", {*self._members[group], *known})

    def _named_member(self, login: bytes) -> int:
        node = self._logins.get(login)
        return self._node(f"memberUid={login.decode('utf-8', 'replace')}") if node is None else node

    def _unknown_dns(self, foreign: set[int]) -> dict[int, str]:
        return {
            node: dn
            for dn, node in self._nodes.items()
            if not self._persons[node] and node not in self._groups and node not in foreign
        }


class _Holding:
    """What finished groups hold, for as long as groups around them ask: persons by node."""

    def __init__(self, nodes: int, persons: list[str]) -> None:
        self._nodes = nodes
        self._sparse: dict[int, array[int]] = {}
        self._dense: dict[int, int] = {}
        self._known = self._bits([[node for node in range(nodes) if persons[node]]])

    def unite(self, members: Iterable[Iterable[int]], children: Iterable[int]) -> int:
        """The persons among `members` and in the finished `children`, as a bitset."""
        lists: list[Iterable[int]] = list(members)
        dense = 0
        for child in children:
            if child in self._dense:
                dense |= self._dense[child]
            else:
                lists.append(self._sparse[child])
        return (self._bits(lists) | dense) & self._known

    def keep(self, groups: list[int], persons: int) -> None:
        """Remember what each of `groups` holds."""
        room = len(self._dense) * self._nodes < 8 * _ROOM
        if room or persons.bit_count() * _BITS_OF_A_MEMBER > self._nodes:
            self._dense |= dict.fromkeys(groups, persons)
        else:
            self._sparse |= dict.fromkeys(groups, array("I", _places(persons)))

    def forget(self, group: int) -> None:
        """Nobody asks for `group` any more."""
        self._sparse.pop(group, None)
        self._dense.pop(group, None)

    def _bits(self, lists: Iterable[Iterable[int]]) -> int:
        data = bytearray(self._nodes // 8 + 1)
        for nodes in lists:
            for node in nodes:
                data[node >> 3] |= 1 << (node & 7)
        return int.from_bytes(data, "little")


def membership_attributes(record: SourceRecord) -> tuple[str, ...]:
    """What has to be read of a person, besides the mapped, to know in which groups they are."""
    if record.key_attribute.lower() == "objectguid":
        return ("objectsid", "primarygroupid")
    return ("uid", "gidnumber") if names_logins(record) else ()


def names_logins(record: SourceRecord) -> bool:
    """Whether groups of RFC 2307 are read, which know people by user name and by gidNumber."""
    return "posixgroup" in record.group_filter.lower()


def _places(bits: int) -> Iterator[int]:
    """The numbers of the bits that are set, from the lowest on."""
    data = bits.to_bytes(bits.bit_length() // 8 + 1, "little")
    for run in _RUNS.finditer(data):
        for start, byte in enumerate(run[0], run.start()):
            for place in _PLACES[byte]:
                yield start * 8 + place
