"""Sources & sync: the list, and what is done to a source from its page."""

from __future__ import annotations

from django.contrib import messages
from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from provisioning.core.errors import ProvisioningError
from provisioning.core.roles import Capability
from provisioning.models import DirectorySource, Person, Run
from provisioning.services.console.schedules import find_next_reads
from provisioning.services.directory.sources import delete_source, switch_source
from provisioning.web.access import ConsoleRequest, actor_of, needs


@needs(Capability.VIEW)
@require_safe
def sources(request: ConsoleRequest) -> HttpResponse:
    """Every source: how it is, when it was and will be read, what waits."""
    found = list(with_figures(DirectorySource.objects.order_by("name")))
    runs = Run.objects.select_related("source").in_bulk([s.last_run for s in found if s.last_run])  # type: ignore[attr-defined]
    following = find_next_reads()
    context = {
        "title": "Sources & sync",
        "lead": "The directories that people and groups are read from. Nothing is written there "
        "unless a source says so.",
        "rows": [
            (source, runs.get(source.last_run), following.get(source.pk))  # type: ignore[attr-defined]
            for source in found
        ],
    }
    return render(request, "sources/sources.html", context)


def with_figures(sources: QuerySet[DirectorySource]) -> QuerySet[DirectorySource]:
    """The sources with people_count, conflict_count, waiting_count and last_run (an id)."""
    people = Person.objects.filter(source=OuterRef("pk"), left_at=None).order_by()
    # Each by itself: people with a conflict stand in an index of their own.
    counted = people.values("source").annotate(number=Count("pk")).values("number")
    in_conflict = people.exclude(problem="").values("source")
    conflicts = in_conflict.annotate(number=Count("pk")).values("number")
    syncs = Run.objects.filter(source=OuterRef("pk"), kind=Run.Kind.SYNC, dry=False)
    newest = syncs.order_by("-id")
    waiting = newest.filter(state=Run.State.WAITING)
    number = IntegerField()
    return sources.annotate(
        people_count=Coalesce(Subquery(counted, output_field=number), 0),
        conflict_count=Coalesce(Subquery(conflicts, output_field=number), 0),
        last_run=Subquery(newest.values("pk")[:1]),
        waiting_run=Subquery(waiting.values("pk")[:1]),
    )


@needs(Capability.CONFIGURE)
@require_POST
def source_switch(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Read the source on its schedule, or only when asked."""
    source = get_object_or_404(DirectorySource, pk=pk)
    enabled = request.POST.get("enabled") == "1"
    switch_source(source=source, enabled=enabled, actor=actor_of(request))
    if enabled:
        messages.success(request, f"{source} is read on schedule again.")
    else:
        messages.success(request, f"{source} is read only when somebody asks.\nNobody is removed.")
    return redirect("source", pk)


@needs(Capability.CONFIGURE)
@require_POST
def source_delete(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Delete a source from which nobody was read."""
    source = get_object_or_404(DirectorySource, pk=pk)
    try:
        delete_source(source=source, actor=actor_of(request))
    except ProvisioningError as error:
        messages.error(request, f"{source} was not deleted.\n{error.message}")
        return redirect("source", pk)
    messages.success(request, f"{source} is deleted.")
    return redirect("sources")
