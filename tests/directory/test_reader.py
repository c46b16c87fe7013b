"""A read brings every person and every group once, keyed by what survives renames."""

from __future__ import annotations

import socket

import ldap
import pytest
from ldap.dn import escape_dn_chars

from lab.people import Company
from lab.slapd import Slapd
from lab.slapd_entries import GROUPS, LEAVERS, PEOPLE, SUFFIX, group_dn, person_dn
from provisioning.core.errors import IncompleteRead, InvalidInput, Rejected
from provisioning.core.records import Entry, SourceRecord
from provisioning.directory.dn import normalise_dn
from provisioning.directory.groups import Membership
from provisioning.directory.mapping import compile_mapping
from provisioning.directory.presets import DEFAULT_MAPPINGS, GROUP_ATTRIBUTES
from provisioning.directory.reader import Reader
from tests.directory.conftest import MakeSource


def people_of(source: SourceRecord, *attributes: str) -> dict[str, Entry]:
    """Everybody by uid, after a whole read without a problem."""
    with Reader(source) as reader:
        entries = [e for page in reader.people({"uid", *attributes}) for e in page]
    assert reader.problems == []
    assert len({e.guid for e in entries}) == len(entries)
    return {e.attributes["uid"][0].decode(): e for e in entries}


def test_everybody_comes_in_pages_with_the_mapped_values(
    source: MakeSource, people: Company
) -> None:
    preset = DEFAULT_MAPPINGS["openldap"]
    mapping = compile_mapping(preset.fields, preset.disabled)
    with Reader(source()) as reader:
        pages = list(reader.people(mapping.attributes))
    assert [len(page) for page in pages] == [9, 9, 9, 9, 9, 9, 6]
    persons = {
        mapped.fields["login"]: mapped
        for page in pages
        for mapped in (mapping.record(entry) for entry in page)
    }
    assert persons.keys() == {person.uid for person in people.people}
    for person in people.people:
        mapped = persons[person.uid]
        assert mapped.disabled is person.disabled
        assert mapped.fields["display_name"] == person.name.strip()
        assert mapped.fields["phone"] == person.number
        assert mapped.fields["office"] == person.site.office
        assert mapped.fields["country"] == person.site.country


@pytest.mark.parametrize("tls", ["starttls", "none"])
def test_starttls_and_an_unencrypted_connection_work_where_they_are_chosen(
    slapd: Slapd, source: MakeSource, tls: str
) -> None:
    assert len(people_of(source(uris=(slapd.uri,), tls=tls))) == 60


def test_nested_groups_resolve_to_the_same_people_as_in_the_company(
    source: MakeSource, people: Company
) -> None:
    membership = Membership()
    uids = {}
    with Reader(source()) as reader:
        for page in reader.people(("uid",)):
            for entry in page:
                membership.add_person(entry)
                uids[entry.guid] = entry.attributes["uid"][0].decode()
        names = {}
        for page in reader.groups(GROUP_ATTRIBUTES):
            for entry in page:
                membership.add_group(entry)
                names[entry.guid] = entry.attributes["cn"][0].decode()
    found = {names[each.guid]: each for each in membership.resolve()}
    assert found.keys() == {group.name for group in people.groups}
    for group in people.groups:
        assert {uids[guid] for guid in found[group.name].effective} == people.members(group.name)
        assert {uids[guid] for guid in found[group.name].direct} == set(group.people)
        assert {names[guid] for guid in found[group.name].children} == set(group.groups)


def test_the_key_survives_a_rename_and_a_move(
    slapd: Slapd, source: MakeSource, people: Company
) -> None:
    person = people.people[3]
    before = people_of(source())[person.uid]
    moved = slapd.move(slapd.rename(person_dn(person), r"uid=Other\, Name"), LEAVERS)
    after = people_of(source(person_bases=(PEOPLE, LEAVERS)))["Other, Name"]
    assert after.guid == before.guid
    assert after.dn != before.dn
    assert normalise_dn(after.dn) == normalise_dn(moved)


def test_the_same_login_on_a_new_entry_has_a_new_key(
    slapd: Slapd, source: MakeSource, people: Company
) -> None:
    person = people.people[5]
    before = people_of(source())[person.uid]
    slapd.delete(person_dn(person))
    slapd.add_person(person)
    assert people_of(source())[person.uid].guid != before.guid


def test_overlapping_bases_bring_everybody_once(source: MakeSource) -> None:
    assert len(people_of(source(person_bases=(PEOPLE, SUFFIX, PEOPLE)))) == 60


