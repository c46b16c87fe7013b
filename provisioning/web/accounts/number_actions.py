"""What is done with one number: each a POST that ends on its page."""

from __future__ import annotations

from collections.abc import Callable

from django import forms
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from provisioning.core.errors import InvalidInput, ProvisioningError
from provisioning.core.roles import Capability
from provisioning.core.states import State
from provisioning.models import Account, Number
from provisioning.services.actor import Actor
from provisioning.services.console.once import Done
from provisioning.services.numbers import numbers
from provisioning.web.access import ConsoleRequest, actor_of, needs
from provisioning.web.accounts.numbers import show_number
from provisioning.web.acting import act_once, refuse
from provisioning.web.forms.accounts import ReleaseForm
from provisioning.web.forms.numbers import GiveForm, NewNumberForm, StateForm


@needs(Capability.OPERATE)
@require_http_methods(["GET", "POST"])
def new(request: ConsoleRequest) -> HttpResponse:
    """Make a number known."""
    form = NewNumberForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            return act_once(request, lambda: _add(form, actor_of(request)))
        except ProvisioningError as error:
            refuse(form, error, "number")
    context = {
        "title": "New number",
        "crumbs": [("Numbers", reverse("numbers")), ("New number", "")],
        "form": form,
        "cancel": reverse("numbers"),
        "button": "Add number",
    }
    return render(request, "accounts/form.html", context, status=422 if form.errors else 200)


def _add(form: NewNumberForm, actor: Actor) -> Done:
    added = numbers.add_number(
        e164=form.cleaned_data["number"],
        state=Number.State(form.cleaned_data["state"]),
        note=form.cleaned_data["note"],
        actor=actor,
    )
    return Done(reverse("number", args=[added.pk]), f"{added} is known now.")


@needs(Capability.OPERATE)
@require_POST
def give(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Give the number to an account."""
    number, form = get_object_or_404(Number, pk=pk), GiveForm(request.POST, auto_id="give_%s")

    def act() -> str:
        aor = form.cleaned_data["aor"].strip().lower().removeprefix("sips:").removeprefix("sip:")
        account = Account.objects.filter(aor=aor).exclude(state=State.REMOVED).first()
        if account is None:
            raise InvalidInput(f"There is no account sip:{aor}. Nothing was changed.")
        numbers.assign_number(account=account, e164=number.e164, actor=actor_of(request))
        return f"{account} has {number} now."

    return _in_dialog(request, number, "give", form, act, field="aor")


@needs(Capability.OPERATE)
@require_POST
def release(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Take the number from its account."""
    number, form = get_object_or_404(Number, pk=pk), ReleaseForm(request.POST, auto_id="release_%s")

    def act() -> str:
        released = numbers.release_number(
            number=number, free=form.cleaned_data["free"], actor=actor_of(request)
        )
        return f"{number} is {released.get_state_display().lower()} now."

    return _in_dialog(request, number, "release", form, act)


@needs(Capability.OPERATE)
@require_POST
def change_state(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Make the number free, reserved, quarantined or used elsewhere."""
    number, form = get_object_or_404(Number, pk=pk), StateForm(request.POST, auto_id="state_%s")

    def act() -> str:
        current = numbers.set_number_state(
            number=number,
            state=Number.State(form.cleaned_data["state"]),
            note=form.cleaned_data["note"],
            actor=actor_of(request),
        )
        return f"{number} is {current.get_state_display().lower()} now."

    return _in_dialog(request, number, "state", form, act, field="state")


def _in_dialog(
    request: ConsoleRequest,
    number: Number,
    dialog: str,
    form: forms.Form,
    act: Callable[[], str],
    field: str | None = None,
) -> HttpResponse:
    """Do what a dialog asks for; what is refused stands in it, at `field` or above all of them."""
    if form.is_valid():
        try:
            return act_once(request, lambda: Done(reverse("number", args=[number.pk]), act()))
        except ProvisioningError as error:
            refuse(form, error, field)
    return show_number(request, number.pk, {dialog: form})
