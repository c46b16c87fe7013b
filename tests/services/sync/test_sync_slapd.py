"""The sync against a real OpenLDAP: the whole company, and everything that can be wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lab.authority import Authority
from lab.people import Company as People
from lab.ports import free_port
from lab.slapd import Slapd
from lab.slapd_entries import GROUPS, LEAVERS, PEOPLE, SUFFIX, group_dn, person_dn, person_entry
from provisioning.core.states import State
from provisioning.models import Account, DirectoryGroup, DirectorySource, Person, Run
from provisioning.services.actor import SYNC
from provisioning.services.directory.nesting import find_members
from provisioning.services.runs import runs
from tests.factories import make_rule
from tests.sources import saved_source

pytestmark = [pytest.mark.database, pytest.mark.django_db]


@pytest.fixture
def source(slapd: Slapd) -> DirectorySource:
    """The lab's directory, with a rule for everybody."""
    make_rule(name="Everybody")
    return saved_source(slapd, name="Head office", page_size=9)


def sync(source: DirectorySource) -> Run:
    run = runs.request_sync(source=source, actor=SYNC)
    runs.execute_run(run_id=run.pk)
    run.refresh_from_db()
    return run


def present() -> set[str]:
    """User names of everybody who is there."""
    return set(Person.objects.filter(left_at__isnull=True).values_list("login", flat=True))


def test_the_whole_company_arrives_as_it_is(
    source: DirectorySource, slapd: Slapd, people: People
) -> None:
    run = sync(source)
    assert (run.state, run.problem) == (Run.State.DONE, "")
    assert present() == {one.uid for one in people.people}
    for one in people.people:
        person = Person.objects.get(login=one.uid)
        assert (person.display_name, person.mail) == (one.name.strip(), one.mail)
        assert person.disabled is one.disabled
    for group in people.groups:
        kept = DirectoryGroup.objects.get(name=group.name)
        members = set(find_members(group=kept).values_list("login", flat=True))
        assert members == people.members(group.name)
        children = set(kept.children.values_list("name", flat=True))
        assert children == set(group.groups)
    states = dict(Account.objects.values_list("person__login", "state"))
    for one in people.people:
        if one.uid in states:
            assert states[one.uid] == (State.PREPARED if one.disabled else State.ACTIVE)
        else:
            assert Person.objects.get(login=one.uid).problem
    assert run.counts["account.create"] > 50
    again = sync(source)
    assert not [key for key in again.counts if not key.startswith("read.")]


def test_renaming_moving_disabling_and_deleting_real_entries(
    source: DirectorySource, slapd: Slapd, people: People
) -> None:
    source.person_bases = SUFFIX
    source.save()
    sync(source)
    plain = [one for one in people.people if one.uid.isascii() and not one.disabled]
    moved, disabled, gone = plain[:3]
    known = Person.objects.get(login=moved.uid)
    dn = slapd.rename(person_dn(moved), "uid=renamed")
    slapd.move(dn, LEAVERS)
    slapd.disable(person_dn(disabled))
    slapd.delete(person_dn(gone))
    run = sync(source)
    assert run.state == Run.State.DONE
    known.refresh_from_db()
    assert (known.login, known.dn) == ("renamed", f"uid=renamed,{LEAVERS}")
    assert Account.objects.get(person=known).state == State.ACTIVE
    assert Account.objects.get(person__login=disabled.uid).state == State.DISABLED
    assert Account.objects.get(person__login=gone.uid).state == State.GRACE


def test_a_member_of_an_inner_group_follows_the_rule_of_the_outer_one(
    source: DirectorySource, slapd: Slapd, people: People
) -> None:
    sync(source)
    outer = next(group for group in people.groups if group.groups)
    member = next(one for one in people.people if one.uid not in people.members(outer.name))
    rule = make_rule(
        name="Outer", position=1, group=DirectoryGroup.objects.get(name=outer.name),
        user_formula="'x-{employee_id}'",
    )  # fmt: skip
    slapd.add_members(group_dn(outer.groups[0]), person_dn(member))
    run = sync(source)
    assert run.state == Run.State.DONE
    assert Account.objects.get(person__login=member.uid).rule == rule


Break = Callable[[DirectorySource, Slapd, Path], None]


def _wrong_password(source: DirectorySource, slapd: Slapd, tmp: Path) -> None:
    slapd.set_bind_password("rotated")


def _unreachable(source: DirectorySource, slapd: Slapd, tmp: Path) -> None:
    source.uris = f"ldaps://127.0.0.1:{free_port()}"
    source.save()


def _untrusted(source: DirectorySource, slapd: Slapd, tmp: Path) -> None:
    source.ca_pem = Authority(tmp).certificate.read_text()
    source.save()


def _no_such_base(source: DirectorySource, slapd: Slapd, tmp: Path) -> None:
    source.person_bases = f"ou=Nowhere,{SUFFIX}"
    source.save()


