"""Groups within groups, as the last read left them, followed by the database itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.expressions import RawSQL
from django.db.models.functions import Coalesce

from provisioning.models import DirectoryGroup, GroupMember, GroupNesting, Person
from provisioning.services import bulk

_NESTING, _MEMBER = GroupNesting._meta.db_table, GroupMember._meta.db_table
# UNION without ALL ends circles.
_WITHIN = f"""
WITH RECURSIVE within(id) AS (
    SELECT CAST(%s AS bigint) UNION
    SELECT {_NESTING}.child_id FROM {_NESTING} JOIN within ON {_NESTING}.parent_id = within.id)
"""  # noqa: S608
_AROUND = f"""
WITH RECURSIVE around(id) AS (
    SELECT group_id FROM {_MEMBER} WHERE person_id = %s AND direct UNION
    SELECT {_NESTING}.parent_id FROM {_NESTING} JOIN around ON {_NESTING}.child_id = around.id)
"""  # noqa: S608
# One parameter: the id of a group. It and every group within it, at any depth.
WITHIN = f"{_WITHIN} SELECT id FROM within"  # noqa: S608
_EDGES_WITHIN = f"""
{_WITHIN} SELECT {_NESTING}.parent_id, {_NESTING}.child_id FROM {_NESTING}
JOIN within ON {_NESTING}.parent_id = within.id ORDER BY {_NESTING}.id
"""  # noqa: S608
_EDGES_AROUND = f"""
{_AROUND} SELECT {_NESTING}.parent_id, {_NESTING}.child_id FROM {_NESTING}
JOIN around ON {_NESTING}.child_id = around.id ORDER BY {_NESTING}.id
"""  # noqa: S608

Edges = list[tuple[int, int]]


class Directness(TypedDict):
    """What is known of a member beside the person."""

    direct: bool


if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

    Member = WithAnnotations[Person, Directness]


def find_members(*, group: DirectoryGroup) -> QuerySet[Member]:
    """Everybody in the group or in a group within it; `direct` says whom the group itself names.

    Of a group that something asks for these are the kept members, from which is decided.
    """
    rows = GroupMember.objects.filter(group=group)
    if not group.follows_nested:
        within = RawSQL(WITHIN, [group.pk])  # noqa: S611 - no text of anybody's is in it
        rows = GroupMember.objects.filter(group__in=within, direct=True)
    itself = GroupMember.objects.filter(group=group, person=OuterRef("pk"), direct=True)
    people = Person.objects.filter(pk__in=rows.values("person_id"))
    return people.annotate(direct=Exists(itself))


def find_owners(*, group: DirectoryGroup) -> QuerySet[Person, int]:
    """The ids of the people to whom the members belong: whoever of them has an account is here."""
    members = find_members(group=group).annotate(owner=Coalesce("same_as", "pk"))
    return members.values_list("owner", flat=True)


def edges_within(group_id: int) -> Edges:
    """(parent, child) of every nesting at and below the group."""
    return [(parent, child) for parent, child in bulk.fetch(_EDGES_WITHIN, [group_id])]


def edges_around(person_id: int) -> Edges:
    """(parent, child) of every nesting above the groups that name the person."""
    return [(parent, child) for parent, child in bulk.fetch(_EDGES_AROUND, [person_id])]
