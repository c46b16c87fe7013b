"""Console users: created, changed, signed out; nobody locks the administrators out."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from provisioning.core.errors import Rejected
from provisioning.core.roles import Role
from provisioning.models import AuditEvent, ConsoleUser
from provisioning.services.actor import COMMAND_LINE, Actor
from provisioning.services.console import console_users
from tests.conftest import PASSWORD
from tests.factories import make_source

pytestmark = [pytest.mark.django_db, pytest.mark.database]

NEW = {
    "username": "Nina", "name": "Nina New", "role": "helpdesk", "password": PASSWORD,
    "repeated": PASSWORD,
}  # fmt: skip


def rights(user: ConsoleUser, **values: Any) -> dict[str, Any]:
    """What the form sends for `user`, changed by `values`; False leaves a box empty."""
    given = {
        "name": user.name, "role": user.role, "may_export_secrets": user.may_export_secrets,
        "is_active": user.is_active,
    } | values  # fmt: skip
    return {name: value for name, value in given.items() if value is not False}


def make_directory_user(**values: Any) -> ConsoleUser:
    return ConsoleUser.objects.create_user(
        "dora@corp", None, source=make_source(name="corp"), guid="1", name="Dora",
        **{"role": Role.ADMINISTRATOR, **values},
    )  # fmt: skip


def test_an_administrator_creates_a_console_user(as_administrator: Client) -> None:
    assert as_administrator.post("/administration/new/", NEW)["Location"] == "/administration/"
    user = ConsoleUser.objects.get(username="nina")
    assert (user.name, user.role, user.may_export_secrets) == ("Nina New", "helpdesk", False)
    assert user.check_password(PASSWORD)
    event = AuditEvent.objects.get(action="created console user")
    assert event.actor_name == "anna"
    assert PASSWORD not in str(event.detail)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"username": "anna"}, "There is a console user “anna” already."),
        ({"username": "ANNA"}, "There is a console user “anna” already."),
        ({"username": "nina@corp"}, "A user name has up to 64"),
        ({"username": "../nina"}, "A user name has up to 64"),
        ({"password": "short"}, "too short"),
        ({"username": "nina.newcomer", "password": "nina.newcomer1"}, "too similar"),
        ({"role": "god"}, "valid choice"),
        ({"name": "Nina\x00"}, "Null characters"),
    ],
)
def test_bad_input_is_explained_and_nobody_is_created(
    as_administrator: Client, values: dict[str, str], message: str
) -> None:
    answer = as_administrator.post(
        "/administration/new/", NEW | {"repeated": values.get("password", PASSWORD)} | values
    )
    assert answer.status_code == 422
    assert message in answer.content.decode()
    assert ConsoleUser.objects.count() == 1
    assert PASSWORD not in answer.content.decode()


def test_a_changed_role_holds_at_once_and_is_written_down(
    as_administrator: Client, as_viewer: Client, viewer: ConsoleUser
) -> None:
    assert as_viewer.get("/pause/").status_code == 403
    values = rights(viewer, role="administrator")
    as_administrator.post(f"/administration/{viewer.pk}/", values)
    assert as_viewer.get("/pause/").status_code == 200
    event = AuditEvent.objects.get(action="changed console user")
    assert event.detail == {"role": ["viewer", "administrator"]}


def test_taking_the_sign_in_away_ends_the_sessions_even_if_it_is_given_back(
    as_administrator: Client, as_viewer: Client, viewer: ConsoleUser
) -> None:
    address = f"/administration/{viewer.pk}/"
    as_administrator.post(address, rights(viewer, is_active=False))
    assert as_viewer.get("/").status_code == 302
    as_administrator.post(address, rights(viewer))
    assert ConsoleUser.objects.get(pk=viewer.pk).is_active
    assert as_viewer.get("/").status_code == 302


@pytest.mark.parametrize("values", [{"role": "viewer"}, {"is_active": False}])
def test_nobody_takes_their_own_rights_away(
    as_administrator: Client, administrator: ConsoleUser, values: dict[str, Any]
) -> None:
    ConsoleUser.objects.create_user("second", PASSWORD, role=Role.ADMINISTRATOR)
    answer = as_administrator.post(
        f"/administration/{administrator.pk}/", rights(administrator, **values)
    )
    assert answer.status_code == 422
    assert "You cannot change your own role or sign-in" in answer.content.decode()
    administrator.refresh_from_db()
    assert (administrator.role, administrator.is_active) == ("administrator", True)


@pytest.mark.parametrize("values", [{"role": Role.VIEWER}, {"is_active": False}])
def test_the_last_local_administrator_stays(
    administrator: ConsoleUser, values: dict[str, Any]
) -> None:
    """Another one who signs in with a directory does not count: that can be down."""
    actor = Actor.of(make_directory_user())
    given: dict[str, Any] = {
        "name": administrator.name, "role": Role.ADMINISTRATOR, "is_active": True,
        "may_export_secrets": True,
    } | values  # fmt: skip
    with pytest.raises(Rejected, match="last local administrator"):
        console_users.change(user=administrator, actor=actor, **given)
    ConsoleUser.objects.create_user("second", PASSWORD, role=Role.ADMINISTRATOR)
    console_users.change(user=administrator, actor=actor, **given)
    administrator.refresh_from_db()
    assert not (administrator.is_active and administrator.role == Role.ADMINISTRATOR)


def test_the_directory_decides_role_and_name_of_its_own(as_administrator: Client) -> None:
    user = make_directory_user()
    address = f"/administration/{user.pk}/"
    values = rights(user, role="viewer", name="Other", may_export_secrets="on")
    assert as_administrator.post(address, values).status_code == 302
    user.refresh_from_db()
    assert (user.role, user.name, user.may_export_secrets) == ("administrator", "Dora", True)
    answer = as_administrator.post(
        f"{address}password/", {"password": PASSWORD, "repeated": PASSWORD}
    )
    assert answer.status_code == 422
    assert not ConsoleUser.objects.get(pk=user.pk).has_usable_password()


def test_a_new_password_ends_the_sessions(
    as_administrator: Client, as_viewer: Client, viewer: ConsoleUser
) -> None:
    new = "another long password"
    answer = as_administrator.post(
        f"/administration/{viewer.pk}/password/", {"password": new, "repeated": new}
    )
    assert answer.status_code == 302
    assert as_viewer.get("/").status_code == 302
    assert ConsoleUser.objects.get(pk=viewer.pk).check_password(new)
    assert new not in str(list(AuditEvent.objects.values_list("detail", flat=True)))


def test_ending_the_sessions_signs_out_everywhere(
    as_administrator: Client, as_viewer: Client, viewer: ConsoleUser
) -> None:
    assert as_viewer.get("/").status_code == 200
    as_administrator.post(f"/administration/{viewer.pk}/end-sessions/")
    assert as_viewer.get("/").status_code == 302
    assert AuditEvent.objects.filter(action="ended sessions of console user").exists()


def test_everybody_changes_their_own_password_and_stays_signed_in(
    as_viewer: Client, viewer: ConsoleUser
) -> None:
    new = "another long password"
    values = {"current": "wrong", "password": new, "repeated": new}
    assert as_viewer.post("/you/", values).status_code == 422
    assert as_viewer.post("/you/", values | {"current": PASSWORD}).status_code == 302
    assert as_viewer.get("/").status_code == 200
    assert ConsoleUser.objects.get(pk=viewer.pk).check_password(new)


def test_the_list_shows_everybody_with_few_queries(
    as_administrator: Client, django_assert_max_num_queries: Any
) -> None:
    source = make_source(name="corp")
    for number in range(10):
        ConsoleUser.objects.create_user(
            f"user{number}@corp", None, role=Role.VIEWER, source=source, guid=str(number)
        )
    with django_assert_max_num_queries(8):
        page = as_administrator.get("/administration/").content.decode()
    assert "user9@corp" in page


def test_a_directory_user_never_takes_the_name_of_another() -> None:
    source = make_source(name="corp")
    first = console_users.admit(
        source=source, guid="aaaaaaaa-1", login="Bob", name="Bob One", role=Role.VIEWER
    )
    second = console_users.admit(
        source=source, guid="bbbbbbbb-2", login="bob", name="Bob Two", role=Role.VIEWER
    )
    assert (first.username, second.username) == ("bob@corp", "bob-bbbbbbbb@corp")
    again = console_users.admit(
        source=source, guid="bbbbbbbb-2", login="bob", name="Bob Two", role=Role.HELPDESK
    )
    assert (again.pk, again.username, again.role) == (second.pk, second.username, "helpdesk")


def test_ending_directory_sessions_touches_only_those_named() -> None:
    source, other = make_source(), make_source()
    users = [
        console_users.admit(source=s, guid=guid, login=guid, name="", role=Role.VIEWER)
        for s, guid in ((source, "1"), (source, "2"), (other, "1"))
    ]
    assert console_users.end_directory_sessions(source=source, guids=["1", "3"]) == 1
    versions = [ConsoleUser.objects.get(pk=user.pk).session_version for user in users]
    assert versions == [2, 1, 1]


def test_nothing_changed_writes_nothing_down(viewer: ConsoleUser) -> None:
    console_users.change(
        user=viewer, name=viewer.name, role=Role.VIEWER, may_export_secrets=False,
        is_active=True, actor=COMMAND_LINE,
    )  # fmt: skip
    assert not AuditEvent.objects.exists()
