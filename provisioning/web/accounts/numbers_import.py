"""Importing numbers: choose a file, look at the preview, import exactly that."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core import signing
from django.core.exceptions import BadRequest
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from provisioning.core.errors import ProvisioningError, StalePlan
from provisioning.core.roles import Capability
from provisioning.services.numbers.number_import import ImportPlan, import_numbers, plan_import
from provisioning.web.access import ConsoleRequest, actor_of, needs
from provisioning.web.forms.numbers import ImportForm

# How many lines of each kind a preview shows.
_SHOWN = 200
_SALT = "numbers-import"


@needs(Capability.OPERATE)
@require_http_methods(["GET", "POST"])
def numbers_import(request: ConsoleRequest) -> HttpResponse:
    """The file and its preview; with `parcel`, the import of what was previewed."""
    if request.method == "POST" and "parcel" in request.POST:
        return _apply(request)
    form = ImportForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        site = form.cleaned_data["site"]
        text, country = form.cleaned_data["file"], site.country if site else ""
        try:
            plan = plan_import(text=text, country=country)
        except ProvisioningError as error:
            form.add_error("file", error.message)
        else:
            return _preview(request, plan, text, country)
    context = {**_shell("Import numbers"), "form": form}
    return render(request, "numbers/import.html", context, status=422 if form.errors else 200)


def _apply(request: ConsoleRequest) -> HttpResponse:
    try:
        text, country = signing.loads(request.POST["parcel"], salt=_SALT)
    except (signing.BadSignature, ValueError) as error:
        raise BadRequest("This is no preview of the console.") from error
    try:
        plan = import_numbers(
            text=text,
            country=country,
            digest=request.POST.get("digest", ""),
            actor=actor_of(request),
        )
    except StalePlan as error:
        messages.warning(request, f"Nothing was imported.\n{error.message}")
        return _preview(request, plan_import(text=text, country=country), text, country)
    done = plan.counts.get("add", 0) + plan.counts.get("change", 0)
    messages.success(request, f"{done:,} number{'' if done == 1 else 's'} imported.")
    return redirect("numbers")


def _preview(request: ConsoleRequest, plan: ImportPlan, text: str, country: str) -> HttpResponse:
    good = [row for row in plan.rows if row.action in ("add", "change")]
    context = {
        **_shell("Preview"),
        "plan": plan,
        "good": good[:_SHOWN],
        "good_count": len(good),
        "problems": plan.problems[:_SHOWN],
        "problem_count": len(plan.problems),
        "same_count": plan.counts.get("none", 0),
        # The file travels with the page, signed, so that no server has to keep it.
        "parcel": signing.dumps([text, country], salt=_SALT, compress=True),
    }
    return render(request, "numbers/preview.html", context)


def _shell(title: str) -> dict[str, Any]:
    crumbs = [("Numbers", reverse("numbers")), ("Import", reverse("numbers-import"))]
    return {
        "title": title,
        "lead": "Numbers that you have already: who has them, and which are used elsewhere.",
        "crumbs": crumbs,
    }
