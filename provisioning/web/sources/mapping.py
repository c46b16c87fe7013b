"""The attribute map while it is edited: what it makes of one real entry, as it is typed."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from provisioning.core.errors import ProvisioningError
from provisioning.core.roles import Capability
from provisioning.models import DirectorySource
from provisioning.services.directory.mapping_sample import (
    DISABLED,
    FieldResult,
    MappingSample,
    check_mapping,
    try_mapping,
)
from provisioning.web.access import ConsoleRequest, needs
from provisioning.web.forms.mapping import MAPPING, texts_of
from provisioning.web.ids import row_id
from provisioning.web.sources.source_form import candidate

_FIND, _NEXT = "find", "next"
# Of a DN that a browser sends.
_LONGEST = 1000


@needs(Capability.CONFIGURE)
@sensitive_post_parameters("secret")
@require_POST
def mapping_sample(request: ConsoleRequest, pk: int | None = None) -> HttpResponse:
    """The entry that was asked for and what each expression of the form makes of it.

    Before anybody was asked for, the expressions are only read. Nothing is kept.
    """
    form, source = candidate(request, pk)
    context: dict[str, Any] = {}
    try:
        context["sample"] = sample = _sample(request, source, form.secret_given)
    except ProvisioningError as error:
        context["problem"] = error.message
        sample = check_mapping(source=source)
    texts = texts_of(source)
    context["results"] = [
        (_id_of(name), sample.fields.get(name, FieldResult()), _around(sample, name, texts))
        for name in texts
    ]
    context["asked"] = "sample" in request.POST
    context |= {"dn": request.POST.get("sample_dn", "")[:_LONGEST], "place": _place(request)}
    context["text"] = request.POST.get("sample_for", "")[:100]
    return render(request, "sources/mapping/_sample.html", context)


def _sample(request: ConsoleRequest, source: DirectorySource, secret: str | None) -> MappingSample:
    asked = request.POST.get("sample", "")
    dn = request.POST.get("sample_dn", "")[:_LONGEST]
    if asked not in (_FIND, _NEXT):
        if not dn:
            return check_mapping(source=source)
        return try_mapping(source=source, secret=secret, dn=dn, place=_place(request))
    place = _place(request) + 1 if asked == _NEXT and dn else 0
    text = request.POST.get("sample_for", "")[:100]
    return try_mapping(source=source, secret=secret, text=text, place=place)


def _place(request: ConsoleRequest) -> int:
    return row_id(request.POST.get("sample_place", "")) or 0


def _id_of(name: str) -> str:
    """The id of the place where a field's result is shown."""
    return f"result-{name if name == DISABLED else MAPPING + name}"


def _around(sample: MappingSample, name: str, texts: dict[str, str]) -> tuple[str, str] | None:
    """The expression before and after the place where it cannot be read; None where it can."""
    result = sample.fields.get(name)
    if result is None or result.at is None:
        return None
    return texts[name][: result.at], texts[name][result.at :]
