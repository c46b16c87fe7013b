"""The base of every long list: filter, search, sort, page, and the results alone for htmx."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Generic, TypeVar

import django_filters
from django import forms
from django.core.exceptions import BadRequest
from django.db.models import Model, Q, QuerySet
from django.http import HttpResponse, QueryDict
from django.shortcuts import render

from provisioning.core.roles import Capability
from provisioning.web.access import ConsoleRequest, Needs
from provisioning.web.console.saved_views import change_views, views_of
from provisioning.web.keyset import KeysetPage, Order, paginate
from provisioning.web.search import COUNTED, matching

M = TypeVar("M", bound=Model)


class SearchFilter(django_filters.CharFilter):  # type: ignore[misc]  # no types
    """The search box; declared last, so that it searches only what the other filters left."""

    def __init__(self, column: str = "search_key", **kwargs: Any) -> None:
        super().__init__(label="Search", **kwargs)
        self.column = column

    def filter(self, queryset: QuerySet[M], value: str) -> QuerySet[M]:
        """Every word must occur in the folded column."""
        return matching(queryset, value, self.column) if value else queryset


class AnyOf(django_filters.MultipleChoiceFilter):  # type: ignore[misc]  # no types
    """Rows whose column has one of the chosen values; `choices` may be a callable, asked once."""

    def __init__(self, *, choices: Any, **kwargs: Any) -> None:
        super().__init__(distinct=False, choices=choices, **kwargs)

    def filter(self, queryset: QuerySet[M], value: list[str]) -> QuerySet[M]:
        """One `IN`, which an index can answer."""
        return queryset.filter(**{f"{self.field_name}__in": value}) if value else queryset


class Switch(django_filters.Filter):  # type: ignore[misc]  # no types
    """Only the rows that meet `condition`, while it is on."""

    field_class = forms.BooleanField

    def __init__(self, condition: Q, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.condition = condition

    def filter(self, queryset: QuerySet[M], value: bool | None) -> QuerySet[M]:
        """All rows while it is off."""
        return queryset.filter(self.condition) if value else queryset


class ListFilter(django_filters.FilterSet):  # type: ignore[misc]  # no types
    """A filter that refuses what it does not offer, so that a mistyped address never shows more."""

    # Parameters of a list that are no filters.
    OTHERS = frozenset({"sort", "cursor"})

    def __init__(self, data: QueryDict, queryset: QuerySet[Any]) -> None:
        super().__init__(data, queryset)
        for each in self.filters.values():
            choices = each.extra.get("choices")
            if callable(choices):
                each.extra["choices"] = choices()

    def choices_of(self, name: str) -> list[tuple[Any, str]]:
        """What the filter `name` offers, as (value, label)."""
        choices: list[tuple[Any, str]] = self.filters[name].extra["choices"]
        return choices

    @property
    def rows(self) -> QuerySet[Any]:
        """The rows that match; raises BadRequest for a parameter or value that is not offered."""
        unknown = set(self.data) - set(self.filters) - self.OTHERS
        if unknown or not self.is_valid():
            raise BadRequest(f"This list has no such filter: {', '.join(sorted(unknown))[:100]}")
        found: QuerySet[Any] = self.qs
        return found

    @property
    def narrows(self) -> bool:
        """Whether anything is asked for, so that fewer filters may show more."""
        return any(value for name in self.filters for value in self.data.getlist(name))


class ListPage(Needs, Generic[M]):
    """A list at its own address; subclasses say what is listed, filtered and sorted."""

    capability = Capability.VIEW
    filter: ListFilter
    filter_class: ClassVar[type[ListFilter]]
    orders: ClassVar[Mapping[str, Order]]
    default_order: ClassVar[str]
    template: ClassVar[str]
    results_template: ClassVar[str]
    # Where a list has views: its name in saved ones, and (label, query string) of everybody's.
    list_name: ClassVar[str] = ""
    fixed_views: ClassVar[tuple[tuple[str, str], ...]] = ()

    def get(self, request: ConsoleRequest) -> HttpResponse:
        """One page of the list; only the results where htmx asks for them."""
        self.filter = chosen = self.filter_class(request.GET, self.queryset())
        order = sort_order(request.GET, self.orders, self.default_order)
        page = paginate(
            chosen.rows,
            cursor=request.GET.get("cursor", ""),
            order=order,
            count_to=COUNTED if request.GET.get("q") else None,
        )
        part = (
            request.htmx and not request.htmx.boosted and not request.htmx.history_restore_request
        )
        context = {"filter": chosen, "page": page, "part": part, **self.context(request, page)}
        if self.list_name:
            context |= views_of(request, self.list_name, self.fixed_views)
        return render(request, self.results_template if part else self.template, context)

    def post(self, request: ConsoleRequest) -> HttpResponse:
        """Save the filter of the address as a view, or remove one."""
        if not self.list_name:
            return self.http_method_not_allowed(request)
        # Refuses what the list would refuse.
        _ = self.filter_class(request.GET, self.queryset()).rows
        sort_order(request.GET, self.orders, self.default_order)
        return change_views(request, self.list_name)

    def queryset(self) -> QuerySet[M]:
        """Everything that can be listed, with what a row shows."""
        raise NotImplementedError

    def context(self, request: ConsoleRequest, page: KeysetPage[M]) -> dict[str, Any]:
        """What the templates need besides `filter` and `page`."""
        return {}


def sort_order(query: QueryDict, orders: Mapping[str, Order], default: str) -> Order:
    """The order that `?sort=` asks for; raises BadRequest for one that is not offered."""
    key = query.get("sort") or default
    order = orders.get(key.removeprefix("-"))
    if order is None:
        raise BadRequest(f"This list cannot be sorted by {key[:40]}.")
    return Order(order.column, descending=True) if key.startswith("-") else order
