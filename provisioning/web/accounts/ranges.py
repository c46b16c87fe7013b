"""Number ranges: how full they are, making and changing them."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from provisioning.core.errors import ProvisioningError
from provisioning.core.roles import Capability
from provisioning.models import NumberRange
from provisioning.services.numbers.ranges import delete_range, find_fills, next_free, save_range
from provisioning.web.access import ConsoleRequest, actor_of, needs
from provisioning.web.accounts.numbers import tabs
from provisioning.web.forms.numbers import RangeForm


@needs(Capability.VIEW)
@require_safe
def ranges(request: ConsoleRequest) -> HttpResponse:
    """Every range with its fill level."""
    rows = list(NumberRange.objects.select_related("site").order_by("first"))
    fills = find_fills(rows)
    context = {
        "title": "Ranges",
        "lead": "The blocks of numbers that you have, and how full they are.",
        "tabs": tabs("ranges"),
        "ranges": [(row, fills[row.pk]) for row in rows],
    }
    return render(request, "numbers/ranges.html", context)


@needs(Capability.CONFIGURE)
@require_http_methods(["GET", "POST"])
def new(request: ConsoleRequest) -> HttpResponse:
    """Make a range."""
    return _form(request, NumberRange(), "New range", {})


@needs(Capability.CONFIGURE)
@require_http_methods(["GET", "POST"])
def edit(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Change a range."""
    row = get_object_or_404(NumberRange, pk=pk)
    context = {"range": row, "fill": find_fills([row])[pk], "next_free": next_free(row)}
    return _form(request, row, row.name, context)


@needs(Capability.CONFIGURE)
@require_POST
def delete(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Delete a range; its numbers stay."""
    row = get_object_or_404(NumberRange, pk=pk)
    try:
        delete_range(number_range=row, actor=actor_of(request))
    except ProvisioningError as error:
        messages.error(request, f"That did not work.\n{error.message}")
        return redirect("range-edit", pk=pk)
    messages.success(request, f"The range {row.name} was deleted.\nIts numbers stay as they are.")
    return redirect("ranges")


def _form(
    request: ConsoleRequest, row: NumberRange, title: str, context: dict[str, Any]
) -> HttpResponse:
    form = RangeForm(request.POST or None, instance=row)
    if request.method == "POST" and form.is_valid():
        try:
            save_range(number_range=row, actor=actor_of(request))
        except ProvisioningError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, f"The range {row.name} was saved.")
            return redirect("ranges")
    context |= {
        "title": title,
        "crumbs": [("Numbers", reverse("numbers")), ("Ranges", reverse("ranges")), (title, "")],
        "form": form,
    }
    return render(request, "numbers/range.html", context, status=422 if form.errors else 200)
