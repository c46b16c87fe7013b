"""Groups: who is in them through any nesting, what keeps them, what rules make of them."""

from __future__ import annotations

import pytest

from provisioning.core.errors import IncompleteRead
from provisioning.core.states import State
from provisioning.models import DirectoryGroup, DirectorySource, GroupNesting, Run
from provisioning.services.runs import apply
from tests.services.company import Company, company, rows_of

__all__ = ["company"]

pytestmark = [pytest.mark.database, pytest.mark.django_db]


def test_members_of_inner_groups_are_members_and_circles_end(company: Company) -> None:
    ann, bob, cid = (company.directory.add(name) for name in ("ann", "bob", "cid"))
    inner = company.directory.group("Inner", ann, "cn=elsewhere,dc=other")
    outer = company.directory.group("Outer", bob, inner)
    inner.members += [outer, cid]
    top = company.directory.group("Top", outer)
    run = company.sync()
    assert run.counts["group.create"] == 3
    everybody = {"ann", "bob", "cid"}
    assert company.members(inner) == {"ann": True, "cid": True, "bob": False}
    assert company.members(outer) == {"bob": True, "ann": False, "cid": False}
    assert company.members(top) == dict.fromkeys(everybody, False)
    assert company.group(inner).unresolved_count == 1
    assert company.group(top).member_count == 3
    nested = GroupNesting.objects.values_list("parent__name", "child__name")
    assert set(nested) == {("Inner", "Outer"), ("Outer", "Inner"), ("Top", "Outer")}


def test_joining_leaving_and_becoming_direct(company: Company) -> None:
    company.relax()
    people = company.directory.add_many(6)
    inner = company.directory.group("Inner", people[0])
    team = company.directory.group("Team", *people[1:5], inner)
    company.sync()
    team.members = [people[0], *people[2:], inner]
    team.name = "The team"
    run = company.sync()
    assert rows_of(run) == [("group", "update", "The team")]
    assert company.members(team) == {f"p{n:04d}": True for n in (0, 2, 3, 4, 5)}
    group = company.group(team)
    assert (group.name, group.name_key, group.version) == ("The team", "the team", 2)


def test_a_group_is_not_nested_any_more(company: Company) -> None:
    company.relax()
    ann, bob = company.directory.add("ann"), company.directory.add("bob")
    inner = company.directory.group("Inner", ann)
    outer = company.directory.group("Outer", bob, inner)
    company.sync()
    outer.members = [bob]
    company.sync()
    assert not GroupNesting.objects.exists()
    assert company.members(outer) == {"bob": True}


def test_a_group_that_is_gone_keeps_its_row_and_comes_back(company: Company) -> None:
    company.relax()
    ann = company.directory.add("ann")
    team, _ = company.directory.group("Team", ann), company.directory.group("Other", ann)
    company.sync()
    kept = company.group(team).pk
    company.directory.groups.remove(team)
    company.sync()
    gone = company.group(team)
    assert (gone.pk, gone.member_count, company.members(team)) == (kept, 0, {})
    assert gone.left_at is not None
    company.directory.groups.append(team)
    company.sync()
    back = company.group(team)
    assert (back.pk, back.left_at, back.member_count) == (kept, None, 1)
    assert company.members(team) == {"ann": True}
    assert rows_of(company.sync()) == []


def test_more_than_a_fifth_of_the_members_waits_for_approval(company: Company) -> None:
    people = company.directory.add_many(20)
    team = company.directory.group("Team", *people)
    other = company.directory.group("Other", *people)
    company.sync()
    team.members = list(people[5:])
    other.members = list(people[4:])
    run = company.sync()
    assert run.state == Run.State.WAITING
    assert run.breaches == [
        "Group Team: removed membership, 5 planned; at most 4 of 20 pass without approval."
    ]
    assert len(company.members(team)) == 20
    assert len(company.members(other)) == 16
    assert company.sync().state == Run.State.DONE
    other.members = list(people[5:])
    run = company.sync()
    assert "Group Other: removed membership, 1 planned on top of 4" in " ".join(run.breaches)