@pytest.mark.parametrize(
    "name",
    ["Comma, Inc", 'Quote "Q"', "Plus+Equals=", "#Hash", "Semi;<angle>", "Back\\slash", " Space ",
     "Zoë 李 😀", "Star*(paren)", "Line\nbreak"],
)  # fmt: skip
def test_an_odd_dn_is_found_again_as_a_member(slapd: Slapd, source: MakeSource, name: str) -> None:
    dn = f"cn={escape_dn_chars(name)},{PEOPLE}"
    attributes = {"objectClass": ["inetOrgPerson"], "cn": [name], "sn": ["Odd"], "uid": ["odd"]}
    slapd.add(dn, attributes)
    group = {"objectClass": ["groupOfNames"], "cn": ["odd"], "member": [dn.upper()]}
    slapd.add(group_dn("odd"), group)
    membership = Membership()
    odd = people_of(source())["odd"]
    membership.add_person(odd)
    with Reader(source(group_filter="(cn=odd)")) as reader:
        for page in reader.groups(("member",)):
            for entry in page:
                membership.add_group(entry)
    (resolved,) = membership.resolve()
    assert resolved.effective == {odd.guid}


def test_another_servers_part_is_never_followed(slapd: Slapd, source: MakeSource) -> None:
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        elsewhere.settimeout(0.2)
        port = elsewhere.getsockname()[1]
        referral = {
            "objectClass": ["referral", "extensibleObject"],
            "ou": ["Branch"],
            "ref": [f"ldap://127.0.0.1:{port}/ou=Branch,{PEOPLE}"],
        }
        # Without the ManageDsaIT control (RFC 3296) slapd answers with the referral itself.
        slapd.add(f"ou=Branch,{PEOPLE}", referral)
        assert len(people_of(source())) == 60
        with pytest.raises(InvalidInput, match="kept by another server"), \
                Reader(source(person_bases=(f"ou=Branch,{PEOPLE}",))) as reader:  # fmt: skip
            list(reader.people(("uid",)))
        with pytest.raises(TimeoutError):
            elsewhere.accept()


def test_an_entry_without_a_usable_key_is_reported_and_the_others_come(
    slapd: Slapd, source: MakeSource, people: Company
) -> None:
    """Here a telephone number is taken for the key, so that nobody has one."""
    with Reader(source(key_attribute="telephoneNumber")) as reader:
        assert list(reader.people(("uid",))) == []
    assert reader.left_out == len(reader.problems) == 60
    assert {problem.message for problem in reader.problems} == {
        "telephoneNumber is not a UUID",
        "telephoneNumber is missing or may not be read",
    }
    slapd.modify(person_dn(people.people[0]), {"employeeNumber": ["0" * 32]})
    with Reader(source(key_attribute="employeeNumber")) as reader:
        (page,) = reader.people(("uid",))
    assert [entry.guid for entry in page] == ["00000000-0000-0000-0000-000000000000"]
    assert reader.left_out == 59


def test_no_password_is_refused_before_anything_is_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        record = SourceRecord(
            "Head office", (f"ldap://127.0.0.1:{server.getsockname()[1]}",), "none", "",
            "cn=reader", "", (PEOPLE,), "(uid=*)", (GROUPS,), "(cn=*)", "entryUUID",
        )  # fmt: skip
        with pytest.raises(Rejected, match="no bind DN or no password"), Reader(record):
            pass
        with pytest.raises(TimeoutError):
            server.accept()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"person_bases": (f"ou=Gone,{SUFFIX}",)}, "ou=Gone,.* does not exist"),
        ({"person_bases": ("dc=elsewhere",)}, "dc=elsewhere does not exist"),
        ({"person_bases": ("people",)}, "The base people is not a DN"),
        ({"person_filter": "(uid=*"}, "The filter for .* cannot be read"),
        ({"uris": ("ldapi:///run/slapd",)}, "not an address"),
        ({"uris": ("ldap://127.0.0.1",)}, "does not fit the chosen encryption"),
        ({"uris": ()}, "has no address"),
    ],
)
def test_what_an_administrator_entered_wrongly_is_named(
    source: MakeSource, changes: dict[str, object], says: str
) -> None:
    with pytest.raises(InvalidInput, match=says), Reader(source(**changes)) as reader:
        list(reader.people(("uid",)))


def test_the_bind_password_is_in_no_error_and_no_repr(slapd: Slapd, source: MakeSource) -> None:
    wrong = "a-very-secret-password"
    record = source(bind_secret=wrong)
    assert wrong not in repr(record)
    with pytest.raises(Rejected, match="its password is wrong") as caught, Reader(record):
        pass
    chain = [caught.value, caught.value.__cause__]
    assert isinstance(chain[1], ldap.INVALID_CREDENTIALS)
    assert not any(wrong in repr(error) for error in chain)


def test_members_that_are_not_handed_out_to_the_last_break_the_read(
    source: MakeSource, people: Company
) -> None:
    """OpenLDAP knows no ranges, so it does not answer with the next one."""
    dn = group_dn(people.groups[0].name)
    with Reader(source()) as reader:
        assert reader._names["member;range=0-0",] == ("member;range=0-0",)
        assert reader._names.ranged == {"member;range=0-0"}
        with pytest.raises(IncompleteRead, match="broke off after 1 values of member"):
            reader._complete(dn, {"member;range=0-0": [b"uid=first"]})
