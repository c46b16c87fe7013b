"""Tokens of the client of a SCIM source."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from provisioning.core.errors import InvalidFields, ProvisioningError
from provisioning.core.roles import Capability
from provisioning.models import DirectorySource, ScimToken
from provisioning.services.scim.scim_tokens import create_token, revoke_token
from provisioning.web.access import ConsoleRequest, actor_of, needs
from provisioning.web.forms.scim import ScimTokenForm
from provisioning.web.sources.source_page import show_source


@needs(Capability.CONFIGURE)
@require_POST
def token_new(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Make a token; its text is in this one answer and nowhere else."""
    source = get_object_or_404(DirectorySource, pk=pk)
    form = ScimTokenForm(request.POST)
    context: dict[str, Any] = {"token_form": form}
    if form.is_valid():
        try:
            new = create_token(
                source=source, name=form.cleaned_data["name"], days=form.cleaned_data["days"],
                actor=actor_of(request),
            )  # fmt: skip
        except InvalidFields as error:
            for field, message in error.fields.items():
                form.add_error(field if field in form.fields else None, message)
        except ProvisioningError as error:
            form.add_error(None, error.message)
        else:
            context = {"new_token": new}
    response = show_source(request, pk, more=context, status=422 if form.errors else 200)
    response["Cache-Control"] = "no-store"
    return response


@needs(Capability.CONFIGURE)
@require_POST
def token_revoke(request: ConsoleRequest, pk: int, scim_token: int) -> HttpResponse:
    """Make a token useless."""
    source = get_object_or_404(DirectorySource, pk=pk)
    found = get_object_or_404(ScimToken, pk=scim_token, source=source)
    revoke_token(token=found, actor=actor_of(request))
    messages.success(request, f"The token “{found}” does not work any more.")
    return redirect("source", pk)
