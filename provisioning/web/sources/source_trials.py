"""Trying out what the form of a source holds; nothing is kept, and the stored secret stays put."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from provisioning.core.errors import ProvisioningError
from provisioning.core.roles import Capability
from provisioning.directory.filters import find_fault
from provisioning.directory.presets import DEFAULT_MAPPINGS
from provisioning.services.directory.source_attributes import find_attributes
from provisioning.services.directory.source_test import (
    FilterTrial,
    guess_source,
    probe_addresses,
    probe_source,
    try_filter,
)
from provisioning.services.servers.connection_test import Step
from provisioning.web.access import ConsoleRequest, needs
from provisioning.web.sources.source_form import candidate

_LONGEST = 100


@needs(Capability.CONFIGURE)
@sensitive_post_parameters("secret")
@require_POST
def source_test(request: ConsoleRequest, pk: int | None = None) -> StreamingHttpResponse:
    """Test the connection; each step is sent as soon as it is known."""
    form, source = candidate(request, pk)
    steps = probe_source(source=source, secret=form.secret_given)
    response = StreamingHttpResponse(_list_of(steps), content_type="text/html; charset=utf-8")
    response["Cache-Control"] = "no-store"
    # nginx would collect the steps and send them together.
    response["X-Accel-Buffering"] = "no"
    return response


@needs(Capability.CONFIGURE)
@sensitive_post_parameters("secret")
@require_POST
def source_look(request: ConsoleRequest, pk: int | None = None) -> HttpResponse:
    """Whether the servers are there, and which certificates they show; nobody signs in."""
    _, source = candidate(request, pk)
    context = {"steps": probe_addresses(source=source)}
    return render(request, "sources/_test.html", context)


@needs(Capability.CONFIGURE)
@sensitive_post_parameters("secret")
@require_POST
def source_guess(request: ConsoleRequest, pk: int | None = None) -> HttpResponse:
    """Sign in, and what the directory says of itself: its kind, and where people may be."""
    form, source = candidate(request, pk)
    try:
        guess = guess_source(source=source, secret=form.secret_given)
    except ProvisioningError as error:
        return render(request, "sources/_guess.html", {"problem": error.message})
    other = guess.kind if guess.kind not in ("", source.kind) else ""
    context = {"guess": guess, "other": DEFAULT_MAPPINGS[other].label if other else ""}
    return render(request, "sources/_guess.html", context)


@needs(Capability.CONFIGURE)
@sensitive_post_parameters("secret")
@require_POST
def source_filter(request: ConsoleRequest, pk: int | None = None) -> HttpResponse:
    """What a filter of the form matches, or where it cannot be read.

    While it is typed, the directory is asked only after a first try worked: a wrong password is not
    tried at each letter, or the account would be locked.
    """
    of = "groups" if request.POST.get("of") == "groups" else "people"
    form, source = candidate(request, pk)
    text = (source.group_filter if of == "groups" else source.person_filter).strip()
    context: dict[str, Any] = {"of": of, "text": text}
    asks = "typed" not in request.POST or f"tried_{of}" in request.POST
    try:
        trial = (
            try_filter(source=source, secret=form.secret_given, groups=of == "groups")
            if asks
            else FilterTrial(fault=find_fault(text))
        )
        context |= {"trial": trial, "asked": asks}
    except ProvisioningError as error:
        context["problem"] = error.message
    else:
        if trial.fault is not None:
            place = trial.fault.place
            context["around"] = (text[:place], text[place : place + 1], text[place + 1 :])
    return render(request, "sources/_filter.html", context)


@needs(Capability.CONFIGURE)
@sensitive_post_parameters("secret")
@require_POST
def source_attributes(request: ConsoleRequest, pk: int | None = None) -> HttpResponse:
    """Attributes of the directory that hold a text, to put into the form."""
    form, source = candidate(request, pk)
    text = request.POST.get("attribute_q", "")[:_LONGEST]
    context: dict[str, Any] = {"text": text}
    try:
        context["attributes"] = find_attributes(source=source, secret=form.secret_given, text=text)
    except ProvisioningError as error:
        context["problem"] = error.message
    return render(request, "sources/_attributes.html", context)


def _list_of(steps: Iterator[Step]) -> Iterator[str]:
    yield '<ol class="rt-list rt-test">'
    for step in steps:
        yield render_to_string("sources/_step.html", {"step": step})
    yield "</ol>"
