"""The Observe report of a store: in the page, and complete as CSV."""

from __future__ import annotations

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils.text import slugify
from django.views.decorators.http import require_safe

from provisioning.core.errors import ProvisioningError
from provisioning.core.roles import Capability
from provisioning.models import ConfigStore
from provisioning.services.servers.observe import LABELS, MEANING, Category, observe_store
from provisioning.services.servers.observe_csv import stream_csv
from provisioning.web.access import ConsoleRequest, needs
from provisioning.web.servers.store_tabs import store_context
from provisioning.web.streaming import send_csv


@needs(Capability.VIEW)
@require_safe
def observe(request: ConsoleRequest, pk: int) -> HttpResponse:
    """The Observe report; htmx asks for the report itself, which reads the whole store."""
    row = get_object_or_404(ConfigStore, pk=pk)
    if not request.htmx:
        context = store_context(row, "store-observe", f"What {row} holds") | {
            "lead": "Compared with people and accounts here. Looking changes nothing there.",
        }
        return render(request, "stores/observe.html", context)
    try:
        report = observe_store(store=row)
    except ProvisioningError as error:
        return render(request, "stores/_report.html", {"store": row, "problem": error.message})
    groups = [
        {
            "id": category.value,
            "label": LABELS[category],
            "meaning": MEANING[category],
            "count": report.counts[category],
            "examples": report.examples[category],
        }
        for category in Category
    ]
    return render(
        request, "stores/_report.html", {"report": report, "groups": groups, "store": row}
    )


@needs(Capability.VIEW)
@require_safe
def observe_csv(request: ConsoleRequest, pk: int) -> HttpResponseBase:
    """Every finding as CSV."""
    row = get_object_or_404(ConfigStore, pk=pk)
    name = f"observe-{slugify(row.name) or row.pk}.csv"
    return send_csv(stream_csv(store=row), name)
