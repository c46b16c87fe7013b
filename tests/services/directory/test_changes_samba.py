"""Reading only what changed in Active Directory, by DirSync and by uSNChanged."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator

import ldap
import pytest

from lab.samba import DomainController
from lab.samba_entries import BASE, GROUPS, LEAVERS, NORMAL, STAFF, quoted
from provisioning.core.states import State
from provisioning.directory.dirsync import UNSEEN
from provisioning.directory.presets import DEFAULT_MAPPINGS
from provisioning.models import Account, DirectoryGroup, DirectorySource, Person, Run
from provisioning.services.actor import COMMAND_LINE, SYNC
from provisioning.services.directory import poll
from provisioning.services.directory.sources import save_source
from provisioning.services.runs import runs
from tests.factories import make_rule
from tests.lab.fixtures import samba

__all__ = ["samba"]

pytestmark = [pytest.mark.database, pytest.mark.django_db, pytest.mark.samba]


@pytest.fixture
def branch(samba: DomainController) -> Iterator[str]:
    """The DN of a branch of this test alone; it goes with all that is left in it."""
    dn = f"OU={uuid.uuid4().hex[:12]},{STAFF}"
    samba.add(dn, {"objectClass": ["organizationalUnit"]})
    yield dn
    with samba.administer() as connection:
        found = connection.search_s(
            BASE, ldap.SCOPE_SUBTREE, f"(wWWHomePage={mark_of(dn)})", ["cn"]
        )
        for each, _ in found:
            if each:
                connection.delete_s(each)
        rest = connection.search_s(dn, ldap.SCOPE_SUBTREE, attrlist=["ou"])
        for each, _ in sorted(rest, key=lambda row: -len(row[0])):
            connection.delete_s(each)


@pytest.fixture(params=["dirsync", "usn"])
def source(request: pytest.FixtureRequest, samba: DomainController, branch: str) -> DirectorySource:
    """The test's branch of the domain, read completely once and then by its changes."""
    rule = make_rule(name="Everybody")
    rule.domain.limit_percent = 100
    rule.domain.save()
    preset = DEFAULT_MAPPINGS["active_directory"]
    source = DirectorySource(
        name="Active Directory", kind="active_directory", uris=samba.tls_uri, tls="ldaps",
        ca_pem=samba.ca_file.read_text(), bind_dn=samba.bind_name, person_bases=branch,
        person_filter=preset.person_filter, group_bases=branch, group_filter=preset.group_filter,
        key_attribute=preset.key_attribute, mapping=dict(preset.fields), mode=request.param,
        disabled_expression=preset.disabled, limit_percent=100, limit_membership_percent=100,
    )  # fmt: skip
    save_source(source=source, actor=COMMAND_LINE, secret=samba.bind_password)
    add_person(samba, branch, "first")
    assert sync(source).state == Run.State.DONE
    return source


def mark_of(branch: str) -> str:
    """By which the entries of one test are found, wherever they were moved."""
    found = re.search("OU=([0-9a-f]{12}),", branch)
    assert found is not None
    return found[1]


def add_person(samba: DomainController, branch: str, name: str) -> str:
    """Somebody enabled; returns the DN."""
    dn = f"CN={name},{branch}"
    samba.add(
        dn,
        {
            "objectClass": ["top", "person", "organizationalPerson", "user"],
            "sAMAccountName": [f"{name}-{uuid.uuid4().hex[:6]}"],
            "displayName": [name],
            "unicodePwd": [quoted(samba.person_password)],
            "userAccountControl": [str(NORMAL)],
            "wWWHomePage": [mark_of(branch)],
        },
    )
    return dn


def add_group(samba: DomainController, branch: str, name: str, *members: str) -> str:
    """A group; returns the DN."""
    dn = f"CN={name},{branch}"
    samba.add(
        dn,
        {
            "objectClass": ["top", "group"], "sAMAccountName": [f"{name}-{uuid.uuid4().hex[:6]}"],
            "wWWHomePage": [mark_of(branch)], "member": members,
        },
    )  # fmt: skip
    return dn


