"""Write-back of a source: its form, its test, what it would write, and the second administrator."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from provisioning.core.errors import InvalidFields, ProvisioningError
from provisioning.core.roles import Capability
from provisioning.core.written import needs_second_user, warning_of
from provisioning.models import ConsoleUser, DirectorySource, Run, WrittenAttribute
from provisioning.services.servers.connection_test import Step, StepState
from provisioning.services.write_back import write_back as service
from provisioning.services.write_back.account_values import NAMES
from provisioning.services.write_back.plan_values import preview_values
from provisioning.services.write_back.write_back_runs import request_write_back
from provisioning.services.write_back.write_back_test import probe_write_back
from provisioning.web.access import ConsoleRequest, actor_of, needs
from provisioning.web.forms.write_back import WriteBackForm
from provisioning.web.shell import href_of


@needs(Capability.CONFIGURE)
@sensitive_post_parameters("secret")
@require_http_methods(["GET", "HEAD", "POST"])
def source_write_back(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Which attributes are written, as whom; and numbers that are used elsewhere."""
    source = get_object_or_404(DirectorySource, pk=pk)
    settings = service.settings_of(source)
    if request.method != "POST":
        return _form_page(request, source, WriteBackForm(instance=settings))
    form = WriteBackForm(request.POST, instance=settings)
    if form.is_valid():
        try:
            service.set_write_back(
                write_back=form.instance, attributes=form.attributes,
                elsewhere_expression=form.cleaned_data["elsewhere_expression"],
                secret=form.secret_given, actor=actor_of(request),
            )  # fmt: skip
        except InvalidFields as error:
            for field, message in error.fields.items():
                form.place_error(field, message)
        else:
            waits = any(needs_second_user(name) for name in form.attributes)
            more = "\nAnother administrator has to approve what others live on." if waits else ""
            messages.success(request, f"The write-back of {source} is saved.{more}")
            return redirect("source", pk)
    return _form_page(request, source, form)


@needs(Capability.CONFIGURE)
@sensitive_post_parameters("secret")
@require_POST
def source_write_back_test(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Whether the account of the form may write the attributes of the form; nothing is written."""
    source = get_object_or_404(DirectorySource, pk=pk)
    form = WriteBackForm(request.POST, instance=service.settings_of(source))
    if not form.is_valid():
        text = " ".join(str(error) for errors in form.errors.values() for error in errors)
        steps = [Step("Form", StepState.FAILED, text)]
    else:
        source.elsewhere_expression = form.cleaned_data["elsewhere_expression"]
        steps = list(
            probe_write_back(
                write_back=form.instance, attributes=form.attributes, secret=form.secret_given
            )
        )
    return render(request, "sources/_test.html", {"steps": steps})


@needs(Capability.OPERATE)
@require_POST
def source_write_back_values(request: ConsoleRequest, pk: int) -> HttpResponse:
    """What would be written to the first few people, as the directory is now."""
    source = get_object_or_404(DirectorySource, pk=pk)
    context: dict[str, Any] = {}
    try:
        attributes = service.active_attributes(source)
        context["values"] = preview_values(source=source, attributes=attributes)
    except ProvisioningError as error:
        context["problem"] = error.message
    return render(request, "sources/_write_back_values.html", context)


@needs(Capability.OPERATE)
@require_POST
def source_write_back_run(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Write back now, or see the whole plan of it."""
    source = get_object_or_404(DirectorySource, pk=pk)
    dry = request.POST.get("dry") == "1"
    try:
        run = request_write_back(source=source, actor=actor_of(request), dry=dry)
    except ProvisioningError as error:
        messages.error(request, f"Nothing was started.\n{error.message}")
        return redirect("source", pk)
    return redirect("run", run.pk)


@needs(Capability.APPROVE)
@require_POST
def source_write_back_approve(request: ConsoleRequest, pk: int, written: int) -> HttpResponse:
    """Agree to an attribute that other systems live on, as somebody else than its author."""
    source = get_object_or_404(DirectorySource, pk=pk)
    found = get_object_or_404(source.written_attributes, pk=written)
    # What was read on the page is what is agreed to.
    found.expression = request.POST.get("expression", "")
    try:
        service.approve_attribute(attribute=found, actor=actor_of(request))
    except ProvisioningError as error:
        messages.error(request, f"Nothing was approved.\n{error.message}")
    else:
        messages.success(request, f"{found} is approved.\nThe next run writes it.")
    return redirect("source", pk)


def card_of(source: DirectorySource, user: ConsoleUser) -> dict[str, Any]:
    """What the card on the page of a source shows."""
    runs = source.runs.filter(kind=Run.Kind.WRITE_BACK)
    rows = source.written_attributes.select_related("author", "approved_by")
    return {
        "settings": service.settings_of(source),
        "attributes": [_shown(row, user) for row in rows.order_by("attribute")],
        "last_run": runs.order_by("-id").first(),
    }


def _shown(row: WrittenAttribute, user: ConsoleUser) -> dict[str, Any]:
    waits = service.waits_for_second_user(row)
    return {
        "row": row, "waits": waits, "warning": warning_of(row.attribute) if waits else "",
        "may_approve": waits and row.author_id != user.pk,
    }  # fmt: skip


def _form_page(
    request: ConsoleRequest, source: DirectorySource, form: WriteBackForm
) -> HttpResponse:
    kept = DirectorySource.objects.get(pk=source.pk)
    context = {
        "title": f"Write-back of {kept}",
        "lead": "Values of accounts go into the directory, planned, limited and read back like "
        "everything else. Off until somebody turns it on.",
        "crumbs": [
            ("Sources & sync", href_of("sources")), (kept.name, href_of("source", kept.pk)),
            ("Write-back", ""),
        ],
        "form": form, "source": kept, "names": NAMES,
    }  # fmt: skip
    return render(request, "sources/write_back.html", context, status=422 if form.errors else 200)
