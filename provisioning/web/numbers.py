"""The list of numbers, the page of one number, and their export."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Any

import django_filters
from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from provisioning.core.errors import ProvisioningError
from provisioning.core.roles import Capability
from provisioning.core.spreadsheet import safe_cell
from provisioning.core.states import State
from provisioning.models import Account, AuditEvent, Number, NumberRange, Site
from provisioning.services import numbers
from provisioning.services.number_import import COLUMNS
from provisioning.services.ranges import numbers_in, range_of
from provisioning.web.access import ConsoleRequest, actor_of, needs
from provisioning.web.audit import Entry
from provisioning.web.forms.accounts import ReleaseForm
from provisioning.web.forms.numbers import GiveForm, NewNumberForm, StateForm
from provisioning.web.keyset import KeysetPage, Order
from provisioning.web.list_page import AnyOf, ListFilter, ListPage
from provisioning.web.search import matching, phone_digits


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
        return Number.objects.select_related("account__site")

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
    found = get_object_or_404(Number.objects.select_related("account__site"), pk=pk)
    events = AuditEvent.objects.filter(object_type="number", object_id=str(pk)).order_by("-id")
    context = {
        "title": found.e164,
        "crumbs": [("Numbers", reverse("numbers")), (found.e164, "")],
        "number": found,
        "range": range_of(found.e164),
        "entries": [Entry.of(event) for event in events[:20]],
        "give_form": GiveForm(auto_id="give_%s"),
        "release_form": ReleaseForm(auto_id="release_%s"),
        "state_form": StateForm(
            auto_id="state_%s", initial={"state": found.state, "note": found.note}
        ),
    }
    return render(request, "numbers/number.html", context)


@needs(Capability.OPERATE)
@require_http_methods(["GET", "POST"])
def new(request: ConsoleRequest) -> HttpResponse:
    """Make a number known."""
    form = NewNumberForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            added = numbers.add_number(
                e164=form.cleaned_data["number"],
                state=Number.State(form.cleaned_data["state"]),
                note=form.cleaned_data["note"],
                actor=actor_of(request),
            )
        except ProvisioningError as error:
            form.add_error("number", error.message)
        else:
            messages.success(request, f"{added} is known now.")
            return redirect("number", pk=added.pk)
    context = {
        "title": "New number",
        "crumbs": [("Numbers", reverse("numbers")), ("New number", "")],
        "form": form,
        "cancel": reverse("numbers"),
        "button": "Add number",
    }
    return render(request, "accounts/form.html", context, status=422 if form.errors else 200)


@needs(Capability.OPERATE)
@require_POST
def give(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Give the number to an account."""
    found, form = get_object_or_404(Number, pk=pk), GiveForm(request.POST)
    if form.is_valid():
        aor = form.cleaned_data["aor"].strip().lower().removeprefix("sips:").removeprefix("sip:")
        account = Account.objects.filter(aor=aor).exclude(state=State.REMOVED).first()
        if account is None:
            messages.error(request, f"Nothing was changed.\nThere is no account sip:{aor}.")
            return redirect("number", pk=pk)
        try:
            numbers.assign_number(account=account, e164=found.e164, actor=actor_of(request))
            messages.success(request, f"{account} has {found} now.")
        except ProvisioningError as error:
            messages.error(request, f"That did not work.\n{error.message}")
    else:
        messages.error(request, "Nothing was changed.\nGive the SIP URI of an account.")
    return redirect("number", pk=pk)


@needs(Capability.OPERATE)
@require_POST
def release(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Take the number from its account."""
    found, form = get_object_or_404(Number, pk=pk), ReleaseForm(request.POST)
    try:
        released = numbers.release_number(
            number=found,
            free=form.is_valid() and form.cleaned_data["free"],
            actor=actor_of(request),
        )
        messages.success(request, f"{found} is {released.get_state_display().lower()} now.")
    except ProvisioningError as error:
        messages.error(request, f"That did not work.\n{error.message}")
    return redirect("number", pk=pk)


@needs(Capability.OPERATE)
@require_POST
def change_state(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Make the number free, reserved, quarantined or used elsewhere."""
    found, form = get_object_or_404(Number, pk=pk), StateForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Nothing was changed.\nChoose a state.")
        return redirect("number", pk=pk)
    try:
        current = numbers.set_number_state(
            number=found,
            state=Number.State(form.cleaned_data["state"]),
            note=form.cleaned_data["note"],
            actor=actor_of(request),
        )
        messages.success(request, f"{found} is {current.get_state_display().lower()} now.")
    except ProvisioningError as error:
        messages.error(request, f"That did not work.\n{error.message}")
    return redirect("number", pk=pk)


@needs(Capability.VIEW)
@require_safe
def export(request: ConsoleRequest) -> HttpResponseBase:
    """The numbers of the list as CSV, with the columns that an import reads."""
    rows = NumberFilter(request.GET, Number.objects.select_related("account")).rows
    response = StreamingHttpResponse(_csv(rows.order_by("e164")), content_type="text/csv")
    response["Content-Disposition"] = 'attachment; filename="numbers.csv"'
    response["Cache-Control"] = "no-store"
    return response


def tabs(current: str) -> list[dict[str, Any]]:
    """Numbers and ranges, one beside the other."""
    return [
        {"label": label, "href": reverse(name), "active": name == current}
        for name, label in (("numbers", "Numbers"), ("ranges", "Ranges"))
    ]


class _Line:
    """What csv writes to: hands back each line."""

    def write(self, line: str) -> str:
        return line


def _csv(rows: QuerySet[Number]) -> Iterator[str]:
    writer = csv.writer(_Line())
    yield writer.writerow(COLUMNS[:4])
    for row in rows.iterator(chunk_size=2000):
        account = f"sip:{row.account.aor}" if row.account else ""
        yield writer.writerow(
            [safe_cell(cell) for cell in (row.e164, account, row.state, row.note)]
        )
