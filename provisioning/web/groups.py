"""The list of directory groups, and the page of one group."""

from __future__ import annotations

from typing import Any

from django.db.models import F, Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from provisioning.core.roles import Capability
from provisioning.models import AccountRule, DirectoryGroup, DirectorySource, Person, RoleGroup
from provisioning.web.access import ConsoleRequest, needs
from provisioning.web.keyset import KeysetPage, Order, paginate
from provisioning.web.list_page import AnyOf, ListFilter, ListPage, SearchFilter, Switch
from provisioning.web.search import matching

# How many groups above and below are named on a group's page.
_NAMED = 100


class GroupFilter(ListFilter):
    """Groups by source, presence and search."""

    source = AnyOf(
        choices=lambda: list(DirectorySource.objects.order_by("name").values_list("pk", "name")),
        label="Source",
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
        """Title."""
        return {
            "title": "Groups",
            "lead": "As the directory knows them. Account rules and console roles ask for them.",
        }


@needs(Capability.VIEW)
@require_safe
def group(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Who is in it, what is in it, and what asks for it."""
    found = get_object_or_404(DirectoryGroup.objects.select_related("source"), pk=pk)
    query = request.GET.get("q", "")
    members = matching(
        Person.objects.filter(memberships__group=found).annotate(direct=F("memberships__direct")),
        query,
    )
    context = {
        "title": found.name,
        "crumbs": [("Groups", reverse("groups")), (found.name, "")],
        "group": found,
        "page": paginate(members, cursor=request.GET.get("cursor", "")),
        "query": query,
    }
    if request.htmx and not request.htmx.boosted and not request.htmx.history_restore_request:
        return render(request, "groups/_members.html", context)
    context |= {
        "inside": found.children.order_by("name_key", "id")[:_NAMED],
        "around": found.parents.order_by("name_key", "id")[:_NAMED],
        "rules": AccountRule.objects.filter(group=found),
        "roles": RoleGroup.objects.filter(group=found).select_related("source"),
        "facts": [
            {"label": "Description", "value": found.description},
            {"label": "Source", "value": found.source},
            {"label": "Members", "value": f"{found.member_count:,}"},
            {"label": "Members outside the bases", "value": f"{found.unresolved_count:,}"},
            {"label": "Distinguished name", "value": found.dn, "mono": True},
        ],
    }
    return render(request, "groups/group.html", context)
