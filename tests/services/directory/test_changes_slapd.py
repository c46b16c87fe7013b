"""Reading only what changed in a real OpenLDAP: the same end as reading everything."""

from __future__ import annotations

import pytest

from lab.people import Company as People
from lab.slapd import Slapd
from lab.slapd_entries import GROUPS, LEAVERS, PEOPLE, group_dn, person_dn
from provisioning.core.errors import ProvisioningError
from provisioning.core.states import State
from provisioning.models import Account, DirectoryGroup, DirectorySource, Person, Run
from provisioning.services.actor import SYNC
from provisioning.services.directory import poll
from provisioning.services.runs import runs
from tests.factories import make_rule
from tests.sources import saved_source

pytestmark = [pytest.mark.database, pytest.mark.django_db]


@pytest.fixture
def source(slapd: Slapd) -> DirectorySource:
    """The lab's directory, read completely once, followed by syncrepl; no limit is in the way."""
    rule = make_rule(name="Everybody")
    for limited in (rule.domain,):
        limited.limit_percent, limited.limit_ceiling = 100, 10_000
        limited.save()
    source = saved_source(
        slapd, name="Head office", mode="syncrepl", limit_percent=100, limit_ceiling=10_000,
        limit_membership_percent=100,
    )  # fmt: skip
    assert sync(source).state == Run.State.DONE
    return source


def sync(source: DirectorySource) -> Run:
    """A read of everything."""
    run = runs.request_sync(source=source, actor=SYNC)
    runs.execute_run(run_id=run.pk)
    run.refresh_from_db()
    source.refresh_from_db()
    return run


def changes(source: DirectorySource) -> Run | None:
    """A read of what changed."""
    source.refresh_from_db()
    run = poll.read_changes(source=source)
    source.refresh_from_db()
    return run


def proven(source: DirectorySource) -> bool:
    """Whether a read of everything finds nothing more."""
    run = sync(source)
    assert "missed" not in run.counts, run.remark
    return not [key for key in run.counts if not key.startswith("read.")]


def planned(run: Run | None) -> list[tuple[str, str, str]]:
    assert run is not None
    return list(run.changes.order_by("ordinal").values_list("kind", "action", "name"))


def test_nothing_changed_leaves_no_run(source: DirectorySource) -> None:
    before = Run.objects.count()
    assert changes(source) is None
    assert Run.objects.count() == before
    assert source.last_changes_at is not None
    assert (source.fell_back, source.unseen) == ("", "")


def test_a_changed_attribute_is_read_alone(
    source: DirectorySource, slapd: Slapd, people: People
) -> None:
    one = next(one for one in people.people if not one.disabled)
    slapd.modify(person_dn(one), {"title": ["Director"]})
    run = changes(source)
    assert planned(run) == [("person", "update", one.name)]
    assert run is not None
    assert (run.reading, run.state, run.problem) == ("changes", Run.State.DONE, "")
    assert run.counts["read.people"] == 1
    assert Person.objects.get(login=one.uid).title == "Director"
    assert proven(source)


def test_what_the_console_does_not_read_leaves_no_run(
    source: DirectorySource, slapd: Slapd, people: People
) -> None:
    slapd.modify(person_dn(people.people[0]), {"description": ["Likes tea"]})
    before = Run.objects.count()
    assert changes(source) is None
    assert Run.objects.count() == before


def test_joining_moving_leaving_and_coming_back(
    source: DirectorySource, slapd: Slapd, people: People
) -> None:
    one, other = [one for one in people.people if not one.disabled][:2]
    guid = Person.objects.get(login=one.uid).guid
    account = Account.objects.get(person__guid=guid)
    dn = slapd.move(person_dn(one), LEAVERS)
    slapd.delete(person_dn(other))
    run = changes(source)
    assert {(kind, action) for kind, action, _ in planned(run)} >= {("person", "leave")}
    account.refresh_from_db()
    assert account.state == State.GRACE
    assert Person.objects.get(login=other.uid).left_at is not None
    assert proven(source)
    slapd.move(dn, PEOPLE)
    slapd.add_person(other)
    changes(source)
    account.refresh_from_db()
    assert account.state == State.ACTIVE
    assert Person.objects.filter(login=other.uid).count() == 2
    assert proven(source)


def test_whoever_leaves_the_filter_is_a_leaver(
    source: DirectorySource, slapd: Slapd, people: People
) -> None:
    source.person_filter = "(&(objectClass=inetOrgPerson)(!(title=Robot)))"
    source.save()
    run = changes(source)
    assert run is not None
    assert run.reading == "full"
    assert "What is read of this directory was set otherwise." in run.remark
    one = next(one for one in people.people if not one.disabled)
    slapd.modify(person_dn(one), {"title": ["Robot"]})
    changes(source)
    assert Person.objects.get(login=one.uid).left_at is not None
    assert proven(source)


def test_members_of_nested_groups_follow(
    source: DirectorySource, slapd: Slapd, people: People
) -> None:
    outer = next(group for group in people.groups if group.groups)
    inner = next(group for group in people.groups if group.name == outer.groups[0])
    kept = DirectoryGroup.objects.get(name=outer.name)
    rule = make_rule(name="Of the group", group=kept, position=0)
    sync(source)
    one = next(
        one for one in people.people if one.uid not in people.members(outer.name)
        and not one.disabled and Account.objects.filter(person__login=one.uid).exists()
    )  # fmt: skip
    assert Account.objects.get(person__login=one.uid).rule != rule
    slapd.add_members(group_dn(inner.name), person_dn(one))
    run = changes(source)
    assert ("group", "update", outer.name) in planned(run)
    assert run is not None
    assert run.counts["read.groups"] == 1
    assert kept.members.filter(person__login=one.uid, direct=False).exists()
    assert Account.objects.get(person__login=one.uid).rule == rule
    slapd.remove_members(group_dn(inner.name), person_dn(one))
    changes(source)
    assert not kept.members.filter(person__login=one.uid).exists()
    assert proven(source)


