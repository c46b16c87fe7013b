"""Adding a source step by step, and changing one."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from provisioning.core.errors import InvalidFields, ProvisioningError
from provisioning.core.roles import Capability
from provisioning.directory.presets import DEFAULT_MAPPINGS
from provisioning.models import DirectorySource
from provisioning.services.directory.source_identity import SECRETS, Method
from provisioning.services.directory.sources import save_source
from provisioning.services.runs import runs
from provisioning.web import as_opened
from provisioning.web.access import ConsoleRequest, actor_of, needs
from provisioning.web.forms.errors import add_errors
from provisioning.web.forms.scim import ScimSourceForm
from provisioning.web.forms.sources import SourceForm, new_source
from provisioning.web.shell import href_of

_KINDS = {
    "active_directory": "Windows domain controllers, or Samba as one",
    "openldap": "slapd with people as inetOrgPerson",
    "389ds": "ns-slapd, as Red Hat Directory Server and FreeIPA run it",
    "other": "Whatever speaks LDAP: everything can be set by hand",
    "scim": "The cloud sends people and groups here; no directory is read",
}
_SCIM_STEPS = ("Kind", "Name and limits", "Connect the client")
_STEPS = ("Kind", "Address", "Sign-in", "What to read", "Test", "Schedule")


@needs(Capability.CONFIGURE)
@sensitive_post_parameters("secret")
@require_http_methods(["GET", "POST"])
def source_new(request: ConsoleRequest) -> HttpResponse:
    """Add a source in steps; what is usual for its kind is filled in."""
    kind = request.POST.get("kind") or request.GET.get("kind")
    if kind is None:
        context = _context("Add a directory", "Which kind of directory is it?")
        context["kinds"] = [
            (kind, preset.label, _KINDS[kind]) for kind, preset in DEFAULT_MAPPINGS.items()
        ]
        context["steps"] = _steps(0)
        return render(request, "sources/kinds.html", context)
    if kind not in DEFAULT_MAPPINGS:
        raise BadRequest("There is no such kind of directory.")
    form = _form_of(kind)(request.POST or None, request.FILES or None, instance=new_source(kind))
    if request.method == "POST" and _save(request, form, is_new=True):
        source = form.instance
        if source.is_scim:
            messages.success(request, f"{source} is saved.\nMake a token for its client.")
            return redirect("source", source.pk)
        if request.POST.get("then") != "preview":
            messages.success(request, f"{source} is saved.\nPreview a sync: nothing is changed.")
            return redirect("source", source.pk)
        run = runs.request_sync(source=source, actor=actor_of(request), dry=True)
        messages.success(request, f"{source} is saved.\nThis preview changes nothing.")
        return redirect("run", run.pk)
    context = _context(
        f"Add a directory: {DEFAULT_MAPPINGS[kind].label}",
        "Nothing is kept before the last step, and nothing is applied by it.",
    )
    context |= _hrefs(None) | {"form": form, "steps": _steps(1)}
    template = "sources/wizard.html"
    if form.instance.is_scim:
        template, context["lead"] = "sources/scim/new.html", "Its client sends people and groups."
        context["steps"] = _steps(1, _SCIM_STEPS)
    return render(request, template, context, status=422 if form.errors else 200)


@needs(Capability.CONFIGURE)
@sensitive_post_parameters("secret")
@require_http_methods(["GET", "POST"])
def source_edit(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Change a source."""
    source = get_object_or_404(DirectorySource, pk=pk)
    title = source.name
    form_class = _form_of(source.kind)
    edited = [*form_class.base_fields, "mapping"]
    seal, crossing = as_opened.seal(source, edited), as_opened.begin(request, source, edited)
    form = form_class(request.POST or None, request.FILES or None, instance=source)
    if crossing:
        form.add_error(None, crossing)
    if request.method == "POST" and _save(request, form, is_new=False):
        return redirect("source", pk)
    context = _context(
        f"Change {title}",
        "Changes of the map or the filters are planned and limited like any other change.",
    )
    context["crumbs"].append((title, href_of("source", pk)))
    context |= _hrefs(pk) | {"form": form, "kind": DEFAULT_MAPPINGS[source.kind].label}
    context["as_opened"] = seal
    template = "sources/scim/edit.html" if source.is_scim else "sources/edit.html"
    return render(request, template, context, status=422 if form.errors else 200)


def candidate(request: ConsoleRequest, pk: int | None) -> tuple[SourceForm, DirectorySource]:
    """The source as the form has it; what cannot be used is found by whatever tries it."""
    kind = request.POST.get("kind", "")
    if pk is None and kind not in DEFAULT_MAPPINGS:
        raise BadRequest("There is no such kind of directory.")
    source = new_source(kind) if pk is None else get_object_or_404(DirectorySource, pk=pk)
    form = _form_of(source.kind)(request.POST, request.FILES, instance=source)
    form.is_valid()
    return form, form.instance


def _form_of(kind: str) -> type[SourceForm]:
    return ScimSourceForm if kind == DirectorySource.Kind.SCIM else SourceForm


def _save(request: ConsoleRequest, form: SourceForm, *, is_new: bool) -> bool:
    """Keep what the form holds; False where it cannot be used, and the form says why."""
    if not form.is_valid():
        return False
    source = form.instance
    try:
        erased = save_source(source=source, actor=actor_of(request), secret=form.secret_given)
    except ProvisioningError as error:
        if isinstance(error, InvalidFields) and source.bind_method != Method.SIMPLE:
            # There a file is chosen, where a password would be typed.
            names = {"secret": "secret_file"}
            error = InvalidFields({names.get(n, n): why for n, why in error.fields.items()})
        add_errors(form, error)
        return False
    if erased:
        what = SECRETS[Method(source.bind_method)]
        messages.warning(
            request,
            f"{source} is saved without a {what}.\nIts address, encryption, authority or way of "
            "signing in changed, and the old secret does not go to a new place. Enter it again.",
        )
    elif not is_new:
        messages.success(request, f"{source} is saved.\nThe next sync reads it that way.")
    return True


def _context(title: str, lead: str) -> dict[str, Any]:
    return {"title": title, "lead": lead, "crumbs": [("Sources & sync", href_of("sources"))]}


def _steps(now: int, labels: tuple[str, ...] = _STEPS) -> list[dict[str, str]]:
    states = ["done"] * now + ["now"] + ["todo"] * (len(labels) - now - 1)
    return [{"label": label, "state": state} for label, state in zip(labels, states, strict=True)]


def _hrefs(pk: int | None) -> dict[str, str]:
    """Where the form sends what it holds, to be tried out."""
    names = ("test", "sample", "filter", "attributes", "look", "guess")
    if pk is None:
        return {f"{name}_href": href_of(f"source-{name}") for name in names}
    return {f"{name}_href": href_of(f"source-edit-{name}", pk) for name in names}
