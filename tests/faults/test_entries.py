"""Entries of a directory that are awkward, wrong or many, with a real directory."""

from __future__ import annotations

import pytest
from ldap.dn import escape_dn_chars

from lab.people import Company as People
from lab.slapd import Slapd
from lab.slapd_entries import GROUPS, PEOPLE, group_dn, person_dn, person_entry
from provisioning.models import (
    Account,
    AccountRule,
    DirectoryGroup,
    DirectorySource,
    Person,
    Run,
)
from provisioning.services.directory.nesting import find_members
from tests.faults.directory import authority, people, rule, slapd, source, sync

__all__ = ["authority", "people", "rule", "slapd", "source"]

pytestmark = [pytest.mark.database, pytest.mark.django_db]

FULL_WIDTH = "\uff45\uff58\uff54-1"
AWKWARD = [
    'Lee, "Ann"',
    "Lee+Ann=1",
    " leading",
    "#hash",
    "back\\slash",
    "semi;<colon>",
    "naïve 漢字",
]


def test_awkward_dns_are_members_like_others(
    source: DirectorySource, slapd: Slapd, people: People
) -> None:
    entry = person_entry(people.people[0], "{CLEARTEXT}x")
    names = {f"awkward{n}": name for n, name in enumerate(AWKWARD)}
    dns = []
    for uid, name in names.items():
        own = {"uid": [uid], "cn": [name], "displayName": [name.strip()], "telephoneNumber": []}
        dns.append(f"cn={_escaped(name)},{PEOPLE}")
        slapd.add(dns[-1], {k: v for k, v in (entry | own).items() if v and k != "manager"})
    group = people.groups[0]
    slapd.add_members(group_dn(group.name), *dns)
    sync(source)
    found = dict(Person.objects.filter(login__startswith="awkward").values_list("login", "guid"))
    assert found.keys() == names.keys()
    members = set(find_members(group=_group(group.name)).values_list("login", flat=True))
    assert names.keys() <= members


def test_names_that_differ_in_writing_only_are_one_sip_uri(
    source: DirectorySource, rule: AccountRule, slapd: Slapd, people: People
) -> None:
    rule.user_formula = "lower(employee_id)"
    rule.save()
    first, second, third, other = people.people[:4]
    for one, number in ((first, "ext-1"), (second, "EXT-1"), (third, FULL_WIDTH), (other, "ext-2")):
        slapd.modify(person_dn(one), {"employeeNumber": [number]})
    run = sync(source)
    assert run.state == Run.State.DONE
    accounts = Account.objects.filter(user_part="ext-1")
    assert accounts.count() == 1
    named = {one.uid for one in (first, second, third)}
    problems = Person.objects.filter(login__in=named).exclude(problem="")
    assert problems.count() == 2
    assert Account.objects.filter(person__login=other.uid, user_part="ext-2").exists()


def test_a_value_that_cannot_be_used_stops_nobody_else(
    source: DirectorySource, slapd: Slapd, people: People
) -> None:
    source.disabled_expression = "bit(employeeNumber, 2)"
    source.save()
    entry = person_dn(people.people[0])
    for n, one in enumerate(people.people):
        slapd.modify(person_dn(one), {"employeeNumber": [str(512 + 2 * (n == 5))]})
    slapd.modify(entry, {"employeeNumber": ["many"]})
    slapd.modify(person_dn(people.people[2]), {"employeeNumber": []})
    run = sync(source)
    assert run.state == Run.State.DONE
    assert run.counts["read.unreadable"] == 2
    problems = run.changes.filter(kind="person", status="problem")
    said = " ".join(problems.values_list("message", flat=True))
    assert "“many”, which is not a whole number" in said
    assert "missing, so nobody knows who is disabled" in said
    assert Person.objects.count() == len(people.people) - 2
    assert Person.objects.get(login=people.people[5].uid).disabled is True


def test_groups_that_contain_each_other_end(
    source: DirectorySource, slapd: Slapd, people: People
) -> None:
    names = ["Ring A", "Ring B", "Ring C"]
    for name, one in zip(names, people.people, strict=False):
        slapd.add(
            f"cn={name},{GROUPS}",
            {"objectClass": ["groupOfNames"], "cn": [name], "member": [person_dn(one)]},
        )
    for name, following in zip(names, [*names[1:], names[0]], strict=True):
        slapd.add_members(f"cn={name},{GROUPS}", f"cn={following},{GROUPS}")
    assert sync(source).state == Run.State.DONE
    everybody = {one.uid for one in people.people[:3]}
    for name in names:
        assert set(find_members(group=_group(name)).values_list("login", flat=True)) == everybody


def _group(name: str) -> DirectoryGroup:
    return DirectoryGroup.objects.get(name=name)


def _escaped(value: str) -> str:
    return str(escape_dn_chars(value))
