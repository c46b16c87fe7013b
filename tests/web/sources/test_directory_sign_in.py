"""Signing in with a real directory: who is let in, as whom, with which role."""

from __future__ import annotations

import pytest
from django.test import Client

from lab.authority import Authority
from lab.people import DOMAIN, Company, Person, company
from lab.samba import DomainController
from lab.samba_entries import BASE, GROUPS
from lab.samba_entries import group_dn as samba_group_dn
from lab.slapd import Slapd
from lab.slapd_entries import BIND_DN, PEOPLE, group_dn, person_dn
from lab.slapd_entries import GROUPS as SLAPD_GROUPS
from provisioning.core.roles import Role
from provisioning.directory.guid import canonical_guid
from provisioning.directory.presets import DEFAULT_MAPPINGS
from provisioning.models import ConsoleUser, DirectoryGroup, DirectorySource, RoleGroup
from provisioning.services.console.console_users import end_directory_sessions
from tests.conftest import PASSWORD
from tests.factories import make_group
from tests.lab.fixtures import authority, people, samba, slapd

__all__ = ["authority", "people", "samba", "slapd"]

pytestmark = pytest.mark.django_db

REFUSED = "do not let you in"


def make_real_source(kind: str, *, uri: str, ca: str, **values: str) -> DirectorySource:
    preset = DEFAULT_MAPPINGS[kind]
    secret = values.pop("secret")
    source = DirectorySource.objects.create(
        name="corp",
        kind=kind,
        uris=uri,
        tls="ldaps",
        ca_pem=ca,
        person_filter=preset.person_filter,
        group_filter=preset.group_filter,
        mapping=preset.fields,
        disabled_expression=preset.disabled,
        key_attribute=preset.key_attribute,
        allows_sign_in=True,
        **values,
    )
    source.set_bind_secret(secret)
    source.save()
    return source


@pytest.fixture
def source(slapd: Slapd) -> DirectorySource:
    return make_real_source(
        "openldap",
        uri=slapd.tls_uri,
        ca=slapd.ca_file.read_text(),
        bind_dn=BIND_DN,
        secret=slapd.bind_password,
        person_bases=PEOPLE,
        group_bases=SLAPD_GROUPS,
    )


def give_role(slapd: Slapd, source: DirectorySource, name: str, role: Role) -> DirectoryGroup:
    """Give the members of the directory's group a role, as an administrator would."""
    with slapd.administer() as root:
        [(dn, found)] = root.search_s(group_dn(name), 0, attrlist=["entryUUID"])
    group = make_group(name, source=source)
    group.guid, group.dn = canonical_guid("entryuuid", found["entryUUID"]), dn
    group.save()
    RoleGroup.objects.create(source=source, group=group, role=role)
    return group


def sign_in(name: str, password: str) -> tuple[Client, str]:
    """A browser after the sign-in form, and the page that it got."""
    client = Client()
    answer = client.post("/sign-in/", {"username": name, "password": password}, follow=True)
    return client, answer.content.decode()


def members(people: Company, group: str) -> list[Person]:
    uids = people.members(group)
    return [one for one in people.people if one.uid in uids and not one.disabled]


def test_a_member_of_a_group_signs_in_with_its_role(
    slapd: Slapd, people: Company, source: DirectorySource, administrator: ConsoleUser
) -> None:
    give_role(slapd, source, "Console administrators", Role.ADMINISTRATOR)
    person = members(people, "Console administrators")[0]
    client, page = sign_in(person.uid, slapd.person_password)
    assert "Overview" in page
    user = ConsoleUser.objects.get(source=source)
    assert user.username == f"{person.uid}@corp"
    assert (user.role, user.name, user.has_usable_password()) == (
        Role.ADMINISTRATOR, person.name, False,
    )  # fmt: skip
    assert client.get("/administration/").status_code == 200


def test_membership_through_another_group_counts(
    slapd: Slapd, people: Company, source: DirectorySource, administrator: ConsoleUser
) -> None:
    give_role(slapd, source, "Console viewers", Role.VIEWER)
    person = members(people, "Support")[0]
    client, _ = sign_in(person.uid, slapd.person_password)
    assert client.get("/").status_code == 200
    assert client.get("/administration/").status_code == 403


def test_the_best_of_several_roles_counts(
    slapd: Slapd, people: Company, source: DirectorySource, administrator: ConsoleUser
) -> None:
    give_role(slapd, source, "Console viewers", Role.VIEWER)
    give_role(slapd, source, "Support", Role.HELPDESK)
    sign_in(members(people, "Support")[0].uid, slapd.person_password)
    assert ConsoleUser.objects.get(source=source).role == Role.HELPDESK


