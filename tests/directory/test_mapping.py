"""Entries become persons by expressions; what cannot be used is refused alone."""

from __future__ import annotations

import pytest

from provisioning.core.errors import InvalidInput
from provisioning.core.records import KINDS, PERSON_FIELDS, PERSON_FLAGS, Entry
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
    "accountExpires": b"9223372036854775807",
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
    assert person.fields["mail"] == "ann@corp.example"
    assert person.fields["kind"] == "person"
    assert person.flags == dict.fromkeys(PERSON_FLAGS, False)


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
        ({"accountExpires": []}, "accountexpires is missing, so nobody knows who expires"),
        ({"accountExpires": b"tomorrow"}, "not a moment"),
        ({"msRTCSIP-Line": b"tel:+442079460001;ext=" + b"1" * 201}, "extension has 201"),
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
        ("openldap", {"pwdAccountLockedTime": [b"20260101120000Z"]}, False),
        ("389ds", {"nsAccountLock": b"TRUE"}, True),
        ("389ds", {"nsAccountLock": b"false"}, False),
        ("389ds", {}, False),
    ],
)
def test_other_directories_disable_in_their_own_way(
    name: str, values: Values, disabled: bool
) -> None:
    assert preset(name).record(entry({"uid": b"ann", **values})).disabled is disabled


@pytest.mark.parametrize(
    ("values", "kind", "disabled"),
    [
        ({}, "person", True),
        ({"msExchRecipientTypeDetails": b"1"}, "person", True),
        ({"msExchRecipientTypeDetails": b"2147483648"}, "person", True),
        ({"msExchRecipientTypeDetails": b"2"}, "person", False),
        ({"msExchRecipientTypeDetails": b"16"}, "room", False),
        ({"msExchRecipientTypeDetails": b"8589934592"}, "room", False),
        ({"msExchRecipientDisplayType": b"7"}, "room", False),
    ],
)
def test_the_users_behind_mailboxes_are_disabled_and_did_not_leave(
    values: Values, kind: str, disabled: bool
) -> None:
    mapped = preset("active_directory").record(
        entry({**ANN, "userAccountControl": b"514"} | values)
    )
    assert (mapped.fields["kind"], mapped.disabled) == (kind, disabled)


@pytest.mark.parametrize(
    "value",
    [b"4", b"32", b"34359738368", b"17179869184", b"8388608", b"536870912", b"549755813888"],
)
def test_shared_mailboxes_equipment_and_the_system_s_own_are_left_out(value: bytes) -> None:
    # Nothing else of such an entry counts: a login or userAccountControl may well be missing.
    found = entry({"cn": b"Shared", "msExchRecipientTypeDetails": value})
    assert preset("active_directory").record(found).is_left_out


def test_each_kind_may_be_disabled_in_its_own_way() -> None:
    fields = {"login": "uid", "kind": "employeeType", "disabled_service": "equals(l, 'off')"}
    mapping = compile_mapping(fields, "l")
    found = {
        kind: mapping.record(entry({"uid": b"x", "employeeType": kind.encode(), "l": b"on"}))
        for kind in KINDS
    }
    assert {kind: one.disabled for kind, one in found.items()} == {
        "person": True, "room": True, "common-area phone": True, "contractor": True,
        "service": False,
    }  # fmt: skip
    with pytest.raises(InvalidInput, match="kind is “robot”; there are person, room"):
        mapping.record(entry({"uid": b"x", "employeeType": b"robot"}))