def sync(source: DirectorySource) -> Run:
    run = runs.request_sync(source=source, actor=SYNC)
    runs.execute_run(run_id=run.pk)
    run.refresh_from_db()
    source.refresh_from_db()
    return run


def changes(source: DirectorySource) -> Run | None:
    source.refresh_from_db()
    run = poll.read_changes(source=source)
    source.refresh_from_db()
    if run is not None:
        assert (run.state, run.reading) == (Run.State.DONE, "changes"), [
            run.problem,
            run.remark,
            run.breaches,
        ]
    return run


def proven(source: DirectorySource) -> bool:
    """Whether a read of everything finds nothing more."""
    run = sync(source)
    assert run.state == Run.State.DONE
    return not [key for key in run.counts if not key.startswith("read.")]


def state_of(name: str) -> str:
    return Account.objects.get(name=name).state


def test_the_life_of_somebody_without_a_full_read(
    source: DirectorySource, samba: DomainController, branch: str
) -> None:
    assert source.unseen == ""
    assert changes(source) is None
    dn = add_person(samba, branch, "second")
    changes(source)
    assert state_of("second") == State.ACTIVE
    guid = Person.objects.get(display_name="second").guid
    samba.modify(dn, {"telephoneNumber": ["+44 20 7946 0999"]})
    changes(source)
    assert Person.objects.get(guid=guid).phone == "+44 20 7946 0999"
    assert Person.objects.get(guid=guid).display_name == "second"
    samba.modify(dn, {"telephoneNumber": []})
    changes(source)
    assert Person.objects.get(guid=guid).phone == ""
    samba.disable(dn)
    changes(source)
    assert state_of("second") == State.DISABLED
    samba.enable(dn)
    dn = samba.rename(dn, "CN=Somebody else")
    changes(source)
    assert Person.objects.get(guid=guid).dn == dn
    dn = samba.move(dn, LEAVERS)
    changes(source)
    assert state_of("second") == State.GRACE
    dn = samba.move(dn, branch)
    changes(source)
    assert state_of("second") == State.ACTIVE
    samba.delete(dn)
    changes(source)
    assert state_of("second") == State.GRACE
    assert proven(source)


def test_members_through_groups_within_groups(
    source: DirectorySource, samba: DomainController, branch: str
) -> None:
    dn = add_person(samba, branch, "second")
    inner = add_group(samba, branch, "inner", dn)
    outer = add_group(samba, branch, "outer", inner, f"CN=first,{branch}")
    changes(source)
    rule = make_rule(name="Outer", group=DirectoryGroup.objects.get(name="outer"), position=0)
    rule.domain.limit_percent = 100
    rule.domain.save()
    sync(source)
    third = add_person(samba, branch, "third")
    samba.add_members(inner, third)
    changes(source)
    assert Account.objects.get(name="third").rule == rule
    samba.remove_members(outer, inner)
    changes(source)
    assert Account.objects.get(name="third").rule != rule
    assert DirectoryGroup.objects.get(name="outer").member_count == 1
    samba.remove_members(inner, third)
    changes(source)
    samba.delete(inner)
    changes(source)
    assert DirectoryGroup.objects.get(name="inner").left_at is not None
    assert proven(source)


