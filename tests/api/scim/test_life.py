"""From a request of the client to the account and back: the same rules and limits as everywhere."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from provisioning.core.states import State
from provisioning.models import Account, DirectoryGroup, DirectorySource, GroupMember, Person, Run
from provisioning.services.actor import SYNC
from provisioning.services.directory.poll import read_changes
from provisioning.services.directory.source_standing import is_late
from provisioning.services.runs.runs import execute_run, request_sync
from provisioning.tasks import read_scim
from tests.api.scim.client import ENTERPRISE, ScimClient
from tests.factories import make_rule

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def read_all(scim: ScimClient) -> Run:
    run = request_sync(source=scim.source, actor=SYNC)
    execute_run(run_id=run.pk)
    run.refresh_from_db()
    return run


def read_new(scim: ScimClient) -> Run | None:
    scim.source.refresh_from_db()
    return read_changes(source=scim.source)


def many(scim: ScimClient, count: int) -> list[str]:
    return [scim.user(f"u{n:03d}@example.com", displayName=f"User {n}") for n in range(count)]


def test_a_user_gets_an_account_by_rule_and_loses_it_when_set_inactive(scim: ScimClient) -> None:
    make_rule()
    ids = many(scim, 30)
    assert read_all(scim).state == Run.State.DONE
    account = Account.objects.get(person__guid=ids[0])
    assert (account.state, account.aor) == (State.ACTIVE, "u000@voice.example.com")

    scim.patch(f"/Users/{ids[0]}", {"op": "Replace", "path": "active", "value": "False"})
    run = read_new(scim)
    assert run is not None
    assert (run.state, run.reading) == (Run.State.DONE, Run.Reading.CHANGES)
    account.refresh_from_db()
    assert account.state == State.DISABLED

    scim.patch(f"/Users/{ids[0]}", {"op": "replace", "value": {"active": True}})
    read_new(scim)
    account.refresh_from_db()
    assert account.state == State.ACTIVE


def test_the_clock_waits_for_the_first_user_and_takes_it_at_once(scim: ScimClient) -> None:
    assert read_new(scim) is None
    assert read_new(scim) is None
    assert not Run.objects.exists()
    ann = scim.user("ann@example.com", displayName="Ann")
    run = read_new(scim)
    assert run is not None
    assert run.state == Run.State.DONE
    assert Person.objects.get().guid == ann


def test_a_deleted_user_leaves_and_the_account_has_its_grace(scim: ScimClient) -> None:
    make_rule()
    ids = many(scim, 30)
    read_all(scim)
    scim.delete(f"/Users/{ids[3]}")
    read_new(scim)
    assert Person.objects.get(guid=ids[3]).left_at is not None
    assert Account.objects.get(person__guid=ids[3]).state == State.GRACE
    assert read_new(scim) is None


def test_mass_deletes_wait_for_approval_by_changes_and_in_full(scim: ScimClient) -> None:
    make_rule()
    ids = many(scim, 30)
    read_all(scim)
    for uid in ids[:20]:
        scim.delete(f"/Users/{uid}")
    run = read_new(scim)
    assert run is not None
    assert run.state == Run.State.WAITING
    assert Person.objects.filter(left_at=None).count() == 30
    assert read_all(scim).state in (Run.State.WAITING, Run.State.DONE)
    assert Person.objects.filter(left_at=None).count() == 30


def test_a_client_that_deletes_everybody_changes_nobody(scim: ScimClient) -> None:
    ids = many(scim, 3)
    read_all(scim)
    for uid in ids:
        scim.delete(f"/Users/{uid}")
    run = read_all(scim)
    assert run.state == Run.State.FAILED
    assert "sent no users" in run.problem
    assert Person.objects.filter(left_at=None).count() == 3


def test_before_the_first_user_a_sync_says_what_to_do(scim: ScimClient) -> None:
    run = read_all(scim)
    assert run.state == Run.State.FAILED
    assert "tenant URL" in run.problem


def test_fields_come_from_the_usual_places(scim: ScimClient) -> None:
    boss = scim.user("boss@example.com")
    uid = scim.user(
        "jane@example.com",
        name={"givenName": "Jane", "familyName": "Doe", "formatted": "Jane Doe"},
        emails=[{"type": "home", "value": "j@home"}, {"type": "work", "value": "jane@corp"}],
        phoneNumbers=[
            {"type": "mobile", "value": "+44 7700 900123"},
            {"type": "work", "value": "+44 20 7946 0123", "primary": True},
        ],
        addresses=[{"type": "work", "country": "GB", "locality": "London"}],
        title="Engineer",
        **{ENTERPRISE: {"department": "R&D", "employeeNumber": "701", "manager": boss}},
    )
    read_all(scim)
    person = Person.objects.get(guid=uid)
    assert (person.login, person.display_name, person.given_name, person.surname) == (
        "jane", "Jane Doe", "Jane", "Doe",
    )  # fmt: skip
    assert (person.mail, person.phone, person.mobile) == (
        "jane@corp", "+44 20 7946 0123", "+44 7700 900123",
    )  # fmt: skip
    assert (person.department, person.employee_id, person.title) == ("R&D", "701", "Engineer")
    assert (person.office, person.country) == ("London", "GB")
    assert person.manager == Person.objects.get(guid=boss).dn


def test_members_of_groups_and_groups_in_groups_are_known(scim: ScimClient) -> None:
    ids = many(scim, 5)
    inner = scim.group("Inner", *ids[:3])
    outer = scim.group("Outer", inner, ids[4])
    read_all(scim)
    group = DirectoryGroup.objects.get(guid=outer)
    assert (group.name, group.member_count, group.unresolved_count) == ("Outer", 4, 0)

    scim.patch(
        f"/Groups/{inner}",
        {"op": "Remove", "path": "members", "value": [{"$ref": None, "value": ids[0]}]},
        {"op": "Add", "path": "members", "value": [{"$ref": None, "value": ids[3]}]},
    )
    run = read_new(scim)
    assert run is not None
    assert run.reading == Run.Reading.CHANGES
    members = GroupMember.objects.filter(group__guid=inner)
    assert set(members.values_list("person__guid", flat=True)) == set(ids[1:4])
    group.refresh_from_db()
    assert group.member_count == 4


def test_a_deleted_group_and_the_memberships_of_a_deleted_user_go(scim: ScimClient) -> None:
    ids = many(scim, 30)
    group, other = scim.group("Team", *ids[:20]), scim.group("Other", ids[0])
    read_all(scim)
    scim.delete(f"/Users/{ids[0]}")
    read_new(scim)
    assert DirectoryGroup.objects.get(guid=group).member_count == 19
    scim.delete(f"/Groups/{other}")
    read_new(scim)
    assert DirectoryGroup.objects.get(guid=other).left_at is not None


def test_a_worker_is_woken_once_for_a_burst_and_again_for_what_comes_later(
    scim: ScimClient,
    messages: list[tuple[str, tuple[int, ...]]],
    django_capture_on_commit_callbacks: object,
) -> None:
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        many(scim, 5)
    woken = ("provisioning.tasks.read_scim", (scim.source.pk,))
    assert messages.count(woken) == 1
    read_scim(scim.source.pk)
    assert Person.objects.count() == 5
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        scim.user("late@example.com")
    assert messages.count(woken) == 2


def test_a_source_that_is_switched_off_keeps_what_comes_and_wakes_nobody(
    scim: ScimClient,
    messages: list[tuple[str, tuple[int, ...]]],
    django_capture_on_commit_callbacks: object,
) -> None:
    scim.source.enabled = False
    scim.source.save()
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        many(scim, 2)
    assert messages == []
    read_all(scim)
    assert Person.objects.count() == 2


def test_a_quiet_source_whose_changes_are_asked_for_is_not_late(scim: ScimClient) -> None:
    many(scim, 1)
    read_all(scim)
    long_ago = timezone.now() - timedelta(hours=5)
    DirectorySource.objects.update(last_complete_at=long_ago, last_changes_at=long_ago)
    scim.source.refresh_from_db()
    assert is_late(scim.source)
    assert read_new(scim) is None
    scim.source.refresh_from_db()
    assert not is_late(scim.source)
