"""People with entries in several sources: found and joined, what counts of each, by hand."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from provisioning.core.errors import ProvisioningError
from provisioning.core.roles import Capability
from provisioning.models import DirectorySource, Joining, Person, Run
from provisioning.services.joins import joins
from provisioning.services.joins.joining import save_joining
from provisioning.services.joins.one_person import find_suggestions, strangers_to, suggest
from provisioning.services.rules.matching import current_joining
from provisioning.services.runs.run_report import summary_of
from provisioning.web.access import ConsoleRequest, actor_of, needs
from provisioning.web.forms.joins import CompareForm, JoiningForm
from provisioning.web.ids import row_id
from provisioning.web.search import MAX_QUERY, matching

_SHOWN = 20


@needs(Capability.VIEW)
@require_safe
def source_joins(request: ConsoleRequest) -> HttpResponse:
    """Who has several entries, the search for more, and what counts."""
    return _page(request, CompareForm(), JoiningForm(joining=current_joining()))


@needs(Capability.OPERATE)
@require_POST
def source_joins_find(request: ConsoleRequest) -> HttpResponse:
    """Preview who of two sources is one person."""
    form = CompareForm(request.POST)
    if form.is_valid():
        run = joins.join_sources(**form.cleaned_data, actor=actor_of(request))
        return redirect("run", run.pk)
    return _page(request, form, JoiningForm(joining=current_joining()))


@needs(Capability.CONFIGURE)
@require_POST
def source_joins_save(request: ConsoleRequest) -> HttpResponse:
    """Keep what counts."""
    joining = current_joining()
    form = JoiningForm(request.POST, joining=joining)
    if form.is_valid():
        _save(request, joining, joining.order, form.first, form.cleaned_data)
        return redirect("source-joins")
    return _page(request, CompareForm(), form)


@needs(Capability.CONFIGURE)
@require_POST
def source_joins_order(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Let a source come earlier, or later."""
    source = get_object_or_404(DirectorySource, pk=pk)
    joining = current_joining()
    order: list[int] = list(joining.order)
    place = order.index(source.pk)
    other = place + (-1 if request.POST.get("direction") == "up" else 1)
    if 0 <= other < len(order):
        order[place], order[other] = order[other], order[place]
    first = {name: ids[0] for name, ids in joining.orders.items()}
    _save(request, joining, order, first, {"service": joining.service, "holds": joining.holds})
    return redirect("source-joins")


@needs(Capability.APPROVE)
@require_POST
def run_join(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Join what a preview showed; it is planned anew."""
    run = get_object_or_404(Run, pk=pk)
    try:
        return redirect("run", joins.join_again(run=run, actor=actor_of(request)).pk)
    except ProvisioningError as error:
        messages.error(request, f"Nobody was joined.\n{error.message}")
        return redirect("run", pk)


@needs(Capability.APPROVE)
def person_join(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Who may be the same person: those who share something, and a search; and the decision."""
    person = get_object_or_404(Person.objects.select_related("source", "same_as"), pk=pk)
    if request.method == "POST":
        return _decide(request, person)
    query = request.GET.get("q", "").replace("\x00", "")[:MAX_QUERY].strip()
    found = list(matching(strangers_to(person), query)[:_SHOWN]) if query else []
    context = {
        "title": f"Join {person} with another entry",
        "lead": "One person has one account. Look at both before you join them; it can be undone.",
        "crumbs": [
            ("People", reverse("people")),
            (str(person), reverse("person", args=[pk])),
            ("Join", ""),
        ],
        "person": person,
        "query": query,
        "suggestions": find_suggestions(person=person),
        "found": suggest(person, found),
    }
    return render(request, "joins/person.html", context)


@needs(Capability.APPROVE)
@require_POST
def person_separate(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Make an entry a person of its own again."""
    person = get_object_or_404(Person.objects.select_related("same_as"), pk=pk)
    try:
        return redirect("run", joins.separate(entry=person, actor=actor_of(request)).pk)
    except ProvisioningError as error:
        messages.error(request, f"Nobody was separated.\n{error.message}")
        return redirect("person", pk)


def _decide(request: ConsoleRequest, person: Person) -> HttpResponse:
    other = get_object_or_404(Person, pk=row_id(request.POST.get("other", "")))
    try:
        if request.POST.get("act") == "join":
            run = joins.join_people(one=person, other=other, actor=actor_of(request))
            return redirect("run", run.pk)
        joins.keep_apart(one=person, other=other, actor=actor_of(request))
    except ProvisioningError as error:
        messages.error(request, f"Nothing was changed.\n{error.message}")
    else:
        messages.success(request, "They are two people.\nThe next sync decides them by themselves.")
    return redirect("person", person.pk)


def _save(
    request: ConsoleRequest, joining: Joining, order: list[int], first: dict[str, int],
    values: dict[str, Any],
) -> None:  # fmt: skip
    try:
        save_joining(
            order=order, first=first, service=values["service"], holds=values["holds"],
            actor=actor_of(request),
        )  # fmt: skip
    except ProvisioningError as error:
        messages.error(request, f"Nothing was changed.\n{error.message}")
    else:
        messages.success(
            request, "Saved.\nThe next sync decides those with several entries again, within the "
            "limits.",
        )  # fmt: skip


def _page(request: ConsoleRequest, compare: CompareForm, form: JoiningForm) -> HttpResponse:
    joining = current_joining()
    names = dict(DirectorySource.objects.values_list("pk", "name"))
    runs = Run.objects.filter(kind=Run.Kind.JOIN).select_related("requested_by").order_by("-id")
    context = {
        "title": "One person, several entries",
        "lead": "Somebody with an entry in two sources has one account once both are joined. "
        "Nobody is joined by a guess.",
        "crumbs": [("Sources & sync", reverse("sources")), ("Several entries", "")],
        "compare": compare,
        "form": form,
        "order": [(pk, names[pk]) for pk in joining.order],
        "joined": Person.objects.filter(same_as__isnull=False).count(),
        "runs": [(run, summary_of(run)) for run in runs[:5]],
    }
    refused = compare.is_bound or form.is_bound
    return render(request, "joins/sources.html", context, status=422 if refused else 200)
