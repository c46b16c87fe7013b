"""The list of numbers, the page of one number, and their export."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import django_filters
from django import forms
from django.db.models import QuerySet
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from provisioning.core.roles import Capability
from provisioning.core.spreadsheet import csv_lines
from provisioning.models import AuditEvent, Number, NumberRange, Site
from provisioning.services.numbers.number_import import COLUMNS
from provisioning.services.numbers.ranges import numbers_in, range_of
from provisioning.web.access import ConsoleRequest, needs
from provisioning.web.console.audit import Entry
from provisioning.web.forms.accounts import ReleaseForm
from provisioning.web.forms.numbers import GiveForm, StateForm
from provisioning.web.keyset import KeysetPage, Order
from provisioning.web.list_page import AnyOf, ListFilter, ListPage
from provisioning.web.search import matching, phone_digits
from provisioning.web.streaming import send_csv


class NumberFilter(ListFilter):
    """Numbers by state, range, site of their account, and search."""

    state = AnyOf(choices=Number.State.choices, label="State")
    range = django_filters.ChoiceFilter(
        choices=lambda: list(NumberRange.objects.order_by("name").values_list("pk", "name")),
        method="by_range",
        label="Range",
    )
    site = AnyOf(
        field_name="account__site",
        choices=lambda: list(Site.objects.order_by("name").values_list("pk", "name")),
        label="Site",
    )
    q = django_filters.CharFilter(method="by_words", label="Search")

    class Meta:
        model = Number
        fields = ()

    def by_range(self, found: QuerySet[Number], name: str, value: str) -> QuerySet[Number]:
        """Numbers between the first and the last of the range."""
        return numbers_in(NumberRange.objects.get(pk=value), found)

    def by_words(self, found: QuerySet[Number], name: str, value: str) -> QuerySet[Number]:
        """Digits are looked for in the number, anything else in name and SIP URI of its account."""
        column = "e164" if phone_digits(value) else "account__search_key"
        return matching(found, value, column)


class Numbers(ListPage[Number]):
    """Every number that the console knows."""

    filter_class = NumberFilter
    orders = {  # noqa: RUF012 - ListPage declares it for the class
        "number": Order("e164"),
    }
    default_order = "number"
    template = "numbers/numbers.html"
    results_template = "numbers/_results.html"

    def queryset(self) -> QuerySet[Number]:
        """With account and site."""
        return Number.objects.select_related("account__site", "used_in")

    def context(self, request: ConsoleRequest, page: KeysetPage[Number]) -> dict[str, Any]:
        """Title and tabs."""
        return {
            "title": "Numbers",
            "lead": "Who has which number, and which are free.",
            "tabs": tabs("numbers"),
        }


@needs(Capability.VIEW)
@require_safe
def number(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Who has it, what can be done with it, what happened to it."""
    return show_number(request, pk)


def show_number(
    request: ConsoleRequest, pk: int, refused: Mapping[str, forms.BaseForm] | None = None
) -> HttpResponse:
    """The page; with a refused form by the name of its dialog, that dialog is open (422)."""
    found = get_object_or_404(Number.objects.select_related("account__site", "used_in"), pk=pk)
    events = AuditEvent.objects.filter(object_type="number", object_id=str(pk))
    events = events.select_related("actor").order_by("-id")
    context = {
        "title": found.e164,
        "crumbs": [("Numbers", reverse("numbers")), (found.e164, "")],
        "number": found,
        "range": range_of(found.e164),
        "entries": [Entry.of(event) for event in events[:20]],
        "dialogs": {
            "give": GiveForm(auto_id="give_%s"),
            "release": ReleaseForm(auto_id="release_%s"),
            "state": StateForm(
                auto_id="state_%s", initial={"state": found.state, "note": found.note}
            ),
            **(refused or {}),
        },
    }
    return render(request, "numbers/number.html", context, status=422 if refused else 200)


@needs(Capability.VIEW)
@require_safe
def export(request: ConsoleRequest) -> HttpResponseBase:
    """The numbers of the list as CSV, with the columns that an import reads."""
    rows = NumberFilter(request.GET, Number.objects.select_related("account")).rows
    return send_csv(csv_lines(_cells(rows.order_by("e164"))), "numbers.csv")


def tabs(current: str) -> list[dict[str, Any]]:
    """Numbers and ranges, one beside the other."""
    return [
        {"label": label, "href": reverse(name), "active": name == current}
        for name, label in (("numbers", "Numbers"), ("ranges", "Ranges"))
    ]


def _cells(rows: QuerySet[Number]) -> Iterator[Sequence[str]]:
    yield COLUMNS[:4]
    for row in rows.iterator(chunk_size=2000):
        yield row.e164, f"sip:{row.account.aor}" if row.account else "", row.state, row.note
