"""The sync against Active Directory as Samba speaks it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import ldap
import pytest

from lab.people import company
from lab.samba import DomainController
from lab.samba_entries import BASE, GROUPS, LEAVERS, NORMAL, STAFF, quoted
from provisioning.core.states import State
from provisioning.directory.presets import DEFAULT_MAPPINGS
from provisioning.models import Account, DirectoryGroup, DirectorySource, Person, Run
from provisioning.services.actor import COMMAND_LINE, SYNC
from provisioning.services.directory.mapping_sample import try_mapping
from provisioning.services.directory.memberships import find_memberships
from provisioning.services.directory.nesting import find_members
from provisioning.services.directory.person_facts import find_manager
from provisioning.services.directory.photos import find_photo
from provisioning.services.directory.sources import save_source
from provisioning.services.runs import runs
from tests.factories import make_person, make_rule, make_source
from tests.lab.fixtures import samba

__all__ = ["samba"]

# [MS-ADTS] 2.2.12: a domain local security group, the only kind that takes members from elsewhere.
DOMAIN_LOCAL_GROUP = -0x80000000 | 0x4
OUTSIDER = "S-1-5-21-9-8-7"

pytestmark = [pytest.mark.database, pytest.mark.django_db, pytest.mark.samba]


@pytest.fixture
def newcomer(samba: DomainController) -> Iterator[str]:
    """The user name of an enabled person whom no other test touches."""
    login = uuid.uuid4().hex[:12]
    samba.add(
        f"CN=Newcomer\\, {login},{STAFF}",
        {
            "objectClass": ["top", "person", "organizationalPerson", "user"],
            "sAMAccountName": [login],
            "unicodePwd": [quoted(samba.person_password)],
            "userAccountControl": [str(NORMAL)],
            "telephoneNumber": ["+44 20 7946 0123"],
        },
    )
    yield login
    with samba.administer() as connection:
        found = connection.search_s(BASE, ldap.SCOPE_SUBTREE, f"(sAMAccountName={login})", ["cn"])
        for dn, _ in found:
            if dn:
                connection.delete_s(dn)


@pytest.fixture
def source(samba: DomainController) -> DirectorySource:
    """The lab's domain, with a rule for everybody."""
    make_rule(name="Everybody")
    preset = DEFAULT_MAPPINGS["active_directory"]
    source = DirectorySource(
        name="Active Directory", kind="active_directory", uris=samba.tls_uri, tls="ldaps",
        ca_pem=samba.ca_file.read_text(), bind_dn=samba.bind_name,
        person_bases=f"{STAFF}\n{LEAVERS}", person_filter=preset.person_filter,
        group_bases=GROUPS, group_filter=preset.group_filter,
        key_attribute=preset.key_attribute, mapping=dict(preset.fields),
        disabled_expression=preset.disabled, page_size=25, limit_percent=100,
    )  # fmt: skip
    save_source(source=source, actor=COMMAND_LINE, secret=samba.bind_password)
    return source


def sync(source: DirectorySource) -> Run:
    run = runs.request_sync(source=source, actor=SYNC)
    runs.execute_run(run_id=run.pk)
    run.refresh_from_db()
    return run


def _dn(login: str) -> str:
    return Person.objects.get(login=login).dn


def test_people_and_nested_groups_of_a_domain(source: DirectorySource) -> None:
    run = sync(source)
    assert run.state == Run.State.DONE
    people = company(60)
    logins = set(Person.objects.values_list("login", flat=True))
    assert {one.uid[:20] for one in people.people} <= logins
    for group in people.groups:
        kept = DirectoryGroup.objects.get(name=group.name)
        members = set(find_members(group=kept).values_list("login", flat=True))
        assert {uid[:20] for uid in people.members(group.name)} <= members
    disabled = {one.uid[:20] for one in people.people if one.disabled}
    states = dict(Account.objects.values_list("person__login", "state"))
    assert {states[login] for login in disabled if login in states} == {State.PREPARED}


def test_the_life_of_somebody_in_a_domain(
    source: DirectorySource, samba: DomainController, newcomer: str
) -> None:
    sync(source)
    account = Account.objects.get(person__login=newcomer)
    assert (account.state, account.number.e164) == (State.ACTIVE, "+442079460123")
    guid = Person.objects.get(login=newcomer).guid
    samba.disable(_dn(newcomer))
    sync(source)
    account.refresh_from_db()
    assert account.state == State.DISABLED
    samba.enable(_dn(newcomer))
    samba.move(samba.rename(_dn(newcomer), f"CN=Renamed {newcomer}"), LEAVERS)
    sync(source)
    account.refresh_from_db()
    assert account.state == State.ACTIVE
    person = Person.objects.get(guid=guid)
    assert person.dn == f"CN=Renamed {newcomer},{LEAVERS}"
    samba.delete(person.dn)
    sync(source)
    account.refresh_from_db()
    assert account.state == State.GRACE