def test_nobody_outside_the_groups_signs_in(
    slapd: Slapd, people: Company, source: DirectorySource, administrator: ConsoleUser
) -> None:
    give_role(slapd, source, "Console administrators", Role.ADMINISTRATOR)
    allowed = people.members("Console administrators")
    person = next(one for one in people.people if one.uid not in allowed and not one.disabled)
    _, page = sign_in(person.uid, slapd.person_password)
    assert REFUSED in page
    assert not ConsoleUser.objects.filter(source=source).exists()


def test_whoever_leaves_the_group_is_refused_and_signed_out_by_the_sync(
    slapd: Slapd, people: Company, source: DirectorySource, administrator: ConsoleUser
) -> None:
    give_role(slapd, source, "Console administrators", Role.ADMINISTRATOR)
    person = members(people, "Console administrators")[0]
    client, _ = sign_in(person.uid, slapd.person_password)
    slapd.remove_members(group_dn("Console administrators"), person_dn(person))
    _, page = sign_in(person.uid, slapd.person_password)
    assert REFUSED in page
    user = ConsoleUser.objects.get(source=source)
    assert client.get("/").status_code == 200
    assert end_directory_sessions(source=source, guids=[user.guid]) == 1
    assert client.get("/").status_code == 302


def test_a_changed_role_holds_from_the_next_sign_in(
    slapd: Slapd, people: Company, source: DirectorySource, administrator: ConsoleUser
) -> None:
    group = give_role(slapd, source, "Console administrators", Role.ADMINISTRATOR)
    person = members(people, "Console administrators")[0]
    sign_in(person.uid, slapd.person_password)
    RoleGroup.objects.filter(group=group).update(role=Role.VIEWER)
    sign_in(person.uid, slapd.person_password)
    assert ConsoleUser.objects.get(source=source).role == Role.VIEWER


def test_a_local_and_a_directory_admin_stay_two_users(
    slapd: Slapd, people: Company, source: DirectorySource, administrator: ConsoleUser
) -> None:
    local = ConsoleUser.objects.create_user("admin", PASSWORD, role=Role.ADMINISTRATOR)
    give_role(slapd, source, "Console viewers", Role.VIEWER)
    person = members(people, "Support")[0]
    slapd.modify(person_dn(person), {"uid": [person.uid, "admin"]})
    sign_in("admin", slapd.person_password)
    other = ConsoleUser.objects.get(source=source)
    assert other.pk != local.pk
    assert other.role == Role.VIEWER
    client, _ = sign_in("admin", PASSWORD)
    assert client.session["_auth_user_id"] == str(local.pk)
    local.refresh_from_db()
    assert (local.source_id, local.role) == (None, Role.ADMINISTRATOR)


def test_renaming_somebody_in_the_directory_keeps_the_console_user(
    slapd: Slapd, people: Company, source: DirectorySource, administrator: ConsoleUser
) -> None:
    give_role(slapd, source, "Console administrators", Role.ADMINISTRATOR)
    person = members(people, "Console administrators")[0]
    sign_in(person.uid, slapd.person_password)
    before = ConsoleUser.objects.get(source=source)
    slapd.rename(person_dn(person), "uid=renamed")
    sign_in("renamed", slapd.person_password)
    after = ConsoleUser.objects.get(source=source)
    assert (after.pk, after.username) == (before.pk, "renamed@corp")


def test_whoever_is_disabled_in_the_directory_is_refused(
    slapd: Slapd, people: Company, source: DirectorySource, administrator: ConsoleUser
) -> None:
    give_role(slapd, source, "Console administrators", Role.ADMINISTRATOR)
    person = members(people, "Console administrators")[0]
    slapd.disable(person_dn(person))
    _, page = sign_in(person.uid, slapd.person_password)
    assert REFUSED in page


def test_the_sources_own_word_for_disabled_counts_too(
    slapd: Slapd, people: Company, source: DirectorySource, administrator: ConsoleUser
) -> None:
    """Though the directory itself would let them bind."""
    give_role(slapd, source, "Console administrators", Role.ADMINISTRATOR)
    person = members(people, "Console administrators")[0]
    source.disabled_expression = "equals(title, 'Gone')"
    source.save()
    slapd.modify(person_dn(person), {"title": ["Gone"]})
    _, page = sign_in(person.uid, slapd.person_password)
    assert REFUSED in page


def test_a_blocked_console_user_stays_blocked(
    slapd: Slapd, people: Company, source: DirectorySource, administrator: ConsoleUser
) -> None:
    give_role(slapd, source, "Console administrators", Role.ADMINISTRATOR)
    person = members(people, "Console administrators")[0]
    client, _ = sign_in(person.uid, slapd.person_password)
    ConsoleUser.objects.filter(source=source).update(is_active=False)
    assert client.get("/").status_code == 302
    _, page = sign_in(person.uid, slapd.person_password)
    assert REFUSED in page
    assert not ConsoleUser.objects.get(source=source).is_active


