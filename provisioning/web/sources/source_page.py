"""The page of one source: health, settings, runs, conflicts, and who signs in through it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.timezone import localtime
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from provisioning.core.errors import ProvisioningError
from provisioning.core.roles import Capability, Role
from provisioning.models import DirectoryGroup, DirectorySource, Person, Run
from provisioning.services.console.schedules import find_next_reads
from provisioning.services.directory.role_groups import add_role_group, remove_role_group
from provisioning.services.directory.source_identity import SECRETS, Method
from provisioning.services.runs.run_report import summary_of
from provisioning.web.access import ConsoleRequest, actor_of, needs
from provisioning.web.forms.sources import RoleGroupForm
from provisioning.web.ids import row_id
from provisioning.web.people.conflicts import advice_for
from provisioning.web.runs.run_words import OPEN
from provisioning.web.search import matching, words
from provisioning.web.shell import href_of
from provisioning.web.sources.scim_panel import scim_context
from provisioning.web.sources.sources import with_figures
from provisioning.web.sources.write_back import card_of

_RUNS_SHOWN = 10
_CONFLICTS_SHOWN = 5
_GROUPS_SHOWN = 20


@needs(Capability.VIEW)
@require_safe
def source(request: ConsoleRequest, pk: int) -> HttpResponse:
    """One source."""
    return show_source(request, pk)


@needs(Capability.ADMINISTER)
@require_http_methods(["POST"])
def role_group_add(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Let the members of a group sign in to the console with a role."""
    found = get_object_or_404(DirectorySource, pk=pk)
    form = RoleGroupForm(request.POST)
    if form.is_valid():
        group = get_object_or_404(DirectoryGroup, pk=form.cleaned_data["group"], source=found)
        role = Role(form.cleaned_data["role"])
        try:
            add_role_group(source=found, group=group, role=role, actor=actor_of(request))
        except ProvisioningError as error:
            form.add_error(None, error.message)
        else:
            more = "" if found.allows_sign_in else " once the source allows sign-in"
            messages.success(request, f"Members of {group} sign in as {role}{more}.")
            return redirect("source", pk)
    return show_source(request, pk, more={"role_form": form}, status=422)


@needs(Capability.ADMINISTER)
@require_POST
def role_group_remove(request: ConsoleRequest, pk: int, role_group: int) -> HttpResponse:
    """Take the role from a group."""
    of_source = get_object_or_404(DirectorySource, pk=pk).role_groups
    found = get_object_or_404(of_source.select_related("group", "source"), pk=role_group)
    remove_role_group(role_group=found, actor=actor_of(request))
    messages.success(request, f"{found.group} has no role any more.\nIts members were signed out.")
    return redirect("source", pk)


@needs(Capability.VIEW)
@require_safe
def pick_group(request: ConsoleRequest) -> HttpResponse:
    """Groups whose names hold every word of the query, as choices of a form."""
    query = request.GET.get("group_q", "")
    groups = DirectoryGroup.objects.filter(left_at=None).select_related("source")
    wanted = row_id(request.GET.get("source", ""))
    if wanted is not None:
        groups = groups.filter(source=wanted)
    found: list[DirectoryGroup] = []
    # The one that is chosen stays among the choices, whatever is looked for next.
    pk = row_id(request.GET.get("group", ""))
    chosen = None if pk is None else groups.filter(pk=pk).first()
    if words(query):
        others = matching(groups.exclude(pk=chosen.pk) if chosen else groups, query, "name_key")
        found = list(others.order_by("name_key", "id")[:_GROUPS_SHOWN])
    context = {
        "chosen": chosen,
        "groups": found,
        "query": query,
        "several_sources": wanted is None,
    }
    return render(request, "sources/_group_choices.html", context)


