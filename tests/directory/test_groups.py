"""Nested membership agrees with a naive model, around circles and at any depth."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioning.core.records import Entry
from provisioning.directory import groups
from provisioning.directory.groups import Membership, ResolvedGroup
from provisioning.directory.sid import sid_text

DOMAIN = b"\x01\x05" + (5).to_bytes(6, "big") + b"".join(
    number.to_bytes(4, "little") for number in (21, 1, 2, 3)
)  # fmt: skip


def person(number: int) -> str:
    return f"CN=Person {number},OU=Staff,DC=corp"


def group(number: int) -> str:
    return f"CN=Group {number},OU=Groups,DC=corp"


def sid(number: int) -> bytes:
    return DOMAIN + number.to_bytes(4, "little")


def outsider(number: int) -> str:
    return f"CN={sid_text(sid(number))},CN=ForeignSecurityPrincipals,DC=corp"


def add_person(membership: Membership, number: int, **values: bytes) -> None:
    attributes = {name: [value] for name, value in values.items()}
    membership.add_person(Entry(f"p{number}", person(number), attributes))


def add_group(
    membership: Membership, number: int, members: Iterable[str | bytes], **values: list[bytes]
) -> None:
    named = [m if isinstance(m, bytes) else m.encode() for m in members]
    membership.add_group(Entry(f"g{number}", group(number), {"member": named, **values}))


def resolved(membership: Membership) -> dict[str, ResolvedGroup]:
    found = list(membership.resolve())
    by_guid = {each.guid: each for each in found}
    assert len(by_guid) == len(found)
    return by_guid


@dataclass(frozen=True)
class Company:
    """`groups[n]` names persons and groups by number; persons from `known` on are unknown."""

    known: int
    groups: list[tuple[list[int], list[int]]]

    def effective(self, number: int) -> set[str]:
        seen, waiting, found = set[int](), [number], set[str]()
        while waiting:
            current = waiting.pop()
            if current in seen:
                continue
            seen.add(current)
            persons, inside = self.groups[current]
            found |= {f"p{n}" for n in persons if n < self.known}
            waiting += inside
        return found


@st.composite
def companies(draw: st.DrawFn) -> Company:
    size = draw(st.integers(1, 9))
    persons = st.lists(st.integers(0, 11), max_size=4)
    inside = st.lists(st.integers(0, size - 1), max_size=3)
    teams = draw(st.lists(st.tuples(persons, inside), min_size=size, max_size=size))
    return Company(draw(st.integers(0, 12)), teams)


@given(companies(), st.randoms(use_true_random=False), st.sampled_from([0, 1, groups._ROOM]))
@settings(max_examples=150)
def test_the_closure_agrees_with_a_naive_model_in_any_order_and_at_any_size(
    company: Company, random: Random, room: int
) -> None:
    membership = Membership()
    steps = [partial(add_person, membership, n) for n in range(company.known)]
    for number, (persons, inside) in enumerate(company.groups):
        members = [*map(person, persons), *(group(n).upper() for n in inside)]
        steps.append(partial(add_group, membership, number, members))
    random.shuffle(steps)
    for step in steps:
        step()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(groups, "_ROOM", room)
        found = resolved(membership)
    assert found.keys() == {f"g{n}" for n in range(len(company.groups))}
    for number, (persons, inside) in enumerate(company.groups):
        each = found[f"g{number}"]
        assert each.effective == company.effective(number)
        assert each.count == len(each.effective)
        assert each.direct == {f"p{n}" for n in persons if n < company.known}
        assert each.children == {f"g{n}" for n in inside}
        unknown = {person(n).lower() for n in persons if n >= company.known}
        assert each.unknown == tuple(sorted(unknown))


def test_inner_groups_come_before_those_around_them() -> None:
    membership = Membership()
    for number in range(5):
        add_group(membership, number, [group(number + 1)] if number < 4 else [])
    assert [each.guid for each in membership.resolve()] == ["g4", "g3", "g2", "g1", "g0"]


def test_ten_thousand_groups_within_one_another_need_no_recursion() -> None:
    membership = Membership()
    add_person(membership, 0)
    for number in range(10_000):
        add_group(membership, number, [group(number + 1)])
    add_group(membership, 10_000, [person(0), group(0)])
    assert all(each.effective == {"p0"} for each in membership.resolve())


def test_a_group_of_fifty_thousand_is_complete() -> None:
    membership = Membership()
    add_group(membership, 0, [person(number) for number in range(50_000)])
    add_group(membership, 1, [group(0)])
    for number in range(50_000):
        add_person(membership, number)
    found = resolved(membership)
    assert found["g0"].count == found["g1"].count == 50_000
    assert len(found["g1"].effective) == 50_000


def test_a_member_that_is_not_utf8_is_unknown_and_stops_nobody() -> None:
    membership = Membership()
    add_person(membership, 1)
    add_group(membership, 0, [b"CN=\xff\xfe,DC=corp", person(1)])
    found = resolved(membership)["g0"]
    assert found.effective == {"p1"}
    assert len(found.unknown) == 1


def test_a_dn_is_found_in_any_spelling() -> None:
    membership = Membership()
    membership.add_person(Entry("p1", "CN=Lee\\, Ann+UID=7,OU=Straße,DC=corp", {}))
    spellings = [
        "uid=7+cn=Lee\\2C Ann, ou=STRASSE, dc=Corp",
        "CN=lee\\, ann+UID=7,OU=Straße,DC=corp",
    ]
    for number, spelling in enumerate(spellings):
        add_group(membership, number, [spelling])
    assert [each.direct for each in membership.resolve()] == [{"p1"}, {"p1"}]


def test_a_primary_group_has_its_members_although_it_names_none() -> None:
    membership = Membership()
    add_person(membership, 1, objectsid=sid(1101), primarygroupid=b"513")
    add_person(membership, 2, objectsid=sid(1102), primarygroupid=b"515")
    add_person(membership, 3, objectsid=b"broken", primarygroupid=b"513")
    add_person(membership, 4, objectsid=sid(1104), primarygroupid=b"five")
    add_group(membership, 0, [], objectsid=[sid(513)])
    add_group(membership, 1, [group(0)], objectsid=[sid(2000)])
    found = resolved(membership)
    assert found["g0"].direct == found["g1"].effective == {"p1"}


def test_members_of_another_forest_are_known_by_their_sid_or_counted() -> None:
    membership = Membership()
    add_group(membership, 0, [outsider(1), outsider(2), "CN=S-1-5-11,CN=ForeignSecurityPrincipals"])
    add_group(membership, 1, [group(0)])
    assert sorted(membership.foreign_sids()) == ["S-1-5-21-1-2-3-1", "S-1-5-21-1-2-3-2"]
    membership.know_foreign("S-1-5-21-1-2-3-1", "from-elsewhere")
    found = resolved(membership)
    assert found["g1"].effective == found["g0"].direct == {"from-elsewhere"}
    assert (found["g0"].foreign, found["g1"].foreign) == (1, 0)
    assert found["g0"].unknown == ("cn=s-1-5-11,cn=foreignsecurityprincipals",)


def test_user_names_are_members_where_the_directory_names_them_so() -> None:
    membership = Membership(by_login=True)
    add_person(membership, 1, uid=b"ann")
    add_person(membership, 2, uid=b"bo")
    add_group(membership, 0, [person(2)], memberuid=[b"ann", b"gone"])
    found = resolved(membership)["g0"]
    assert found.direct == {"p1", "p2"}
    assert found.unknown == ("memberuid=gone",)


def test_the_primary_group_of_rfc_2307_has_its_members_without_naming_them() -> None:
    membership = Membership(by_login=True)
    add_person(membership, 1, uid=b"ann", gidnumber=b"1000")
    add_person(membership, 2, uid=b"bo", gidnumber=b"4242")
    add_group(membership, 0, [], gidnumber=[b"1000"])
    add_group(membership, 1, [group(0)], gidnumber=[b"1001"])
    found = resolved(membership)
    assert found["g0"].direct == found["g1"].effective == {"p1"}
    assert found["g0"].unknown == ()
    elsewhere = Membership()
    add_person(elsewhere, 1, gidnumber=b"1000")
    add_group(elsewhere, 0, [], gidnumber=[b"1000"])
    assert resolved(elsewhere)["g0"].direct == set(), "only where such groups are read"


def test_a_sid_is_written_as_windows_writes_it() -> None:
    assert sid_text(sid(513)) == "S-1-5-21-1-2-3-513"
    assert sid_text(b"\x01\x01" + (5).to_bytes(6, "big") + (11).to_bytes(4, "little")) == "S-1-5-11"
    assert [sid_text(raw) for raw in (b"", b"\x02" + sid(1)[1:], sid(1)[:-1])] == ["", "", ""]
