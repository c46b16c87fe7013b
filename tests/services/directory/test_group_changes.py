"""Groups that change are read alone, and what is kept is the same as after reading all of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioning.core.errors import IncompleteRead
from provisioning.models import DirectoryGroup, GroupMember, GroupNesting, Run
from provisioning.services.runs import apply
from tests.factories import make_rule
from tests.services.company import (
    Company,
    Directory,
    Somebody,
    Team,
    company,
    memory_source,
    read_from,
    rows_of,
)
from tests.services.directory.test_changes_history import approve_everything, forget_everything
from tests.services.journal import Journal, keep_journal, read_changes
from tests.services.sync.test_sync_group_uses import OUTSIDER, SID

__all__ = ["company"]

pytestmark = [pytest.mark.database, pytest.mark.django_db]


@pytest.fixture
def journal(company: Company, monkeypatch: pytest.MonkeyPatch) -> Journal:
    """The company is read by its changes; no limit is in the way."""
    company.relax()
    return keep_journal(monkeypatch, company)


def start(company: Company) -> None:
    assert company.sync().state == Run.State.DONE
    company.source.refresh_from_db()
    assert company.source.groups_exact


def changed(company: Company) -> Run:
    """A reading of changes that found some."""
    run = read_changes(company)
    assert run is not None
    assert (run.reading, run.problem) == ("changes", "")
    return run


def proven(company: Company) -> bool:
    """Whether all groups are kept as the directory has them, and a read of everything finds so."""
    is_kept_as_it_is(company)
    run = company.sync()
    assert "missed" not in run.counts, run.remark
    return rows_of(run) == []


def is_kept_as_it_is(company: Company) -> None:
    """Who is in which group, counted anew and in the plainest way."""
    directory = company.directory
    people = {one.dn: one for one in directory.people}
    teams = {team.dn: team for team in directory.groups}
    kept = {group.guid: group for group in DirectoryGroup.objects.filter(left_at=None)}
    assert kept.keys() == {team.guid for team in directory.groups}
    for team in directory.groups:
        group, dns = kept[team.guid], dns_of(team)
        assert (group.name, group.dn) == (team.name, team.dn)
        everybody: set[str] = set()
        waiting, seen = [team.dn], {team.dn}
        while waiting:
            inside = dns_of(teams[waiting.pop()])
            everybody |= {people[dn].guid for dn in inside & people.keys()}
            waiting += (inside & teams.keys()) - seen
            seen |= inside & teams.keys()
        direct = {people[dn].guid for dn in dns & people.keys()}
        rows = dict(GroupMember.objects.filter(group=group).values_list("person__guid", "direct"))
        wanted = dict.fromkeys(everybody if group.follows_nested else direct, False)
        assert rows == wanted | dict.fromkeys(direct, True), team.name
        assert group.member_count == len(everybody), team.name
        assert group.unresolved_count == len(dns - people.keys() - teams.keys()), team.name
        nested = GroupNesting.objects.filter(parent=group).values_list("child__guid", flat=True)
        assert set(nested) == {teams[dn].guid for dn in dns & teams.keys()}, team.name


def dns_of(team: Team) -> set[str]:
    return {one if isinstance(one, str) else one.dn for one in team.members}


def test_one_changed_group_is_read_alone(company: Company, journal: Journal) -> None:
    people = company.directory.add_many(6)
    teams = [company.directory.group(f"T{n}", people[n]) for n in range(3)]
    start(company)
    teams[1].members.append(people[5])
    run = changed(company)
    assert (run.counts["read.groups"], rows_of(run)) == (1, [("group", "update", "T1")])
    assert company.members(teams[1]) == {"p0001": True, "p0005": True}
    people[0].set(title="Director")
    assert "read.groups" not in changed(company).counts
    assert proven(company)


def test_what_follows_from_it_in_the_groups_around_is_planned_without_reading_them(
    company: Company, journal: Journal
) -> None:
    ann, bob, cid = (company.directory.add(name) for name in ("ann", "bob", "cid"))
    inner = company.directory.group("Inner", ann)
    team = company.directory.group("Team", bob, inner)
    top = company.directory.group("Top", team)
    inner.members.append(top)
    other = company.directory.group("Other", cid)
    start(company)
    rule = make_rule(name="Top", group=company.group(top), position=0)
    company.apply_rules()
    assert company.account(cid).rule != rule
    inner.members.append(cid)
    run = changed(company)
    assert run.counts["read.groups"] == 1
    assert {name for kind, _, name in rows_of(run) if kind == "group"} == {"Inner", "Team", "Top"}
    assert company.account(cid).rule == rule
    team.members.append(other)
    run = changed(company)
    assert rows_of(run) == [("group", "update", "Team")]
    inner.members.remove(cid)
    assert changed(company).counts["read.groups"] == 1
    assert company.account(cid).rule == rule
    team.members.remove(other)
    assert changed(company).counts["read.groups"] == 1
    assert company.account(cid).rule != rule
    assert proven(company)


def test_somebody_whom_a_group_names_already_is_a_member_when_they_come(
    company: Company, journal: Journal
) -> None:
    company.directory.add("ann")
    team = company.directory.group("Team", "uid=bob,ou=people,dc=example")
    company.directory.group("Other", "uid=ann,ou=people,dc=example")
    start(company)
    assert company.group(team).unresolved_count == 1
    bob = company.directory.add("bob")
    assert changed(company).counts["read.groups"] == 1
    assert company.members(team) == {"bob": True}
    company.directory.remove(bob)
    assert changed(company).counts["read.groups"] == 1
    assert (company.members(team), company.group(team).unresolved_count) == ({}, 1)
    assert proven(company)


def test_a_member_who_comes_in_the_same_run(company: Company, journal: Journal) -> None:
    team = company.directory.group("Team", company.directory.add("ann"))
    company.directory.group("Other", "uid=nobody,dc=example")
    start(company)
    team.members.append(company.directory.add("bob"))
    assert changed(company).counts["read.groups"] == 1
    assert company.members(team) == {"ann": True, "bob": True}
    assert proven(company)


def test_a_directory_that_follows_moves_has_no_group_to_read(
    company: Company, journal: Journal
) -> None:
    journal.follows_moves = True
    ann, bob = company.directory.add("ann"), company.directory.add("bob")
    team = company.directory.group("Team", ann, bob)
    start(company)
    ann.dn = "uid=ann,ou=others,dc=example"
    assert "read.groups" not in changed(company).counts
    team.members.remove(bob)
    assert changed(company).counts["read.groups"] == 1
    assert company.members(team) == {"ann": True}
    assert proven(company)


def test_in_one_that_does_not_whoever_moves_is_no_member_any_more(
    company: Company, journal: Journal
) -> None:
    ann, bob = company.directory.add("ann"), company.directory.add("bob")
    team = company.directory.group("Team", ann.dn, bob.dn)
    company.directory.group("Other", bob.dn)
    start(company)
    ann.dn = "uid=ann,ou=others,dc=example"
    assert changed(company).counts["read.groups"] == 1
    assert company.members(team) == {"bob": True}
    ann.dn = "uid=ann,ou=people,dc=example"
    assert changed(company).counts["read.groups"] == 1
    assert company.members(team) == {"ann": True, "bob": True}
    assert proven(company)


def test_groups_that_come_go_move_and_come_back(company: Company, journal: Journal) -> None:
    ann, bob = company.directory.add("ann"), company.directory.add("bob")
    team = company.directory.group("Team", ann)
    outer = company.directory.group("Outer", team, "cn=later,ou=groups,dc=example")
    company.directory.group("Third", bob)
    start(company)
    later = company.directory.group("later", bob)
    assert changed(company).counts["read.groups"] == 2
    assert company.members(outer) == {"ann": False, "bob": False}
    team.dn, team.name = "cn=The team,ou=groups,dc=example", "The team"
    outer.members = [team, later]
    assert changed(company).counts["read.groups"] == 2
    company.directory.groups.remove(later)
    run = changed(company)
    assert ("group", "leave", "later") in rows_of(run)
    assert company.members(outer) == {"ann": False}
    company.directory.groups.append(later)
    changed(company)
    assert company.group(later).left_at is None
    assert company.members(outer) == {"ann": False, "bob": False}
    assert proven(company)


def test_members_of_another_forest(
    company: Company, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    branch, abroad = memory_source(name="Branch"), Directory()
    read_from(monkeypatch, {"Head office": company.directory, "Branch": abroad})
    bea = abroad.add("bea", objectsid=SID.decode())
    ann = company.directory.add("ann")
    inner = company.directory.group("Inner", ann)
    team = company.directory.group("Team", inner)
    company.sync(source=branch)
    start(company)
    rule = make_rule(name="Team", group=company.group(team), position=0)
    company.apply_rules()
    inner.members.append(OUTSIDER)
    assert changed(company).counts["read.groups"] == 1
    assert company.members(team) == {"ann": False, "bea": False}
    company.source, home = branch, company.source
    assert company.account(bea).rule == rule
    company.source = home
    inner.members.append("CN=S-1-5-21-9-9-9-9,CN=ForeignSecurityPrincipals,DC=example")
    changed(company)
    assert (company.group(inner).foreign_count, company.group(inner).unresolved_count) == (1, 0)
    inner.members.remove(OUTSIDER)
    changed(company)
    assert company.members(team) == {"ann": False}
    assert rows_of(company.sync()) == []


def test_a_removal_beyond_the_limit_waits_and_groups_are_read_whole_until_it_is_decided(
    company: Company, journal: Journal
) -> None:
    people = company.directory.add_many(20)
    inner = company.directory.group("Inner", *people)
    team = company.directory.group("Team", inner)
    other = company.directory.group("Other", people[0])
    start(company)
    rule = make_rule(name="Team", group=company.group(team), position=0)
    company.apply_rules()
    company.relax(membership=20)
    inner.members = list(people[10:])
    run = changed(company)
    assert run.state == Run.State.WAITING
    assert run.counts["read.groups"] == 1
    assert {one.split(":")[0] for one in run.breaches} == {"Group Inner", "Group Team"}
    assert company.account(people[0]).rule == rule
    other.members.append(people[1])
    assert changed(company).counts["read.groups"] == 3
    approve_everything()
    company.apply_rules()
    assert company.account(people[0]).rule != rule
    assert len(company.members(team)) == 10
    other.members.append(people[2])
    assert changed(company).counts["read.groups"] == 3
    other.members.append(people[3])
    assert changed(company).counts["read.groups"] == 1
    assert proven(company)


def test_a_group_that_cannot_be_read_keeps_its_members_and_all_are_read_next(
    company: Company, journal: Journal
) -> None:
    ann, bob = company.directory.add("ann"), company.directory.add("bob")
    team, other = company.directory.group("Team", ann), company.directory.group("Other", ann)
    start(company)
    team.members.append(bob)
    bob.set(title="Director")
    company.directory.groups_fail = IncompleteRead("The server hung up.")
    run = changed(company)
    assert run.remark == "Groups could not be read and stay as they are. The server hung up."
    assert company.members(team) == {"ann": True}
    assert company.person(bob).title == "Director"
    company.source.refresh_from_db()
    assert company.source.groups_stale_since is not None
    company.directory.groups_fail = None
    other.members.append(bob)
    assert changed(company).counts["read.groups"] == 2
    company.source.refresh_from_db()
    assert company.source.groups_exact
    assert company.members(team) == {"ann": True, "bob": True}
    assert proven(company)


def test_after_a_run_that_failed_while_it_applied_all_groups_are_read(
    company: Company, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = company.directory.add_many(6)
    inner = company.directory.group("Inner", people[0])
    top = company.directory.group("Top", company.directory.group("Team", inner))
    start(company)
    inner.members.append(people[1])
    monkeypatch.setattr(apply, "WINDOW", 1)
    real, calls = apply._apply_window, 0

    def fail(*positional: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise IncompleteRead("The disk is full.")
        return real(*positional, **named)

    with monkeypatch.context() as patch:
        patch.setattr(apply, "_apply_window", fail)
        run = read_changes(company)
    assert run is not None
    assert (run.state, run.problem) == (Run.State.FAILED, "The disk is full.")
    assert changed(company).counts["read.groups"] == 3
    assert company.group(top).member_count == 2
    assert proven(company)


def test_when_the_last_group_is_gone_it_is_taken_for_a_lost_right(
    company: Company, journal: Journal
) -> None:
    team = company.directory.group("Team", company.directory.add("ann"))
    start(company)
    company.directory.groups.clear()
    assert "0 groups" in changed(company).remark
    assert company.members(team) == {"ann": True}


@pytest.mark.parametrize("limit", ["changed_groups._MOST_GROUPS", "changed_groups._MOST_NAMES"])
def test_where_many_changed_all_are_read(
    company: Company, journal: Journal, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(f"provisioning.services.directory.{limit}", 2)
    people = company.directory.add_many(3)
    teams = [company.directory.group(f"T{n}", people[0]) for n in range(4)]
    start(company)
    for team in teams[:3]:
        team.members.append(people[1])
        team.dn = f"cn={team.name},ou=moved,dc=example"
    assert changed(company).counts["read.groups"] == 4
    assert proven(company)


def test_a_full_read_names_a_group_of_which_nothing_was_told(
    company: Company, journal: Journal
) -> None:
    ann, bob = company.directory.add("ann"), company.directory.add("bob")
    team = company.directory.group("Team", ann)
    start(company)
    journal.forgets = {team.guid}
    team.members.append(bob)
    assert read_changes(company) is None
    ann.set(title="Director")  # told, and no reason for a group to differ
    run = company.sync()
    assert run.remark == "The readings of changes had missed: Team."
    assert company.members(team) == {"ann": True, "bob": True}
    assert rows_of(company.sync()) == []


WHO, WHICH = st.integers(0, 4), st.integers(0, 3)
STEP = st.one_of(
    st.tuples(st.just("member"), WHICH, WHO),
    st.tuples(st.just("named"), WHICH, WHO),
    st.tuples(st.just("within"), WHICH, WHICH),
    st.tuples(st.just("person"), WHICH, WHO),
    st.tuples(st.just("group"), WHICH, WHO),
    st.tuples(st.just("move"), WHICH, WHO),
    st.tuples(st.just("rename"), WHICH, WHO),
    st.tuples(st.just("read"), WHICH, WHO),
)


class Story:
    """Five people and four groups, of which the last one decides accounts."""

    def __init__(self, company: Company) -> None:
        self.company, directory = company, company.directory
        directory.people.clear()
        directory.groups.clear()
        self.people = [directory.add(f"p{n}") for n in range(5)]
        self.teams = [directory.group(f"T{n}", self.people[n]) for n in range(4)]

    def tell(self, step: tuple[str, int, int]) -> None:
        what, which, other = step
        team, one, directory = self.teams[which], self.people[other], self.company.directory
        if what == "read":
            read_changes(self.company)
            approve_everything()
        elif what == "move":
            place = "others" if "people" in one.dn else "people"
            one.dn = f"uid={one.values['login']},ou={place},dc=example"
        elif what == "rename":
            team.name = f"{team.name}x"
            team.dn = f"cn={team.name},ou=groups,dc=example"
        elif what == "person":
            _toggle(directory.people, one)
        elif what == "group":
            _toggle(directory.groups, team)
        else:
            uid = f"uid=p{other},ou=people,dc=example"
            member: Somebody | Team | str = one if what == "member" else uid
            _toggle(team.members, self.teams[other % 4] if what == "within" else member)


def _toggle(place: list[Any], one: Somebody | Team | str) -> None:
    if one in place:
        place.remove(one)
    else:
        place.append(one)


@settings(max_examples=20)
@given(st.lists(STEP, min_size=2, max_size=15), st.booleans())
def test_any_history_of_groups_and_people_ends_where_a_full_read_would(
    company: Company, monkeypatch: pytest.MonkeyPatch, steps: list[tuple[str, int, int]],
    follows_moves: bool,
) -> None:  # fmt: skip
    forget_everything(company)
    company.source.refresh_from_db()
    company.relax()
    with monkeypatch.context() as patch:
        keep_journal(patch, company).follows_moves = follows_moves
        story = Story(company)
        company.sync()
        make_rule(name="Of the last", group=company.group(story.teams[3]), position=0)
        company.sync()
        for step in steps:
            story.tell(step)
        for _ in range(3):
            read_changes(company)
            approve_everything()
        if company.directory.people and company.directory.groups:
            assert proven(company)