@pytest.mark.parametrize(
    ("name", "values", "flags", "expires"),
    [
        ("active_directory", {"lockoutTime": b"0", "pwdLastSet": b"1"}, (False, False), ""),
        ("active_directory", {"lockoutTime": b"134000000000000000"}, (True, False), ""),
        ("active_directory", {"pwdLastSet": b"0"}, (False, True), ""),
        ("active_directory", {"pwdLastSet": b"0", "userAccountControl": b"66048"},
         (False, False), ""),
        ("active_directory", {"accountExpires": b"134000000000000000"}, (False, False),
         "2025-08-18T14:13:20Z"),
        ("openldap", {"pwdAccountLockedTime": b"20260101120000Z"}, (True, False), ""),
        ("openldap", {"pwdAccountLockedTime": b"000001010000Z"}, (False, False), ""),
        ("openldap", {"pwdReset": b"TRUE"}, (False, True), ""),
        ("openldap", {"shadowExpire": b"20000"}, (False, False), "2024-10-04T00:00:00Z"),
        ("openldap", {"shadowExpire": b"-1"}, (False, False), ""),
        ("openldap", {"pwdEndTime": b"20300101000000Z", "shadowExpire": b"1"}, (False, False),
         "2030-01-01T00:00:00Z"),
        ("389ds", {"accountUnlockTime": b"20300101000000Z"}, (True, False), ""),
        ("389ds", {"passwordExpirationTime": b"19700101000000Z"}, (False, True), ""),
        ("389ds", {"krbPrincipalExpiration": b"20300101000000Z"}, (False, False),
         "2030-01-01T00:00:00Z"),
    ],
)  # fmt: skip
def test_locked_out_expired_and_must_change_are_told_apart(
    name: str, values: Values, flags: tuple[bool, bool], expires: str
) -> None:
    mapped = preset(name).record(entry({**ANN, "uid": b"ann", **values}))
    assert (mapped.flags["locked_out"], mapped.flags["must_change_password"]) == flags
    assert mapped.fields["expires_at"] == expires
    assert mapped.disabled is (values.get("pwdAccountLockedTime") == b"000001010000Z")


def test_active_directory_gives_the_line_of_lync_and_the_manager() -> None:
    line = b"tel:+442079460001;ext=4001"
    boss = b"CN=Boss,OU=" + b"x" * 300 + b",DC=corp"
    lync: Values = {**ANN, "telephoneNumber": [], "msRTCSIP-Line": line, "manager": boss}
    fields = preset("active_directory").record(entry(lync)).fields
    assert (fields["phone"], fields["extension"]) == ("+442079460001", "4001")
    assert fields["manager"] == boss.decode()


def test_numbers_are_read_by_the_country_of_the_site() -> None:
    texts = {"phone": "e164(telephoneNumber)", "office": "l", "country": "country(co)"}
    regions = {"london office": "GB", "paris": "FR"}
    mapping = compile_mapping(texts, "", regions=regions)

    def phone(**values: bytes) -> str:
        return mapping.record(entry({"telephoneNumber": b"020 7946 0001", **values})).fields[
            "phone"
        ]

    assert phone(l=b"London  Office", co=b"France") == "+442079460001"
    assert phone(co=b"United Kingdom") == "+442079460001"
    assert phone() == ""
    moved = compile_mapping(texts, "", regions={**regions, "paris": "BE"})
    unread = compile_mapping({"phone": "e164(telephoneNumber, 'GB')"}, "", regions=regions)
    one = entry({"telephoneNumber": b"1"})
    assert moved.digest(one) != mapping.digest(one), "a changed site is a changed mapping"
    assert unread.digest(one) == compile_mapping(
        {"phone": "e164(telephoneNumber, 'GB')"}, ""
    ).digest(one)


def test_binary_identifiers_are_read_as_text_and_pictures_never() -> None:
    sid = bytes.fromhex("010500000000000515000000a065cf7e784b9b5fe77c8770091c0100")
    guid = bytes.fromhex("00112233445566778899aabbccddeeff")
    mapping = compile_mapping({"employee_id": "objectSid", "custom": "'{objectGUID}'"}, "")
    fields = mapping.record(entry({"objectSid": sid, "objectGUID": guid})).fields
    assert fields["employee_id"] == "S-1-5-21-2127521184-1604012920-1887927527-72713"
    assert fields["custom"] == "33221100-5544-7766-8899-aabbccddeeff"
    with pytest.raises(InvalidInput, match="binary"):
        compile_mapping({"title": "first(title, thumbnailPhoto)"}, "")
    with pytest.raises(InvalidInput, match="A GUID has 3 bytes"):
        mapping.record(entry({"objectGUID": b"abc"}))


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
    "text",
    [
        "userPassword",
        "'{ms-Mcs-AdmPwd}'",
        "first(mail, unicodePwd;binary)",
        "msLAPS-Password",
        "krbPrincipalKey",
        "ipaNTHash",
        "companyVoicemailPassword",
    ],
)
def test_passwords_of_the_directory_are_never_read(text: str) -> None:
    with pytest.raises(InvalidInput, match="never read"):
        compile_mapping({"title": text}, "")
    with pytest.raises(InvalidInput, match="never read"):
        compile_mapping({}, text)