def test_sessions_end_where_the_source_lets_nobody_in_any_more(
    slapd: Slapd, people: Company, source: DirectorySource, administrator: ConsoleUser
) -> None:
    give_role(slapd, source, "Console administrators", Role.ADMINISTRATOR)
    client, _ = sign_in(members(people, "Console administrators")[0].uid, slapd.person_password)
    DirectorySource.objects.update(allows_sign_in=False)
    assert client.get("/").status_code == 302


@pytest.mark.parametrize("password", ["wrong", " "])
def test_a_wrong_password_is_refused(
    slapd: Slapd, people: Company, source: DirectorySource, administrator: ConsoleUser,
    password: str,
) -> None:  # fmt: skip
    give_role(slapd, source, "Console administrators", Role.ADMINISTRATOR)
    _, page = sign_in(members(people, "Console administrators")[0].uid, password)
    assert REFUSED in page


@pytest.mark.parametrize("name", ["*", "*)(uid=*", "a)(|(uid=*", "%(user)s", "\\2a", "%s%n"])
def test_a_user_name_is_never_read_as_a_filter(
    slapd: Slapd, people: Company, source: DirectorySource, administrator: ConsoleUser, name: str
) -> None:
    give_role(slapd, source, "Console administrators", Role.ADMINISTRATOR)
    _, page = sign_in(name, slapd.person_password)
    assert REFUSED in page


def test_a_directory_that_is_down_leaves_local_sign_in_alone(
    slapd: Slapd, source: DirectorySource, administrator: ConsoleUser
) -> None:
    slapd.stop()
    client, _ = sign_in(administrator.username, PASSWORD)
    assert client.get("/").status_code == 200
    _, page = sign_in("somebody", "else")
    assert REFUSED in page


def test_a_percent_sign_in_a_dn_is_only_a_character(
    slapd: Slapd, people: Company, source: DirectorySource, administrator: ConsoleUser
) -> None:
    give_role(slapd, source, "Console administrators", Role.ADMINISTRATOR)
    person = members(people, "Console administrators")[0]
    slapd.rename(person_dn(person), "uid=100%s")
    client, _ = sign_in("100%s", slapd.person_password)
    assert client.get("/").status_code == 200


def test_people_sign_in_through_a_source_that_signs_in_with_a_certificate(
    slapd: Slapd, source: DirectorySource, authority: Authority, administrator: ConsoleUser
) -> None:
    """Their passwords are tried, its private key never is, and bases may be narrower."""
    leaf = authority.leaf("rtcadmin")
    source.bind_method, source.bind_dn = "external", ""
    source.client_certificate = leaf.certificate.read_text()
    source.person_bases = f"{PEOPLE}?one?(uid=*)"
    source.set_bind_secret(leaf.key.read_text())
    source.save()
    person = company(60).people[0]
    group = next(each for each in company(60).groups if person.uid in each.people)
    give_role(slapd, source, group.name, Role.HELPDESK)
    client, _ = sign_in(person.uid, slapd.person_password)
    assert client.get("/").status_code == 200
    _, page = sign_in(person.uid, "wrong")
    assert REFUSED in page


@pytest.mark.samba
def test_a_member_of_an_active_directory_group_signs_in_until_disabled(
    samba: DomainController, administrator: ConsoleUser
) -> None:
    source = make_real_source(
        "active_directory",
        uri=samba.tls_uri,
        ca=samba.ca_file.read_text(),
        bind_dn=samba.bind_name,
        secret=samba.bind_password,
        person_bases=f"OU=Staff,{BASE}",
        group_bases=GROUPS,
    )
    person = company(90).people[-1]
    dn = samba.add_person(person)
    name = samba_group_dn("Former contractors")
    try:
        samba.add_members(name, dn)
        with samba.administer() as root:
            [(_, found)] = root.search_s(name, 0, attrlist=["objectGUID"])
        group = make_group("Former contractors", source=source)
        group.guid = canonical_guid("objectguid", found["objectGUID"])
        group.save()
        RoleGroup.objects.create(source=source, group=group, role=Role.HELPDESK)
        client, _ = sign_in(person.uid, samba.person_password)
        assert client.get("/").status_code == 200
        user = ConsoleUser.objects.get(source=source)
        assert (user.role, user.name) == (Role.HELPDESK, person.name)
        client, _ = sign_in(f"{person.uid}@{DOMAIN}", samba.person_password)
        assert client.session["_auth_user_id"] == str(user.pk)
        samba.disable(dn)
        _, page = sign_in(person.uid, samba.person_password)
        assert REFUSED in page
    finally:
        samba.delete(dn)