@pytest.fixture
def outsiders(samba: DomainController) -> Iterator[str]:
    """The name of a group with two members of another forest, whom no other test touches."""
    name = f"Outsiders {uuid.uuid4().hex[:8]}"
    dn = f"CN={name},{GROUPS}"
    samba.add(
        dn,
        {
            "objectClass": ["top", "group"],
            "sAMAccountName": [name],
            "groupType": [str(DOMAIN_LOCAL_GROUP)],
            # The domain makes a foreignSecurityPrincipal of each.
            "member": [f"<SID={OUTSIDER}-1105>", f"<SID={OUTSIDER}-1106>"],
        },
    )
    yield name
    samba.delete(dn)
    for number in (1105, 1106):
        samba.delete(f"CN={OUTSIDER}-{number},CN=ForeignSecurityPrincipals,{BASE}")


def test_members_of_another_forest_are_found_by_their_sid(
    source: DirectorySource, outsiders: str
) -> None:
    sync(source)
    group = DirectoryGroup.objects.get(name=outsiders)
    assert (group.foreign_count, group.unresolved_count, group.member_count) == (2, 0, 0)
    known = make_person("Bea", source=make_source(), sid=f"{OUTSIDER}-1106")
    run = sync(source)
    assert run.counts["group.update"] == 1
    group.refresh_from_db()
    assert (group.foreign_count, group.unresolved_count, group.member_count) == (1, 0, 1)
    assert [person.pk for person in find_members(group=group)] == [known.pk]
    assert sync(source).counts.get("group.update", 0) == 0


def test_everybody_is_in_their_primary_group(source: DirectorySource, newcomer: str) -> None:
    source.group_bases = BASE
    source.group_filter = "(|(cn=Domain Users)(cn=Users))"
    source.save()
    sync(source)
    domain_users = DirectoryGroup.objects.get(name="Domain Users")
    assert domain_users.member_count == Person.objects.filter(source=source).count()
    person = Person.objects.get(login=newcomer)
    assert person.sid.startswith("S-1-5-21-")
    ways = {path.group.name: path.words(person) for path in find_memberships(person=person)}
    # What Active Directory calls the built-in group Users holds Domain Users.
    assert ways == {
        "Domain Users": f"{person} → Domain Users",
        "Users": f"{person} → Domain Users → Users",
    }
    assert find_members(group=domain_users).filter(pk=person.pk, direct=True).exists()


def test_how_a_domain_says_somebody_stands(
    source: DirectorySource, samba: DomainController, newcomer: str
) -> None:
    sync(source)
    person = Person.objects.get(login=newcomer)
    assert (person.expires_at, person.locked_out, person.disabled) == ("", False, False)
    ticks = (2_000_000_000 + 11_644_473_600) * 10_000_000
    boss = Person.objects.exclude(login=newcomer).order_by("pk").first()
    assert boss is not None
    samba.modify(
        person.dn,
        {"accountExpires": [str(ticks)], "pwdLastSet": ["0"], "manager": [boss.dn.encode()]},
    )
    sync(source)
    person.refresh_from_db()
    assert person.expires_at == "2033-05-18T03:33:20Z"
    assert person.must_change_password
    assert find_manager(person) == boss
    assert Account.objects.get(person=person).state == State.ACTIVE
    samba.modify(person.dn, {"accountExpires": [str(132_000_000_000_000_000)]})
    sync(source)
    assert Account.objects.get(person=person).state == State.DISABLED
    samba.modify(person.dn, {"accountExpires": ["0"]})
    sync(source)
    assert Account.objects.get(person=person).state == State.ACTIVE


def test_an_entry_of_a_domain_is_tried_with_its_identifiers_as_text(
    source: DirectorySource, samba: DomainController, newcomer: str
) -> None:
    picture = b"\x89PNG\r\n\x1a\n" + b"\0" * 90
    sync(source)
    person = Person.objects.get(login=newcomer)
    samba.modify(person.dn, {"thumbnailPhoto": [picture]})
    found = try_mapping(source=source, secret=None, text=newcomer)
    assert found.entry is not None
    shown = dict(found.entry.shown)
    assert shown["objectGUID"] == [person.guid]
    assert shown["objectSid"][0].startswith("S-1-5-21-")
    assert shown["thumbnailPhoto"] == ["binary, 98 bytes"]
    assert found.fields["login"].value == newcomer
    assert found.fields["kind"].value == "person"
    assert found.problem == ""
    source.photo_attribute = "thumbnailPhoto"
    source.save()
    assert find_photo(person=Person.objects.get(login=newcomer)) == ("image/png", picture)