def test_a_primary_group_and_one_that_is_read_alone(
    source: DirectorySource, samba: DomainController, branch: str
) -> None:
    second, third = (add_person(samba, branch, name) for name in ("second", "third"))
    team = add_group(samba, branch, "team", second)
    add_group(samba, branch, "other", third)
    changes(source)
    kept = DirectoryGroup.objects.get(name="team")
    with samba.administer() as connection:
        ((_, found),) = connection.search_s(team, ldap.SCOPE_BASE, attrlist=["primaryGroupToken"])
    samba.modify(second, {"primaryGroupID": [found["primaryGroupToken"][0].decode()]})
    changes(source)
    assert set(kept.members.values_list("person__display_name", "direct")) == {("second", True)}
    samba.add_members(team, third)
    run = changes(source)
    assert run is not None
    assert run.counts["read.groups"] == 1
    kept.refresh_from_db()
    assert kept.member_count == 2
    third = samba.rename(third, "CN=Somebody else")
    run = changes(source)
    assert run is not None
    assert "read.groups" not in run.counts
    samba.delete(second)
    run = changes(source)
    assert run is not None
    assert run.counts["read.groups"] == 1
    kept.refresh_from_db()
    assert kept.member_count == 1
    assert proven(source)


def test_a_filter_by_group_follows_who_joins_and_leaves(
    source: DirectorySource, samba: DomainController, branch: str
) -> None:
    second, third = (add_person(samba, branch, name) for name in ("second", "third"))
    others = [add_person(samba, branch, f"other{number}") for number in range(5)]
    group = add_group(samba, branch, "phones", second, *others)
    source.person_filter = f"(&(objectCategory=person)(memberOf={group}))"
    source.save()
    sync(source)
    present = Person.objects.filter(left_at=None).exclude(display_name__startswith="other")
    assert set(present.values_list("display_name", flat=True)) == {"second"}
    samba.add_members(group, third)
    samba.remove_members(group, second)
    source.refresh_from_db()
    run = poll.read_changes(source=source)
    assert run is not None
    assert run.reading == ("changes" if source.mode == "dirsync" else "full")
    assert set(present.values_list("display_name", flat=True)) == {"third"}
    source.refresh_from_db()
    assert proven(source)


def test_a_branch_that_was_renamed_is_read_whole(
    source: DirectorySource, samba: DomainController, branch: str
) -> None:
    dn = f"OU=Team,{branch}"
    samba.add(dn, {"objectClass": ["organizationalUnit"]})
    add_person(samba, dn, "second")
    changes(source)
    samba.rename(dn, "OU=Crew")
    source.refresh_from_db()
    run = poll.read_changes(source=source)
    assert run is not None
    assert run.reading == "full"
    assert "A branch of the directory was renamed or moved." in run.remark
    assert Person.objects.get(display_name="second").dn == f"CN=second,OU=Crew,{branch}"
    samba.move(f"OU=Crew,{branch}", GROUPS)
    try:
        source.refresh_from_db()
        poll.read_changes(source=source)
        assert state_of("second") == State.GRACE
    finally:
        samba.move(f"OU=Crew,{GROUPS}", branch)


def test_another_domain_controller_or_a_broken_cookie_reads_everything(
    source: DirectorySource, samba: DomainController, branch: str
) -> None:
    kept = bytes(source.cookie or b"")
    source.cookie = kept[:16] + b'{"DC=corp,DC=example": "00ff:17"}'
    source.save()
    add_person(samba, branch, "second")
    run = poll.read_changes(source=source)
    assert run is not None
    assert (run.reading, run.state) == ("full", Run.State.DONE)
    source.refresh_from_db()
    assert source.fell_back in run.remark
    assert state_of("second") == State.ACTIVE
    assert changes(source) is None


def test_what_the_bind_account_does_not_see_is_said(
    source: DirectorySource, samba: DomainController, branch: str
) -> None:
    """Somebody without any right: changes by what may be read, deletions by the full read."""
    reader = add_person(samba, branch, "reader")
    source.bind_dn = reader
    source.set_bind_secret(samba.person_password)
    source.save()
    sync(source)
    assert source.unseen == UNSEEN
    dn = add_person(samba, branch, "second")
    changes(source)
    assert state_of("second") == State.ACTIVE
    samba.delete(dn)
    changes(source)
    assert state_of("second") == State.ACTIVE
    run = sync(source)
    assert run.remark == "The readings of changes had missed: second."
    assert state_of("second") == State.GRACE
