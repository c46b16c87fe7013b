"""Another key attribute for a source: who becomes which, previewed and then done at once."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse

from provisioning.core.errors import ProvisioningError
from provisioning.core.roles import Capability
from provisioning.models import DirectorySource
from provisioning.services.directory.rekey import request_rekey
from provisioning.services.directory.sources import KEY_ATTRIBUTES
from provisioning.web.access import ConsoleRequest, actor_of, needs


class KeyForm(forms.Form):
    """The attribute that everybody shall be known by."""

    key_attribute = forms.ChoiceField(
        label="New key attribute",
        help_text="A UUID that every person and group that is read has, and that no other has",
    )

    def __init__(self, *args: object, source: DirectorySource, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type] # those of forms.Form
        others = [name for name in KEY_ATTRIBUTES if name != source.key_attribute]
        self.fields["key_attribute"].choices = [(name, name) for name in others]  # type: ignore[attr-defined]


@needs(Capability.CONFIGURE)
def source_key(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Choose the attribute; preview it, or make it so after a preview."""
    source = get_object_or_404(DirectorySource, pk=pk)
    form = KeyForm(request.POST if request.method == "POST" else None, source=source)
    if request.method == "POST" and form.is_valid():
        dry = request.POST.get("dry") == "1"
        wanted = form.cleaned_data["key_attribute"]
        try:
            run = request_rekey(
                source=source, key_attribute=wanted, actor=actor_of(request), dry=dry
            )
        except ProvisioningError as error:
            messages.error(request, f"Nothing was changed.\n{error.message}")
            return redirect("source", pk)
        return redirect("run", run.pk)
    context = {
        "title": f"Key of {source}",
        "lead": "By its key an entry stays the same person through renames and moves.",
        "crumbs": [
            ("Sources & sync", reverse("sources")),
            (str(source), reverse("source", args=[pk])),
            ("Key", ""),
        ],
        "source": source,
        "form": form,
    }
    return render(request, "sources/key.html", context, status=422 if form.is_bound else 200)
