"""Active Directory as Samba speaks it: keys, disabled accounts, nested groups, ranges, refusals."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import ldap
import pytest

from lab.people import company
from lab.samba import DomainController
from lab.samba_entries import BASE, LEAVERS, STAFF
from provisioning.core.errors import Rejected
from provisioning.core.records import Entry, SourceRecord
from provisioning.directory.groups import Membership
from provisioning.directory.mapping import compile_mapping
from provisioning.directory.presets import DEFAULT_MAPPINGS, GROUP_ATTRIBUTES
from provisioning.directory.probe import probe_directory
from provisioning.directory.reader import Reader
from tests.directory.conftest import MakeSource

pytestmark = pytest.mark.samba

PRESET = DEFAULT_MAPPINGS["active_directory"]
MAPPING = compile_mapping(PRESET.fields, PRESET.disabled)


def people_of(source: SourceRecord) -> dict[str, Entry]:
    with Reader(source) as reader:
        entries = [entry for page in reader.people(MAPPING.attributes) for entry in page]
    assert reader.problems == []
    return {entry.attributes["samaccountname"][0].decode(): entry for entry in entries}


@pytest.fixture
def newcomer(samba: DomainController) -> Iterator[str]:
    """The login of a person whom no other test touches."""
    login = uuid.uuid4().hex[:12]
    samba.add(
        f"CN=Newcomer\\, {login},{STAFF}",
        {
            "objectClass": ["top", "person", "organizationalPerson", "user"],
            "sAMAccountName": [login],
            "proxyAddresses": ["SMTP:new@corp.example", "sip:new@corp.example"],
        },
    )
    yield login
    with samba.administer() as connection:
        found = connection.search_s(BASE, ldap.SCOPE_SUBTREE, f"(sAMAccountName={login})", ["cn"])
        for dn, _ in found:
            if dn:
                connection.delete_s(dn)


def test_people_come_with_their_values_and_the_disabled_are_known(ad_source: MakeSource) -> None:
    found = {login: MAPPING.record(entry) for login, entry in people_of(ad_source()).items()}
    for person in company(60).people:
        mapped = found[person.uid[:20]]
        assert mapped.disabled is person.disabled
        assert mapped.fields["display_name"] == person.name.strip()
        assert mapped.fields["phone"] == person.number
        assert mapped.fields["department"] == person.department


def test_the_key_is_the_text_that_windows_shows_and_survives_rename_and_move(
    samba: DomainController, ad_source: MakeSource, newcomer: str
) -> None:
    before = people_of(ad_source())[newcomer]
    with samba.administer() as connection:
        # Active Directory finds an entry by the text of its objectGUID.
        shown = connection.search_s(f"<GUID={before.guid}>", ldap.SCOPE_BASE, attrlist=["cn"])
    assert shown[0][0] == before.dn
    samba.move(samba.rename(before.dn, f"CN=Renamed {newcomer}"), LEAVERS)
    after = people_of(ad_source(person_bases=(BASE,)))[newcomer]
    assert after.guid == before.guid
    assert after.dn == f"CN=Renamed {newcomer},{LEAVERS}"


def test_disabling_somebody_shows_in_the_record_and_the_digest(
    samba: DomainController, ad_source: MakeSource, newcomer: str
) -> None:
    before = people_of(ad_source())[newcomer]
    assert MAPPING.record(before).disabled
    assert MAPPING.record(before).fields["sip_address"] == "new@corp.example"
    # 0x20 is PASSWD_NOTREQD: the newcomer has no password.
    samba.modify(before.dn, {"userAccountControl": [str(0x200 | 0x20)]})
    after = people_of(ad_source())[newcomer]
    assert not MAPPING.record(after).disabled
    assert MAPPING.digest(after) != MAPPING.digest(before)


def test_nested_groups_resolve_to_the_same_people_as_in_the_company(ad_source: MakeSource) -> None:
    membership, names, logins = Membership(), {}, {}
    with Reader(ad_source()) as reader:
        for page in reader.people(("sAMAccountName",)):
            for entry in page:
                membership.add_person(entry)
                logins[entry.guid] = entry.attributes["samaccountname"][0].decode()
        for page in reader.groups(GROUP_ATTRIBUTES):
            for entry in page:
                membership.add_group(entry)
                names[entry.guid] = entry.attributes["cn"][0].decode()
    found = {names[each.guid]: each for each in membership.resolve()}
    ours = company(60)
    for group in ours.groups:
        expected = {uid[:20] for uid in ours.members(group.name)}
        assert {logins[guid] for guid in found[group.name].effective} >= expected
        assert (found[group.name].foreign, found[group.name].unknown) == (0, ())


def test_values_that_come_in_ranges_are_put_together(ad_source: MakeSource) -> None:
    """Windows cuts at 1,500 members by itself; Samba does when it is asked to."""
    largest = max(company(60).groups, key=lambda group: len(group.people))
    source = ad_source(group_filter=f"(cn={largest.name})")
    with Reader(source) as reader:
        ((whole,),) = reader.groups(("member",))
        ((ranged,),) = reader.groups(("member;range=0-2",))
    assert len(whole.attributes["member"]) > 3
    assert sorted(ranged.attributes["member"]) == sorted(whole.attributes["member"])
    assert not any("range" in name for name in ranged.attributes)


def test_a_simple_bind_without_tls_is_answered_with_what_to_choose(
    samba: DomainController, ad_source: MakeSource
) -> None:
    with pytest.raises(Rejected, match="Choose LDAPS or StartTLS"), \
            Reader(ad_source(uris=(samba.uri,), tls="none")):  # fmt: skip
        pass
    assert people_of(ad_source(uris=(samba.uri,), tls="starttls"))


def test_a_wrong_password_is_explained_from_the_sub_code(ad_source: MakeSource) -> None:
    with pytest.raises(Rejected, match="the password is wrong"), Reader(ad_source(bind_secret="x")):
        pass


def test_the_whole_domain_can_be_read_and_its_referrals_are_left_alone(
    ad_source: MakeSource,
) -> None:
    logins = people_of(ad_source(person_bases=(BASE,)))
    assert "krbtgt" not in logins
    assert "svc-rtcadmin" in logins


def test_the_connection_test_passes_every_step(ad_source: MakeSource) -> None:
    steps = list(probe_directory(ad_source(), MAPPING.attributes))
    assert [step.text for step in steps if not step.ok] == []
    signed_in = next(step for step in steps if step.name == "Sign-in")
    assert "Server: Samba" in signed_in.detail
    changes = next(step for step in steps if step.name == "Changes")
    assert "DirSync" in changes.text