def test_emptying_a_group_waits_for_approval(company: Company) -> None:
    company.relax()
    ann, bob = company.directory.add("ann"), company.directory.add("bob")
    team = company.directory.group("Team", ann, bob)
    company.sync()
    team.members = []
    assert company.sync().state == Run.State.WAITING
    assert len(company.members(team)) == 2


def test_groups_that_cannot_be_read_are_kept_and_marked_stale_while_people_go_on(
    company: Company,
) -> None:
    ann = company.directory.add("ann")
    team, other = company.directory.group("Team", ann), company.directory.group("Other", ann)
    company.sync()
    company.directory.groups_fail = IncompleteRead("The server hung up.")
    other.members = []
    ann.set(title="Director")
    run = company.sync()
    assert run.state == Run.State.DONE
    assert run.remark == "Groups could not be read and stay as they are. The server hung up."
    assert company.person(ann).title == "Director"
    assert company.members(team) == company.members(other) == {"ann": True}
    company.source.refresh_from_db()
    stale_since: object = company.source.groups_stale_since
    assert stale_since is not None
    company.sync()
    company.source.refresh_from_db()
    assert company.source.groups_stale_since == stale_since
    company.directory.groups_fail = None
    run = company.sync()
    assert (run.problem, run.remark) == ("", "")
    assert not DirectorySource.objects.exclude(groups_stale_since=None).exists()


def test_no_groups_at_all_is_taken_for_a_lost_right(company: Company) -> None:
    ann = company.directory.add("ann")
    team = company.directory.group("Team", ann)
    company.sync()
    company.directory.groups.clear()
    run = company.sync()
    assert "0 groups" in run.remark
    assert company.members(team) == {"ann": True}
    assert DirectoryGroup.objects.filter(left_at__isnull=True).count() == 1


def test_a_rule_for_a_group_follows_its_members(company: Company) -> None:
    company.relax()
    ann, bob = company.directory.add("ann"), company.directory.add("bob")
    inner = company.directory.group("Inner", ann)
    team = company.directory.group("Team", inner)
    company.sync()
    company.rule.group = company.group(team)
    company.rule.save()
    company.apply_rules()
    assert company.account(bob).state == State.GRACE
    inner.members.append(bob)
    cid = company.directory.add("cid")
    team.members.append(cid)
    company.directory.add("dan")
    company.sync()
    assert company.account(bob).state == company.account(cid).state == State.ACTIVE
    inner.members.remove(ann)
    company.sync()
    assert company.account(ann).state == State.GRACE
    assert company.person(ann).left_at is None
    assert rows_of(company.sync()) == []


def test_a_rule_for_a_group_goes_by_what_is_kept_while_groups_cannot_be_read(
    company: Company,
) -> None:
    ann = company.directory.add("ann")
    team = company.directory.group("Team", ann)
    company.sync()
    company.rule.group = company.group(team)
    company.rule.save()
    company.directory.groups_fail = IncompleteRead("The server hung up.")
    ann.set(title="Director")
    company.sync()
    assert company.account(ann).state == State.ACTIVE


def test_groups_and_circles_over_several_transactions(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apply, "WINDOW", 5)
    people = company.directory.add_many(23)
    teams = [company.directory.group(f"T{n}", *people[n * 3 : n * 3 + 3]) for n in range(7)]
    for inner, outer in zip(teams, [*teams[1:], teams[0]], strict=True):
        outer.members.append(inner)
    company.sync()
    assert GroupNesting.objects.count() == 7
    assert {len(company.members(team)) for team in teams} == {21}
    assert {group.member_count for group in DirectoryGroup.objects.all()} == {21}
    assert {group.members.count() for group in DirectoryGroup.objects.all()} == {3}
    assert rows_of(company.sync()) == []
