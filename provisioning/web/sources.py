"""Sources & sync: the list, and the form of a source with its tests."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.db.models import Count, IntegerField, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from provisioning.core.errors import ProvisioningError
from provisioning.core.roles import Capability
from provisioning.directory.presets import DEFAULT_MAPPINGS
from provisioning.models import DirectorySource, Person, Run
from provisioning.services.schedules import find_next_reads
from provisioning.services.source_test import probe_source
from provisioning.services.sources import delete_source, save_source, switch_source
from provisioning.web.access import ConsoleRequest, actor_of, needs
from provisioning.web.forms.errors import add_errors
from provisioning.web.forms.sources import SourceForm, new_source
from provisioning.web.shell import href_of

_DEFAULT_KIND = "active_directory"


@needs(Capability.VIEW)
@require_safe
def sources(request: ConsoleRequest) -> HttpResponse:
    """Every source: how it is, when it was and will be read, what waits."""
    found = list(with_figures(DirectorySource.objects.order_by("name")))
    runs = Run.objects.select_related("source").in_bulk([s.last_run for s in found if s.last_run])  # type: ignore[attr-defined]
    following = find_next_reads()
    context = {
        "title": "Sources & sync",
        "lead": "The directories that people and groups are read from. Nothing is written there.",
        "rows": [
            (source, runs.get(source.last_run), following.get(source.pk))  # type: ignore[attr-defined]
            for source in found
        ],
    }
    return render(request, "sources/sources.html", context)


def with_figures(sources: QuerySet[DirectorySource]) -> QuerySet[DirectorySource]:
    """The sources with people_count, conflict_count, waiting_count and last_run (an id)."""
    people = Person.objects.filter(source=OuterRef("pk"), left_at=None).order_by()
    counted = people.values("source").annotate(
        all=Count("pk"), conflicts=Count("pk", filter=~Q(problem=""))
    )
    newest = Run.objects.filter(source=OuterRef("pk"), dry=False).order_by("-id")
    waiting = newest.filter(state=Run.State.WAITING)
    number = IntegerField()
    return sources.annotate(
        people_count=Coalesce(Subquery(counted.values("all"), output_field=number), 0),
        conflict_count=Coalesce(Subquery(counted.values("conflicts"), output_field=number), 0),
        last_run=Subquery(newest.values("pk")[:1]),
        waiting_run=Subquery(waiting.values("pk")[:1]),
    )


@needs(Capability.CONFIGURE)
@sensitive_post_parameters("secret")
@require_http_methods(["GET", "POST"])
def source_new(request: ConsoleRequest) -> HttpResponse:
    """Add a source; what is usual for its kind is filled in."""
    kind = request.POST.get("kind") or request.GET.get("kind") or _DEFAULT_KIND
    if kind not in DEFAULT_MAPPINGS:
        raise BadRequest("There is no such kind of directory.")
    return _edit(request, new_source(kind))


@needs(Capability.CONFIGURE)
@sensitive_post_parameters("secret")
@require_http_methods(["GET", "POST"])
def source_edit(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Change a source."""
    return _edit(request, get_object_or_404(DirectorySource, pk=pk))


def _edit(request: ConsoleRequest, source: DirectorySource) -> HttpResponse:
    is_new, title = source.pk is None, source.name
    form = SourceForm(request.POST or None, instance=source)
    if request.method == "POST" and form.is_valid():
        try:
            erased = save_source(source=source, actor=actor_of(request), secret=form.password)
        except ProvisioningError as error:
            add_errors(form, error)
        else:
            _say_saved(request, source, is_new=is_new, erased=erased)
            return redirect("source", source.pk)
    context = {
        "title": "Add a directory" if is_new else f"Edit {title}",
        "lead": "Test and try: nothing is kept before you save, and saving applies nothing."
        if is_new
        else "Changes of the map or the filters are planned and limited like any other change.",
        "crumbs": [("Sources & sync", href_of("sources"))]
        + ([] if is_new else [(title, href_of("source", source.pk))]),
        "form": form,
        "is_new": is_new,
        "kinds": [(kind, preset.label) for kind, preset in DEFAULT_MAPPINGS.items()],
        "kind": DEFAULT_MAPPINGS[source.kind].label,
        "test_href": href_of("source-test") if is_new else href_of("source-edit-test", source.pk),
        "sample_href": href_of("source-sample")
        if is_new
        else href_of("source-edit-sample", source.pk),
    }
    return render(request, "sources/edit.html", context, status=422 if form.errors else 200)


def _say_saved(
    request: ConsoleRequest, source: DirectorySource, *, is_new: bool, erased: bool
) -> None:
    if erased:
        messages.warning(
            request,
            f"{source} is saved without a password.\nIts address, encryption or authority changed, "
            "and the old password does not go to a new place. Enter it again.",
        )
    elif is_new:
        messages.success(request, f"{source} is saved.\nPreview a sync: nothing changes by that.")
    else:
        messages.success(request, f"{source} is saved.\nThe next sync reads it that way.")


@needs(Capability.CONFIGURE)
@sensitive_post_parameters("secret")
@require_POST
def source_test(request: ConsoleRequest, pk: int | None = None) -> HttpResponse:
    """Test what the form holds, step by step, without keeping it."""
    form, source = candidate(request, pk)
    context = {"steps": probe_source(source=source, secret=form.password)}
    return render(request, "sources/_test.html", context)


def candidate(request: ConsoleRequest, pk: int | None) -> tuple[SourceForm, DirectorySource]:
    """The source as the form has it; what cannot be used is found by the test itself."""
    kind = request.POST.get("kind", "")
    if pk is None and kind not in DEFAULT_MAPPINGS:
        raise BadRequest("There is no such kind of directory.")
    source = new_source(kind) if pk is None else get_object_or_404(DirectorySource, pk=pk)
    form = SourceForm(request.POST, instance=source)
    form.is_valid()
    return form, form.instance


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