def show_source(
    request: ConsoleRequest, pk: int, *, more: dict[str, Any] | None = None, status: int = 200
) -> HttpResponse:
    """The page of a source, with `more` in its context."""
    found: Any = get_object_or_404(with_figures(DirectorySource.objects.all()), pk=pk)
    runs = list(found.runs.select_related("requested_by").order_by("-id")[:_RUNS_SHOWN])
    syncs = [run for run in runs if run.kind == Run.Kind.SYNC]
    people = Person.objects.filter(source=found).exclude(problem="")
    schedule = find_next_reads()
    context = {
        "title": found.name,
        "lead": found.get_kind_display(),
        "crumbs": [("Sources & sync", href_of("sources"))],
        "source": found,
        "groups_count": found.groups.filter(left_at=None).count(),
        "runs": [(run, summary_of(run)) for run in runs],
        "open_run": next((run for run in syncs if run.state in OPEN), None),
        "write_back": card_of(found, request.user),
        "failed": next((r for r in syncs if not r.dry and r.state not in OPEN), None),
        "waiting": Run.objects.filter(pk=found.waiting_run).first() if found.waiting_run else None,
        "conflicts": [
            (person, advice_for(person.problem))
            for person in people.order_by("name_key", "id")[:_CONFLICTS_SHOWN]
        ],
        "next_read": schedule.get(found.pk),
        "settings": _settings(found),
        "role_groups": found.role_groups.select_related("group").order_by("group__name_key"),
        "role_form": RoleGroupForm(),
    }
    if found.is_scim:
        context |= scim_context(found)
    return render(request, "sources/source.html", context | (more or {}), status=status)


def _settings(source: DirectorySource) -> list[dict[str, Any]]:
    rows = [] if source.is_scim else _connection(source)
    rows += _schedule(source)
    limit = f"{source.limit_percent} % or {source.limit_ceiling:,}, the smaller"
    rows += [
        {"label": "Key", "value": source.key_attribute, "mono": True},
        {"label": "Disabled when", "value": source.disabled_expression, "mono": True},
        {"label": "Leavers", "value": f"kept for {source.grace_days} days"},
        {"label": "Waits for approval above", "value": limit,
         "note": f"or {source.limit_membership_percent} % of a group's members"},
    ]  # fmt: skip
    return rows


def _connection(source: DirectorySource) -> list[dict[str, Any]]:
    """How the directory is reached and what is read of it."""
    secret = SECRETS[Method(source.bind_method)]
    filters = [("people", source.person_bases, source.person_filter)]
    if source.group_bases:
        filters.append(("groups", source.group_bases, source.group_filter))
    rows: list[dict[str, Any]] = [
        {"label": "Addresses", "value": ", ".join(source.uris.split()), "mono": True},
        {"label": "In use", "value": source.server_in_use or "not read yet", "mono": True,
         "note": f"{source.broke_off} broke off a read and is tried last" if source.broke_off
         else ""},
        {"label": "Encryption", "value": source.get_tls_display(),
         "note": "own authority" if source.ca_pem else ""},
        {"label": "Signs in with", "value": source.get_bind_method_display(),
         "note": "" if source.sealed_bind_secret else f"no {secret}: enter it under Change"},
        {"label": "Bind account", "value": source.bind_dn or "named by the certificate",
         "mono": bool(source.bind_dn)},
    ]  # fmt: skip
    for what, bases, text in filters:
        rows.append({"label": f"Bases of {what}", "value": bases, "mono": True})
        rows.append({"label": f"Filter of {what}", "value": text, "mono": True})
    return rows


def _every(seconds: int) -> str:
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        number, rest = divmod(seconds, size)
        if number and not rest:
            return f"every {unit}" if number == 1 else f"every {number:,} {unit}s"
    return f"every {seconds:,} seconds"


def _schedule(source: DirectorySource) -> list[dict[str, Any]]:
    if not source.enabled:
        return [{"label": "Schedule", "value": "paused: read only when asked"}]
    every = _every(source.interval_seconds)
    if source.mode == DirectorySource.Mode.FULL:
        return [{"label": "Schedule", "value": f"everything, {every}"}]
    fallback = ""
    if source.fell_back_at is not None:
        day = localtime(source.fell_back_at)
        fallback = f"everything was last read instead on {day:%-d %B %H:%M}: {source.fell_back}"
    by = "as its client writes" if source.is_scim else f"by {source.get_mode_display()}"
    return [
        {"label": "Changes", "value": f"{every}, {by}", "note": fallback},
        {"label": "Everything", "value": f"daily at {source.full_at:%H:%M} ({source.full_zone})"},
    ]