def _truncated(source: DirectorySource, slapd: Slapd, tmp: Path) -> None:
    slapd.limit_reads(20)


def _unreadable(source: DirectorySource, slapd: Slapd, tmp: Path) -> None:
    slapd.allow_reads(False)


def _down(source: DirectorySource, slapd: Slapd, tmp: Path) -> None:
    slapd.stop()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (_wrong_password, "password"),
        (_unreachable, "127.0.0.1"),
        (_untrusted, "certificate"),
        (_no_such_base, "ou=Nowhere"),
        (_truncated, "stopped after"),
        (_unreadable, "0 people"),
        (_down, "127.0.0.1"),
    ],
)
def test_a_fault_changes_nothing_and_says_what_is_wrong(
    source: DirectorySource, slapd: Slapd, tmp_path: Path, fault: Break, words: str,
    people: People,
) -> None:  # fmt: skip
    sync(source)
    before = _everything()
    for one in people.people[:2]:
        slapd.delete(person_dn(one))
    fault(source, slapd, tmp_path / "ca")
    run = sync(source)
    assert run.state == Run.State.FAILED
    assert words in run.problem
    assert "nothing was changed" in run.problem.lower()
    assert slapd.bind_password not in run.problem
    assert _everything() == before


def _everything() -> list[object]:
    return [*Person.objects.order_by("pk").values(), *Account.objects.order_by("pk").values()]


def test_the_same_people_are_found_again_when_the_fault_is_repaired(
    source: DirectorySource, slapd: Slapd
) -> None:
    sync(source)
    before = _everything()
    slapd.set_bind_password("rotated")
    assert sync(source).state == Run.State.FAILED
    slapd.set_bind_password(slapd.bind_password)
    assert sync(source).state == Run.State.DONE
    assert _everything() == before


def test_groups_whose_base_is_gone_stay_while_people_go_on(
    source: DirectorySource, slapd: Slapd, people: People
) -> None:
    sync(source)
    source.group_bases = f"ou=Nowhere,{SUFFIX}"
    source.save()
    slapd.modify(person_dn(people.people[0]), {"title": ["Director"]})
    run = sync(source)
    assert run.state == Run.State.DONE
    assert "Groups could not be read and stay as they are." in run.remark
    assert "ou=Nowhere" in run.remark
    assert Person.objects.get(login=people.people[0].uid).title == "Director"
    assert not DirectoryGroup.objects.filter(left_at__isnull=False).exists()


def test_a_second_server_stands_in_and_the_run_says_so(
    source: DirectorySource, slapd: Slapd
) -> None:
    source.uris = f"ldaps://127.0.0.1:{free_port()}\n{slapd.tls_uri}"
    source.save()
    run = sync(source)
    assert run.state == Run.State.DONE
    assert run.remark.startswith("Not used:")


def test_starttls_reads_the_same(source: DirectorySource, slapd: Slapd, people: People) -> None:
    source.uris, source.tls, source.person_bases = slapd.uri, "starttls", PEOPLE
    source.save()
    assert sync(source).counts["read.people"] == len(people.people)


def test_a_posix_group_has_whom_it_names_and_whose_primary_group_it_is(
    source: DirectorySource, slapd: Slapd, people: People
) -> None:
    one, other, third = people.people[:3]
    kept = person_entry(third, "")["objectClass"]
    slapd.modify(
        person_dn(third),
        {
            "objectClass": [*kept, "posixAccount"], "uidNumber": ["2000"], "gidNumber": ["1000"],
            "homeDirectory": ["/"],
        },
    )  # fmt: skip
    slapd.add(
        f"cn=staff,{GROUPS}",
        {
            "objectClass": ["posixGroup"],
            "cn": ["staff"],
            "gidNumber": ["1000"],
            "memberUid": [one.uid, other.uid, "nobody.here"],
        },
    )
    source.group_filter = "(|(objectClass=groupOfNames)(objectClass=posixGroup))"
    source.save()
    sync(source)
    staff = DirectoryGroup.objects.get(name="staff")
    members = set(find_members(group=staff).values_list("login", flat=True))
    assert members == {one.uid, other.uid, third.uid}, "the last by the primary group"
    assert staff.unknown_members == ["memberuid=nobody.here"]


def test_a_group_of_fifty_thousand_arrives_whole(source: DirectorySource, slapd: Slapd) -> None:
    """Of its members only those are known who are read as people; all the others are counted."""
    sync(source)
    known = list(Person.objects.values_list("dn", flat=True))
    others = [f"uid=u{number:05d},{PEOPLE}" for number in range(50_000)]
    slapd.add(
        f"cn=everybody,{GROUPS}",
        {"objectClass": ["groupOfNames"], "cn": ["everybody"], "member": others + known},
    )
    sync(source)
    everybody = DirectoryGroup.objects.get(name="everybody")
    assert everybody.unresolved_count == 50_000
    assert len(everybody.unknown_members) == 20
    assert everybody.member_count == len(known)
