"""Why somebody is in a group, what asks for groups, and who is kept in them."""

from __future__ import annotations

import json
from collections import deque
from io import StringIO
from itertools import pairwise

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase
from pytest_django import DjangoAssertNumQueries

from provisioning.models import DirectoryGroup, GroupMember, GroupNesting, Person, RoleGroup
from provisioning.services.directory.group_uses import find_uses, follow_used_groups
from provisioning.services.directory.memberships import find_memberships, find_ways
from provisioning.services.directory.nesting import find_members
from tests.factories import make_group, make_person, make_rule, make_source

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def nest(*groups: DirectoryGroup) -> None:
    """Each group within the next."""
    for child, parent in pairwise(groups):
        GroupNesting.objects.create(parent=parent, child=child)


def names(groups: tuple[DirectoryGroup, ...]) -> list[str]:
    return [group.name for group in groups]


def ways_of(person: Person) -> dict[str, list[str]]:
    return {path.group.name: names(path.through) for path in find_memberships(person=person)}


def test_the_shortest_of_several_ways_is_told(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    person = make_person()
    a = make_group("A", members=(person,))
    b, c, top, other = (
        make_group(name, source=person.source) for name in ("B", "C", "Top", "Other")
    )
    nest(a, b, c, top, a)
    nest(b, top)
    with django_assert_num_queries(3):
        assert ways_of(person) == {"A": [], "B": ["A"], "C": ["A", "B"], "Top": ["A", "B"]}
    with django_assert_num_queries(3):
        (way,) = find_ways(group=top, people=[person]).values()
    assert names(way) == ["A", "B"]
    assert find_ways(group=other, people=[person]) == {}


def test_a_direct_membership_needs_no_way() -> None:
    person = make_person()
    a, top = (make_group(name, members=(person,)) for name in ("A", "Top"))
    nest(a, top)
    assert ways_of(person) == {"A": [], "Top": []}
    assert find_ways(group=top, people=[person]) == {}
    assert [member.direct for member in find_members(group=top)] == [True]


class TestRandomNesting(TestCase):
    """Whatever is in whatever."""

    @given(
        st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), unique=True, max_size=12),
        st.sets(st.integers(0, 5), min_size=1, max_size=3),
    )
    @settings(max_examples=25)
    def test_page_person_and_naive_model_agree(
        self, nested: list[tuple[int, int]], direct: set[int]
    ) -> None:
        person = make_person()
        groups = [make_group(f"G{n}", source=person.source) for n in range(6)]
        for n in direct:
            GroupMember.objects.create(group=groups[n], person=person, direct=True)
        for parent, child in nested:
            GroupNesting.objects.create(parent=groups[parent], child=groups[child])
        distance = dict.fromkeys(direct, 0)
        waiting = deque(direct)
        while waiting:
            here = waiting.popleft()
            for parent, child in nested:
                if child == here and parent not in distance:
                    distance[parent] = distance[here] + 1
                    waiting.append(parent)
        found = {path.group.name: len(path.through) for path in find_memberships(person=person)}
        assert found == {f"G{n}": length for n, length in distance.items()}
        for n, group in enumerate(groups):
            assert find_members(group=group).exists() == (n in distance)
            ways = find_ways(group=group, people=[person])
            assert len(ways.get(person.pk, ())) == distance.get(n, 0)


def test_groups_in_use_keep_the_members_of_groups_within_and_others_do_not() -> None:
    ann, bo = make_person("Ann"), make_person("Bo")
    inner = make_group("Inner", members=(ann, bo))
    team = make_group("Team", members=(ann,))
    nest(inner, team)
    rule = make_rule(name="Team only", group=team)
    assert {str(use) for use in follow_used_groups()[team.pk]} == {"the account rule “Team only”"}
    assert dict(team.members.values_list("person__display_name", "direct")) == {
        "Ann": True, "Bo": False,
    }  # fmt: skip
    inner.members.all().delete()
    team.refresh_from_db()
    follow_used_groups()
    assert {person.display_name for person in find_members(group=team)} == {"Ann", "Bo"}
    rule.delete()
    follow_used_groups()
    team.refresh_from_db()
    assert not team.follows_nested
    assert {person.display_name for person in find_members(group=team)} == {"Ann"}


def test_rules_and_roles_are_what_uses_a_group() -> None:
    source = make_source()
    group, idle = make_group("Staff", source=source), make_group("Idle", source=source)
    make_rule(name="Staff only", group=group, enabled=False)
    RoleGroup.objects.create(source=source, group=group, role="viewer")
    uses = find_uses(groups=[group.pk, idle.pk])
    assert uses.keys() == {group.pk}
    assert [str(use) for use in uses[group.pk]] == [
        "the account rule “Staff only”", "the console role “Viewer”",
    ]  # fmt: skip


def explain(*arguments: str) -> str:
    out = StringIO()
    call_command("explain", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_tells_the_way_into_a_group() -> None:
    source = make_source(name="Berlin", groups_stale_since=timezone.now())
    person = make_person(login="ann", source=source)
    inner, team = make_group("Inner", members=(person,)), make_group("Team", source=source)
    make_group("Other", source=source)
    nest(inner, team)
    (answers,) = json.loads(explain("ann", "--group", "team", "--json")).values()
    (answer,) = answers
    assert (answer["title"], answer["value"]) == ("Group Team", "member")
    assert answer["because"].startswith("Ann Lee → Inner → Team; the groups of Berlin could not")
    assert "not a member" in explain("ann", "--group", "Other")
    with pytest.raises(CommandError, match="No group is called “Nowhere”"):
        explain("ann", "--group", "Nowhere")
