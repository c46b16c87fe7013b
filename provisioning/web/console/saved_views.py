"""The views of a list as tabs: those that everybody has, and those that one saved."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect

from provisioning.core.errors import ProvisioningError
from provisioning.models import SavedView
from provisioning.services.console.saved_views import find_views, remove_view, save_view
from provisioning.web.access import ConsoleRequest
from provisioning.web.ids import row_id


class ViewForm(forms.Form):
    """The name of a view."""

    name = forms.CharField(max_length=40)


def change_views(request: ConsoleRequest, list_name: str) -> HttpResponse:
    """Keep the filter of the address under the posted name, or forget the view `remove`.

    The list has accepted the filter before.
    """
    if "remove" in request.POST:
        return _remove(request, list_name)
    query = view_query(request.GET)
    form = ViewForm(request.POST)
    if not form.is_valid():
        messages.error(request, "The view was not saved.\nGive it a name of at most 40 letters.")
    else:
        try:
            view = save_view(user=request.user, list_name=list_name, query=query,
                             name=form.cleaned_data["name"])  # fmt: skip
        except ProvisioningError as error:
            messages.error(request, f"The view was not saved.\n{error.message}")
        else:
            messages.success(request, f"“{view}” is saved.\nOnly you see it.")
    return redirect(f"{request.path}?{query}")


def _remove(request: ConsoleRequest, list_name: str) -> HttpResponse:
    pk = row_id(request.POST["remove"])
    view = get_object_or_404(SavedView, pk=pk, user=request.user, list_name=list_name)
    remove_view(view=view)
    messages.success(request, f"The view “{view}” is removed.")
    return redirect(request.path)


def views_of(
    request: ConsoleRequest, list_name: str, fixed: tuple[tuple[str, str], ...]
) -> dict[str, Any]:
    """What components/views.html needs: tabs, own views, and whether there is a filter to save."""
    now = _sorted(view_query(request.GET))
    saved = find_views(user=request.user, list_name=list_name)
    offered = [*fixed, *((view.name, view.query) for view in saved)]
    tabs = [
        {"label": label, "href": f"?{query}", "active": now == _sorted(query)}
        for label, query in offered
    ]
    return {
        "tabs": tabs,
        "saved_views": saved,
        "can_save": not any(tab["active"] for tab in tabs),
    }


def view_query(query: QueryDict) -> str:
    """The query string of a view: filters and order, without the page and empty parameters."""
    kept = QueryDict(mutable=True)
    for name, values in query.lists():
        if name != "cursor" and any(values):
            kept.setlist(name, [value for value in values if value])
    return kept.urlencode()


@lru_cache(256)
def _sorted(query: str) -> list[tuple[str, list[str]]]:
    return sorted((name, sorted(values)) for name, values in QueryDict(query).lists())
