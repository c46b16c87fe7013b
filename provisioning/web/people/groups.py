"""The list of directory groups, and the page of one group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from provisioning.core.roles import Capability
from provisioning.models import DirectoryGroup, DirectorySource
from provisioning.services.directory.group_uses import GroupUse, find_uses
from provisioning.services.directory.memberships import find_ways
from provisioning.services.directory.nesting import find_members
from provisioning.web.access import ConsoleRequest, needs
from provisioning.web.keyset import KeysetPage, Order, paginate
from provisioning.web.list_page import AnyOf, ListFilter, ListPage, SearchFilter, Switch
from provisioning.web.search import matching
from provisioning.web.shell import href_of

if TYPE_CHECKING:
    from provisioning.services.directory.nesting import Member

# How many groups above and below are named on a group's page.
_NAMED = 100


class GroupFilter(ListFilter):
    """Groups by source, use, presence and search."""

    source = AnyOf(
        choices=lambda: list(DirectorySource.objects.order_by("name").values_list("pk", "name")),
        label="Source",
    )
    used = Switch(Q(follows_nested=True), label="Used")
    unknown = Switch(
        Q(unresolved_count__gt=0) | Q(foreign_count__gt=0), label="With unknown members"
    )
    left = Switch(Q(left_at__isnull=False), label="Left the directory")
    q = SearchFilter("name_key")

    class Meta:
        model = DirectoryGroup
        fields = ()


class Groups(ListPage[DirectoryGroup]):
    """Every group that was read."""

    filter_class = GroupFilter
    orders = {  # noqa: RUF012 - ListPage declares it for the class
        "name": Order("name_key"),
        "members": Order("member_count"),
        "changed": Order("changed_at"),
    }
    default_order = "name"
    template = "groups/groups.html"
    results_template = "groups/_results.html"

    def queryset(self) -> QuerySet[DirectoryGroup]:
        """With the source."""
        return DirectoryGroup.objects.select_related("source")

    def context(self, request: ConsoleRequest, page: KeysetPage[DirectoryGroup]) -> dict[str, Any]:
        """Title, what asks for each group of the page, and sources that could not be read."""
        uses = find_uses(groups=[group.pk for group in page.rows])
        stale = DirectorySource.objects.exclude(groups_stale_since=None)
        return {
            "title": "Groups",
            "lead": "As the directory knows them. Account rules, roles and settings ask for them.",
            "rows": [(group, uses.get(group.pk, [])) for group in page.rows],
            "stale_sources": stale.order_by("name"),
        }


@needs(Capability.VIEW)
@require_safe
def group(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Who is in it, what is in it, and what asks for it."""
    found = get_object_or_404(DirectoryGroup.objects.select_related("source"), pk=pk)
    query = request.GET.get("q", "")
    members = matching(find_members(group=found), query)
    page = paginate(members, cursor=request.GET.get("cursor", ""))
    context = {
        "title": found.name,
        "crumbs": [("Groups", reverse("groups")), (found.name, "")],
        "group": found,
        "page": page,
        "members": _with_ways(found, page.rows),
        "query": query,
    }
    if request.htmx and not request.htmx.boosted and not request.htmx.history_restore_request:
        return render(request, "groups/_members.html", context)
    context |= {
        "inside": found.children.order_by("name_key", "id")[:_NAMED],
        "around": found.parents.order_by("name_key", "id")[:_NAMED],
        "uses": [(use, _href(use)) for use in find_uses(groups=[found.pk]).get(found.pk, [])],
        "facts": [
            {"label": "Description", "value": found.description},
            {"label": "Source", "value": found.source},
            {"label": "Members", "value": f"{found.member_count:,}"},
            {"label": "Unknown members", "value": f"{found.unresolved_count:,}"},
            {"label": "Distinguished name", "value": found.dn, "mono": True},
        ],
    }
    return render(request, "groups/group.html", context)


def _with_ways(
    group: DirectoryGroup, people: Sequence[Member]
) -> list[tuple[Member, tuple[DirectoryGroup, ...]]]:
    """Each of `people` with the groups on the way to `group`, nearest to the person first."""
    indirect = [person for person in people if not person.direct]
    ways = find_ways(group=group, people=indirect) if indirect else {}
    return [(person, ways.get(person.pk, ())) for person in people]


def _href(use: GroupUse) -> str:
    if use.kind == "settings":
        return reverse("settings-at", args=["group", use.pk])
    return href_of("rule-edit" if use.kind == "rule" else "source", use.pk)
