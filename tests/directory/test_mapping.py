"""Entries become persons by expressions; what cannot be used is refused alone."""

from __future__ import annotations

import pytest

from provisioning.core.errors import InvalidInput
from provisioning.core.records import PERSON_FIELDS, Entry
from provisioning.directory.mapping import MAX_LENGTH, PersonMapping, compile_mapping
from provisioning.directory.presets import DEFAULT_MAPPINGS

Values = dict[str, bytes | list[bytes]]


def entry(values: Values, dn: str = "CN=Ann,DC=corp") -> Entry:
    attributes = {n.lower(): v if isinstance(v, list) else [v] for n, v in values.items()}
    return Entry("12345678-0000-0000-0000-000000000000", dn, attributes)


def preset(name: str) -> PersonMapping:
    chosen = DEFAULT_MAPPINGS[name]
    return compile_mapping(chosen.fields, chosen.disabled)


ANN: Values = {
    "sAMAccountName": b"ann.bee",
    "displayName": "Ann Bée".encode(),
    "cn": b"Ann",
    "userAccountControl": b"512",
    "telephoneNumber": "\u202a+44 20 7946 0000\u202c".encode(),
    "proxyAddresses": [b"SMTP:ann@corp.example", b"SIP:ann@sip.example"],
}


def test_active_directory_fills_the_fields_in_their_order() -> None:
    person = preset("active_directory").record(entry(ANN))
    assert tuple(person.fields) == PERSON_FIELDS
    assert person.fields["login"] == "ann.bee"
    assert person.fields["display_name"] == "Ann Bée"
    assert person.fields["phone"] == "+44 20 7946 0000"
    assert person.fields["sip_address"] == "ann@sip.example"
    assert person.fields["mail"] == ""
    assert not person.disabled


@pytest.mark.parametrize(
    ("control", "disabled"), [(b"512", False), (b"514", True), (b"66050", True)]
)
def test_active_directory_disables_by_bit_two(control: bytes, disabled: bool) -> None:
    mapped = preset("active_directory").record(entry({**ANN, "userAccountControl": control}))
    assert mapped.disabled is disabled


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"userAccountControl": []}, "useraccountcontrol is missing"),
        ({"userAccountControl": b"enabled"}, "not a whole number"),
        ({"displayName": b"Ann \xff"}, "displayname is not UTF-8"),
        ({"telephoneNumber": b"\xc3("}, "telephonenumber is not UTF-8"),
        ({"sAMAccountName": b"ann\nadmin=1"}, "login contains a line break"),
        ({"sAMAccountName": "ann\u202e".encode()}, "login contains a line break or a control"),
        ({"mail": b"a" * 201}, "mail has 201 characters"),
        ({"telephoneNumber": b"1" * 201}, "phone has 201 characters"),
    ],
)
def test_an_entry_that_cannot_be_used_is_refused_with_the_reason(
    changes: Values, says: str
) -> None:
    with pytest.raises(InvalidInput, match=says):
        preset("active_directory").record(entry({**ANN, **changes}))


def test_a_value_that_is_only_shown_becomes_one_line_of_200_characters() -> None:
    title = "Head\u2028of\x00 " + "x" * 300
    fields = preset("openldap").record(entry({"title": title.encode()})).fields
    assert fields["title"].startswith("Head of xxx")
    assert len(fields["title"]) == MAX_LENGTH


@pytest.mark.parametrize(
    ("name", "values", "disabled"),
    [
        ("openldap", {}, False),
        ("openldap", {"pwdAccountLockedTime": b"000001010000Z"}, True),
        ("openldap", {"pwdAccountLockedTime": b"20260101120000Z"}, False),
        ("389ds", {"nsAccountLock": b"TRUE"}, True),
        ("389ds", {}, False),
    ],
)
def test_other_directories_disable_in_their_own_way(
    name: str, values: Values, disabled: bool
) -> None:
    assert preset(name).record(entry({"uid": b"ann", **values})).disabled is disabled


def test_an_expression_that_cannot_be_read_names_its_field() -> None:
    with pytest.raises(InvalidInput, match=r"^mail: "):
        compile_mapping({"mail": "first(mail"}, "")
    with pytest.raises(InvalidInput, match=r"^disabled: "):
        compile_mapping({"mail": "mail"}, "bit(")
    with pytest.raises(InvalidInput, match="no field “salary”"):
        compile_mapping({"salary": "salary"}, "")


def test_only_what_is_read_is_asked_for() -> None:
    mapping = compile_mapping({"login": "uid", "mail": "first(mail, '{uid}@corp.example')"}, "")
    assert mapping.attributes == ("mail", "uid")
    assert mapping.record(entry({"uid": b"ann"})).fields["mail"] == "ann@corp.example"


def test_the_digest_is_blind_to_the_order_of_values_and_to_what_is_not_read() -> None:
    mapping = preset("active_directory")
    addresses = [b"SIP:ann@sip.example", b"SMTP:ann@corp.example"]
    turned = {**ANN, "proxyAddresses": addresses, "whenChanged": b"now"}
    assert len(mapping.digest(entry(ANN))) == 16
    assert mapping.digest(entry(ANN)) == mapping.digest(entry(turned))


@pytest.mark.parametrize(
    "changed",
    [
        entry(ANN, "CN=Ann,OU=Leavers,DC=corp"),
        entry({**ANN, "userAccountControl": b"514"}),
        entry({**ANN, "telephoneNumber": []}),
        entry({**ANN, "title": b""}),
        entry({**ANN, "proxyAddresses": b"SMTP:ann@corp.example 21:SIP:ann@sip.example"}),
        entry({**ANN, "cn": b"Ann 1", "displayName": "Bée".encode()}),
    ],
)
def test_the_digest_sees_every_change_that_is_read(changed: Entry) -> None:
    mapping = preset("active_directory")
    assert mapping.digest(changed) != mapping.digest(entry(ANN))


def test_an_edited_mapping_changes_every_digest() -> None:
    before = compile_mapping({"login": "uid", "mail": "mail"}, "")
    after = compile_mapping({"login": "lower(uid)", "mail": "mail"}, "")
    swapped = compile_mapping({"login": "mail", "mail": "uid"}, "")
    somebody = entry({"uid": b"ann", "mail": b"ann@corp.example"})
    assert len({each.digest(somebody) for each in (before, after, swapped)}) == 3


@pytest.mark.parametrize(
    "text", ["userPassword", "'{ms-Mcs-AdmPwd}'", "first(mail, unicodePwd;binary)"]
)
def test_passwords_of_the_directory_are_never_read(text: str) -> None:
    with pytest.raises(InvalidInput, match="never read"):
        compile_mapping({"title": text}, "")
    with pytest.raises(InvalidInput, match="never read"):
        compile_mapping({}, text)
