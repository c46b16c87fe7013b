"""The list of groups and the page of one group."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from provisioning.models import GroupMember, GroupNesting, RoleGroup
from tests.factories import make_group, make_person, make_rule, make_source
from tests.web.pages import text_of

pytestmark = pytest.mark.django_db


def test_a_group_shows_members_nesting_and_what_uses_it(
    as_administrator: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    source = make_source()
    people = tuple(make_person(f"M{i:02}", source=source) for i in range(60))
    group = make_group("Sales", members=people, unresolved_count=21, foreign_count=1)
    group.unknown_members = ["cn=gone,dc=example"]
    group.save()
    rule = make_rule(name="Sales staff", group=group, enabled=False)
    RoleGroup.objects.create(source=source, group=group, role="viewer")
    child = make_group("Inner", source=source)
    GroupNesting.objects.create(parent=group, child=child)
    address = reverse("group", args=[group.pk])
    with django_assert_max_num_queries(15):
        answer = as_administrator.get(address)
    page = text_of(answer)
    assert "of 60 members" in page
    assert "Sales staff Account rule, switched off" in page
    assert f'href="/rules/{rule.pk}/"' in answer.content.decode()
    assert "Viewer Members sign in to the console with this role" in page
    assert "its removal waits for approval" in page
    assert "Inner" in page
    assert "21 members are not known" in page
    assert "The first 1 cn=gone,dc=example" in page
    assert "1 member of another forest is not known here" in page
    part = as_administrator.get(address, {"q": "M59"}, headers={"HX-Request": "true"})
    assert [row.display_name for row in part.context["page"].rows] == ["M59"]


def test_members_of_inner_groups_are_shown_with_the_shortest_way(
    as_viewer: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    ann, bo = make_person("Ann"), make_person("Bo")
    team = make_group("Team", members=(ann,))
    unit, company, detour = (
        make_group(name, source=team.source) for name in ("Unit", "Company", "Detour")
    )
    GroupMember.objects.create(group=company, person=bo, direct=True)
    for parent, child in (
        (unit, team), (detour, unit), (company, detour), (company, unit), (team, company),
    ):  # fmt: skip
        GroupNesting.objects.create(parent=parent, child=child)
    with django_assert_max_num_queries(17):
        page = text_of(as_viewer.get(reverse("group", args=[company.pk])))
    assert "Ann" in page
    assert "Through Team → Unit" in page
    assert "Bo" in page
    assert "Directly" in page


def test_a_member_whose_removal_waits_is_still_shown(as_viewer: Client) -> None:
    person = make_person("Ann")
    group = make_group("Sales", source=person.source, follows_nested=True)
    GroupMember.objects.create(group=group, person=person, direct=False)
    page = text_of(as_viewer.get(reverse("group", args=[group.pk])))
    assert "Kept until the removal is approved" in page
    page = text_of(as_viewer.get(reverse("person-groups", args=[person.pk])))
    assert "Kept until the removal is approved" in page


def test_groups_that_could_not_be_read_are_said_to_be_out_of_date(as_viewer: Client) -> None:
    source = make_source(name="Berlin", groups_stale_since=timezone.now() - timedelta(hours=2))
    group = make_group("Sales", source=source)
    make_rule(name="Sales staff", group=group)
    for name, arguments in (("groups", []), ("group", [group.pk])):
        page = text_of(as_viewer.get(reverse(name, args=arguments)))
        assert "The groups of Berlin could not be read since 2 hours ago" in page
    assert "Out of date" in text_of(as_viewer.get(reverse("groups")))
    assert "Group out of date" in text_of(as_viewer.get(reverse("rules")))


def test_a_rule_whose_group_left_says_so(as_viewer: Client) -> None:
    make_rule(name="Sales staff", group=make_group("Sales", left_at=timezone.now()))
    assert "Group left the directory" in text_of(as_viewer.get(reverse("rules")))


def test_groups_are_listed_and_sorted_by_members(as_viewer: Client) -> None:
    source = make_source()
    make_group("Small", source=source)
    make_group("Big", members=(make_person(source=source),))
    response = as_viewer.get(reverse("groups"), {"sort": "-members"})
    assert [group.name for group in response.context["page"].rows] == ["Big", "Small"]


def test_the_list_takes_as_many_queries_for_fifty_groups_as_for_one(
    as_viewer: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    source = make_source()
    for number in range(55):
        make_rule(group=make_group(f"G{number:02}", source=source))
    with django_assert_max_num_queries(14):
        page = text_of(as_viewer.get(reverse("groups")))
    assert "of 55 groups" in page
    assert "Rule Rule " in page


@pytest.mark.parametrize(("query", "found"), [("used=on", "Used"), ("unknown=on", "Odd")])
def test_groups_are_filtered_by_use_and_by_unknown_members(
    as_viewer: Client, query: str, found: str
) -> None:
    source = make_source()
    make_group("Plain", source=source)
    make_group("Used", source=source, follows_nested=True)
    make_group("Odd", source=source, foreign_count=1)
    response = as_viewer.get(f"{reverse('groups')}?{query}")
    assert [group.name for group in response.context["page"].rows] == [found]
