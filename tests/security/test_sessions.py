"""Sessions end as soon as the right to them does."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from provisioning.core.roles import Role
from provisioning.models import ConsoleUser, ProvisioningLink, RoleGroup, Run
from provisioning.services.actor import Actor
from provisioning.services.console import console_users
from tests.conftest import PASSWORD
from tests.services.company import Company, Somebody, Team, company

__all__ = ["company"]

pytestmark = [pytest.mark.database, pytest.mark.django_db]


@pytest.fixture
def ann(company: Company) -> Somebody:
    return company.directory.add("ann")


@pytest.fixture
def team(company: Company, ann: Somebody) -> Team:
    """A group with a role, in it another one, in it Ann; the source lets them sign in."""
    inner = company.directory.group("Second line", ann, company.directory.add("bob"))
    team = company.directory.group("Help desk", inner)
    company.source.allows_sign_in = True
    company.relax()
    company.sync()
    RoleGroup.objects.create(source=company.source, group=company.group(team), role=Role.HELPDESK)
    return inner


def sign_in(company: Company, one: Somebody, role: Role = Role.HELPDESK) -> Client:
    """A browser as it is after a sign-in with the directory."""
    user = console_users.admit(
        source=company.source, guid=one.guid, login="ann", name="Ann", role=role
    )
    client = Client()
    client.force_login(user, backend="rtcadmin.ldap_login.DirectoryBackend")
    assert is_in(client)
    return client


def is_in(client: Client) -> bool:
    return client.get("/people/").status_code == 200


def test_a_sync_that_finds_nothing_new_leaves_sessions_alone(
    company: Company, team: Team, ann: Somebody
) -> None:
    client = sign_in(company, ann)
    company.directory.add("carl")
    company.sync()
    assert is_in(client)


def test_whoever_leaves_a_group_within_a_group_with_a_role_is_signed_out(
    company: Company, team: Team, ann: Somebody
) -> None:
    client = sign_in(company, ann)
    other = sign_in(company, company.directory.people[1])
    team.members.remove(ann)
    company.sync()
    assert not is_in(client)
    assert is_in(other)


def test_a_group_without_a_role_is_left_without_consequences(
    company: Company, team: Team, ann: Somebody
) -> None:
    choir = company.directory.group("Choir", ann)
    company.sync()
    client = sign_in(company, ann)
    choir.members.remove(ann)
    company.sync()
    assert is_in(client)


def test_a_lost_role_ends_sessions_at_once_though_the_limits_hold_the_change(
    company: Company, team: Team, ann: Somebody
) -> None:
    """The group is gone; its members stay as they are until somebody approves that."""
    client = sign_in(company, ann)
    company.directory.groups.clear()
    company.directory.group("Choir", ann)
    run = company.sync()
    assert run.state == Run.State.WAITING
    assert company.members(team) == {"ann": True, "bob": True}
    assert not is_in(client)


def test_disabled_people_are_signed_out_at_once_though_the_limits_hold_the_change(
    company: Company, team: Team, ann: Somebody
) -> None:
    client = sign_in(company, ann)
    company.relax(ceiling=1)
    for one in company.directory.people:
        one.set(locked="yes")
    run = company.sync()
    assert run.state == Run.State.WAITING
    assert not company.person(ann).disabled
    assert not is_in(client)


def test_whoever_keeps_the_role_through_another_group_stays_signed_in(
    company: Company, team: Team, ann: Somebody
) -> None:
    other = company.directory.group("Night shift", ann)
    company.sync()
    again = RoleGroup.objects.create(
        source=company.source, group=company.group(other), role=Role.HELPDESK
    )
    client = sign_in(company, ann)
    team.members.remove(ann)
    company.sync()
    assert is_in(client)
    again.delete()
    team.members.append(ann)
    company.sync()
    RoleGroup.objects.create(source=company.source, group=company.group(other), role=Role.VIEWER)
    team.members.remove(ann)
    company.sync()
    assert not is_in(client)


def test_a_held_removal_signs_nobody_out_again_who_has_signed_in_with_what_is_left(
    company: Company, team: Team, ann: Somebody
) -> None:
    """Every sync plans what is held anew; the role is the right one by then."""
    other = company.directory.group("Readers", ann)
    company.sync()
    RoleGroup.objects.create(source=company.source, group=company.group(other), role=Role.VIEWER)
    client = sign_in(company, ann)
    company.directory.groups.remove(company.directory.groups[0])
    team.members.clear()
    company.sync()
    assert not is_in(client)
    client = sign_in(company, ann, Role.VIEWER)
    company.sync()
    assert Run.objects.filter(state=Run.State.WAITING).exists()
    assert is_in(client)


def test_links_of_a_directory_user_end_when_the_directory_gives_no_role_any_more(
    company: Company, team: Team, ann: Somebody
) -> None:
    sign_in(company, ann)
    user = ConsoleUser.objects.get(guid=ann.guid)
    link = ProvisioningLink.objects.create(
        account=company.account(ann), format="linphone", token_hash="0" * 64, created_by=user,
        expires_at=timezone.now() + timedelta(days=1),
    )  # fmt: skip
    company.sync()
    link.refresh_from_db()
    assert link.revoked_at is None
    team.members.remove(ann)
    company.sync()
    link.refresh_from_db()
    assert link.revoked_at is not None


def test_a_preview_of_a_sync_signs_nobody_out(company: Company, team: Team, ann: Somebody) -> None:
    client = sign_in(company, ann)
    team.members.remove(ann)
    company.sync(dry=True)
    assert is_in(client)


@pytest.mark.parametrize("fate", ["leaves", "disabled"])
def test_whoever_leaves_or_is_disabled_is_signed_out(
    company: Company, team: Team, ann: Somebody, fate: str
) -> None:
    client = sign_in(company, ann)
    if fate == "leaves":
        company.directory.remove(ann)
        team.members.remove(ann)
    else:
        ann.set(locked="yes")
    company.sync()
    assert not is_in(client)


def test_taking_the_sign_in_from_somebody_ends_every_session(
    administrator: ConsoleUser, viewer: ConsoleUser, as_viewer: Client
) -> None:
    assert is_in(as_viewer)
    rights: dict[str, Any] = {
        "name": viewer.name, "role": Role(viewer.role), "may_export_secrets": False,
    }  # fmt: skip
    actor = Actor.of(administrator, "")
    console_users.change(user=viewer, is_active=False, actor=actor, **rights)
    assert not is_in(as_viewer)
    # The old session does not come back to life with the right to sign in.
    console_users.change(user=viewer, is_active=True, actor=actor, **rights)
    assert not is_in(as_viewer)


def test_signing_in_makes_a_new_session_key(administrator: ConsoleUser) -> None:
    client = Client()
    planted = client.session
    planted["planted"] = str(timezone.now())
    planted.save()
    client.cookies["rtcadmin-session"] = str(planted.session_key)
    client.post("/sign-in/", {"username": administrator.username, "password": PASSWORD})
    assert is_in(client)
    assert client.cookies["rtcadmin-session"].value != planted.session_key


def test_signing_out_makes_the_cookie_worthless(as_viewer: Client) -> None:
    key = as_viewer.cookies["rtcadmin-session"].value
    as_viewer.post("/sign-out/")
    as_viewer.cookies["rtcadmin-session"] = key
    assert not is_in(as_viewer)
