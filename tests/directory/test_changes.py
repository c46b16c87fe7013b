"""What a source asks of a directory that tells changes, and how the answers come together."""

from __future__ import annotations

import pytest

from provisioning.core.records import SourceRecord
from provisioning.directory.changes import (
    ChangesRefused,
    Found,
    is_branch,
    is_group,
    joined,
    outermost,
    packed,
    question_of,
    unpacked,
)
from provisioning.directory.selection import filters_of_keys, filters_of_values


def record(**values: object) -> SourceRecord:
    given: dict[str, object] = {
        "name": "Company", "uris": (), "tls": "ldaps", "ca_pem": "", "bind_dn": "",
        "bind_secret": "", "person_bases": ("ou=People,dc=example",),
        "person_filter": "(objectClass=person)", "group_bases": (), "group_filter": "",
        "key_attribute": "objectGUID",
    }  # fmt: skip
    return SourceRecord(**{**given, **values})  # type: ignore[arg-type]


def test_attributes_that_a_filter_compares_count_as_changes_too() -> None:
    filter_ = "(&(objectClass=user)(!(userAccountControl:1.2.840.113556.1.4.803:=2))(mail>=a))"
    question = question_of(record(person_filter=filter_), frozenset({"title"}))
    assert {"title", "useraccountcontrol", "mail", "member", "parentguid"} <= question.attributes
    assert not question.by_membership


@pytest.mark.parametrize(
    ("filter_", "attributes"),
    [
        ("(memberOf=cn=x)", frozenset[str]()),
        ("(memberOf:1.2.840.113556.1.4.1941:=cn=x)", frozenset[str]()),
        ("(objectClass=user)", frozenset({"memberof"})),
    ],
)
def test_who_is_read_by_membership_depends_on_groups(
    filter_: str, attributes: frozenset[str]
) -> None:
    question = question_of(record(person_filter=filter_), attributes)
    assert question.by_membership
    # A back link never changes itself.
    assert "memberof" not in question.attributes


def test_a_base_below_another_one_is_not_asked_twice() -> None:
    bases = ["ou=Sub,OU=People,dc=example", "ou=people, dc=example", "ou=Groups,dc=example"]
    assert outermost(bases) == ["ou=people, dc=example", "ou=Groups,dc=example"]
    assert outermost(["dc=example", "DC=example"]) == ["DC=example"]


def test_the_answers_of_all_searches_are_one() -> None:
    changes = joined(
        {
            "ou=People": Found("7", touched={"a"}),
            "ou=Groups": Found("9", touched={"b"}, present={"b", "c"}, everything="It moved."),
        }
    )
    assert changes.touched == {"a", "b"}
    assert changes.present == {"ou=Groups": {"b", "c"}}
    assert (changes.everything, changes.empty) == ("It moved.", False)
    assert unpacked(changes.cookie) == {"ou=People": "7", "ou=Groups": "9"}
    assert joined({"ou=People": Found("7")}).empty


def test_an_answer_that_lists_nobody_says_that_everybody_is_gone() -> None:
    assert not joined({"ou=People": Found("7", present=set())}).empty


@pytest.mark.parametrize("cookie", [b"", b"\xff\x00", b"[1]", b"7", b'"text"'])
def test_a_cookie_that_nobody_packed_reads_everything(cookie: bytes) -> None:
    with pytest.raises(ChangesRefused):
        unpacked(cookie)
    assert unpacked(packed({"dc=example": "7"})) == {"dc=example": "7"}


def test_groups_and_branches_are_told_by_their_classes() -> None:
    assert is_group([b"top", b"groupOfNames"])
    assert not is_group([b"top", b"person"])
    assert is_branch([b"top", b"organizationalUnit"])
    assert not is_branch([b"\xff"])


def test_keys_of_active_directory_are_asked_by_their_bytes() -> None:
    guid = "00112233-4455-6677-8899-aabbccddeeff"
    (text,) = filters_of_keys("objectGUID", [guid])
    assert text == (
        r"(|(objectGUID=\33\22\11\00\55\44\77\66\88\99\aa\bb\cc\dd\ee\ff))"
    )  # fmt: skip
    assert filters_of_keys("entryUUID", [guid]) == [f"(|(entryUUID={guid}))"]
    assert filters_of_keys("entryUUID", []) == []


def test_a_filter_does_not_grow_without_end_and_values_are_escaped() -> None:
    filters = filters_of_keys("entryUUID", ["x"] * 450)
    assert [text.count("entryUUID") for text in filters] == [200, 200, 50]
    (text,) = filters_of_values(("cn", "sn"), ["a*(b)"])
    assert text == r"(|(cn=a\2a\28b\29)(sn=a\2a\28b\29))"