def test_a_new_group_and_one_that_is_gone(
    source: DirectorySource, slapd: Slapd, people: People
) -> None:
    slapd.add(
        f"cn=Night shift,{GROUPS}",
        {"objectClass": ["groupOfNames"], "cn": ["Night shift"],
         "member": [person_dn(people.people[0])]},
    )  # fmt: skip
    assert planned(changes(source)) == [("group", "create", "Night shift")]
    slapd.delete(f"cn=Night shift,{GROUPS}")
    assert planned(changes(source)) == [("group", "leave", "Night shift")]
    assert proven(source)


def test_a_branch_that_moves_is_read_whole(source: DirectorySource, slapd: Slapd) -> None:
    slapd.modify(PEOPLE, {"description": ["Everybody"]})
    run = changes(source)
    assert run is None or run.reading == "full"
    assert source.fell_back == "A branch of the directory was renamed or moved."


def test_a_server_that_forgot_lists_who_is_there(
    source: DirectorySource, slapd: Slapd, people: People
) -> None:
    one, other = [one for one in people.people if not one.disabled][:2]
    slapd.delete(person_dn(one))
    slapd.modify(person_dn(other), {"title": ["Director"]})
    slapd.stop()
    slapd.start()
    changes(source)
    assert Person.objects.get(login=one.uid).left_at is not None
    assert Person.objects.get(login=other.uid).title == "Director"
    assert proven(source)


@pytest.mark.parametrize("cookie", [b"{}", b"rubbish", b'{"ou=Nowhere": "rid=000"}'])
def test_a_cookie_that_is_refused_reads_everything_and_says_so(
    source: DirectorySource, slapd: Slapd, people: People, cookie: bytes
) -> None:
    source.cookie = bytes(source.cookie or b"")[:16] + cookie
    source.save()
    slapd.delete(person_dn(people.people[0]))
    run = changes(source)
    assert run is not None
    assert (run.reading, run.state) == ("full", Run.State.DONE)
    assert run.remark.startswith("Everything was read.")
    assert source.fell_back in run.remark
    assert changes(source) is None


def test_a_directory_without_syncprov_is_read_whole_from_time_to_time(
    source: DirectorySource, slapd: Slapd, people: People
) -> None:
    slapd.forget_changes()
    slapd.modify(person_dn(people.people[0]), {"title": ["Director"]})
    run = changes(source)
    assert run is not None
    assert (run.reading, run.state) == ("full", Run.State.DONE)
    assert Person.objects.get(login=people.people[0].uid).title == "Director"
    assert source.fell_back
    before = Run.objects.count()
    assert changes(source) is None
    assert Run.objects.count() == before


def test_a_full_read_says_what_the_readings_of_changes_missed(
    source: DirectorySource, slapd: Slapd, people: People
) -> None:
    one = people.people[0]
    Person.objects.filter(login=one.uid).update(content_hash="0" * 32, title="Robot")
    run = sync(source)
    assert run.counts["missed"] == 1
    assert run.remark == f"The readings of changes had missed: {one.name.strip()}."


def test_what_changed_after_the_last_reading_was_not_missed(
    source: DirectorySource, slapd: Slapd, people: People
) -> None:
    slapd.modify(person_dn(people.people[0]), {"title": ["Director"]})
    run = sync(source)
    assert run.counts["person.update"] == 1
    assert "missed" not in run.counts


def test_a_directory_that_is_away_leaves_one_failed_run(
    source: DirectorySource, slapd: Slapd, people: People
) -> None:
    slapd.stop()
    run = changes(source)
    assert run is not None
    assert run.state == Run.State.FAILED
    assert changes(source) is None
    assert Run.objects.filter(state=Run.State.FAILED).count() == 1
    slapd.start()
    run = changes(source)
    assert run is not None
    assert (run.state, planned(run)) == (Run.State.DONE, [])
    assert changes(source) is None
    slapd.modify(person_dn(people.people[0]), {"title": ["Director"]})
    assert planned(changes(source))
    assert proven(source)


def test_groups_that_cannot_be_read_are_read_with_the_next_change(
    source: DirectorySource, slapd: Slapd, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = people.groups[0]
    outside = next(one for one in people.people if one.uid not in people.members(group.name))
    slapd.add_members(group_dn(group.name), person_dn(outside))

    def fail(**_: object) -> None:
        raise ProvisioningError("The groups are away.")

    with monkeypatch.context() as patch:
        patch.setattr("provisioning.services.sync.plan_changes.plan_group_changes", fail)
        changes(source)
    assert source.groups_stale_since is not None
    slapd.modify(person_dn(people.people[1]), {"title": ["Director"]})
    changes(source)
    assert DirectorySource.objects.filter(groups_stale_since=None).exists()
    assert (
        DirectoryGroup.objects.get(name=group.name)
        .members.filter(person__login=outside.uid)
        .exists()
    )
    assert proven(source)
