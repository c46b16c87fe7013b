"""Groups that something asks for: never gone silently; members of another forest are known."""

from __future__ import annotations

import pytest

from provisioning.core.states import State
from provisioning.models import AccountRule, RoleGroup, Run
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.runs import runs
from provisioning.services.runs.review import approve_run
from tests.services.company import (
    Company,
    Directory,
    company,
    memory_source,
    read_from,
    rows_of,
)

__all__ = ["company"]

pytestmark = [pytest.mark.database, pytest.mark.django_db]

# Of a domain of another forest; every byte of it is an ASCII character.
SID = b"\x01\x05" + (5).to_bytes(6, "big") + b"".join(
    number.to_bytes(4, "little") for number in (21, 1, 2, 3, 101)
)  # fmt: skip
OUTSIDER = "CN=S-1-5-21-1-2-3-101,CN=ForeignSecurityPrincipals,DC=example"


def test_a_group_that_a_rule_asks_for_is_not_gone_before_somebody_agreed(company: Company) -> None:
    company.relax()
    ann = company.directory.add("ann")
    team, other = company.directory.group("Team", ann), company.directory.group("Other", ann)
    company.sync()
    company.rule.group = company.group(team)
    company.rule.save()
    company.apply_rules()
    company.directory.groups.remove(team)
    run = company.sync()
    assert run.state == Run.State.WAITING
    (said,) = run.breaches
    assert said.startswith(
        "Group Team is not in the directory any more, but the account rule “Everybody” asks for it."
    )
    assert company.group(team).left_at is None
    assert company.members(team) == {"ann": True}
    assert company.account(ann).state == State.ACTIVE
    company.directory.groups.remove(other)
    company.directory.group("Third", ann)
    company.sync()
    assert company.group(other).left_at is not None
    assert company.group(team).left_at is None
    approve_run(run=run, digest=run.digest, actor=COMMAND_LINE)
    runs.execute_run(run_id=run.pk)
    company.apply_rules()
    assert company.group(team).left_at is not None
    assert company.account(ann).state == State.GRACE


def test_an_empty_group_with_a_role_is_not_gone_before_somebody_agreed(company: Company) -> None:
    company.directory.add("ann")
    team, _ = company.directory.group("Team"), company.directory.group("Other")
    company.sync()
    RoleGroup.objects.create(source=company.source, group=company.group(team), role="viewer")
    company.directory.groups.remove(team)
    run = company.sync()
    assert run.state == Run.State.WAITING
    assert "the console role “Viewer” asks for it" in run.breaches[0]
    assert company.group(team).left_at is None


def test_a_removal_through_an_inner_group_waits_where_a_rule_asks(company: Company) -> None:
    people = company.directory.add_many(10)
    inner = company.directory.group("Inner", *people)
    team = company.directory.group("Team", inner)
    company.sync()
    company.rule.group = company.group(team)
    company.rule.save()
    company.apply_rules()
    team.members = [people[0]]
    run = company.sync()
    assert run.state == Run.State.WAITING
    assert run.breaches == [
        "Group Team: removed membership, 9 planned; at most 2 of 10 pass without approval."
    ]
    assert len(company.members(team)) == 10
    assert {account.state for account in map(company.account, people)} == {State.ACTIVE}


def test_an_unchanged_group_that_starts_to_be_used_is_no_change(company: Company) -> None:
    ann = company.directory.add("ann")
    team = company.directory.group("Team", company.directory.group("Inner", ann))
    company.sync()
    company.rule.group = company.group(team)
    company.rule.save()
    run = company.sync()
    assert rows_of(run, kind="group") == []
    assert company.group(team).members.count() == 1
    AccountRule.objects.update(group=None)
    assert rows_of(company.sync(), kind="group") == []
    assert company.group(team).members.count() == 0
    assert company.members(team) == {"ann": False}


def test_unknown_members_are_counted_and_named(company: Company) -> None:
    ann = company.directory.add("ann")
    gone = [f"cn=gone {n:02},dc=example" for n in range(25)]
    team = company.directory.group("Team", ann, *gone)
    company.sync()
    group = company.group(team)
    assert (group.member_count, group.unresolved_count) == (1, 25)
    assert group.unknown_members == gone[:20]


def test_members_of_another_forest_are_its_people_once_it_is_a_source_too(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    company.relax()
    branch = memory_source(name="Branch")
    abroad = Directory()
    read_from(monkeypatch, {"Head office": company.directory, "Branch": abroad})
    ann, bea = company.directory.add("ann"), abroad.add("bea", objectsid=SID.decode())
    abroad.add("cid")
    inner = company.directory.group("Inner", OUTSIDER)
    team = company.directory.group("Team", ann, inner)
    company.sync()
    assert (company.group(inner).foreign_count, company.group(inner).unresolved_count) == (1, 0)
    company.rule.group = company.group(team)
    company.rule.save()
    company.sync(source=branch)
    assert company.members(team) == {"ann": True}
    run = company.sync()
    assert company.group(inner).foreign_count == 0
    assert company.members(team) == {"ann": True, "bea": False}
    assert company.members(inner) == {"bea": True}
    assert ("account", "create", "Bea") in rows_of(run)
    company.source, home = branch, company.source
    assert company.account(bea).state == State.ACTIVE
    company.source = home
    inner.members = []
    company.sync()
    assert company.members(team) == {"ann": True}
    company.source = branch
    assert company.account(bea).state == State.GRACE
