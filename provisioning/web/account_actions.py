"""What is done with one account: each a POST that ends on the account's page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from provisioning.core.errors import ProvisioningError
from provisioning.core.roles import Capability
from provisioning.models import Account, Number, Pin
from provisioning.services import accounts, blocks, numbers
from provisioning.services.credentials import rotate_credential
from provisioning.web.access import ConsoleRequest, actor_of, needs
from provisioning.web.forms.accounts import (
    NewAccountForm,
    NumberForm,
    OwnAccountForm,
    PersonAccountForm,
    ReasonForm,
    ReleaseForm,
    RenameForm,
    RestoreForm,
)

F = TypeVar("F", bound=forms.Form)


@needs(Capability.OPERATE)
@require_http_methods(["GET", "POST"])
def new(request: ConsoleRequest) -> HttpResponse:
    """Make an account without a person."""
    form = NewAccountForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            account = accounts.create_account(
                new=accounts.NewAccount(**form.cleaned_data), actor=actor_of(request)
            )
        except ProvisioningError as error:
            form.add_error(None, error.message)
        else:
            messages.success(
                request, f"{account} was made.\nIt reaches the managed SIP servers within a minute."
            )
            return redirect("account", pk=account.pk)
    context = {
        "title": "New account",
        "lead": "For a room, a common-area phone, a contractor, a service. Rules make people's.",
        "crumbs": [("Accounts", reverse("accounts")), ("New account", "")],
        "form": form,
        "cancel": reverse("accounts"),
        "button": "Make account",
    }
    return render(request, "accounts/form.html", context, status=422 if form.errors else 200)


@needs(Capability.OPERATE)
@require_http_methods(["GET", "POST"])
def edit(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Change an account: all of it without a person, pinned values with one."""
    account = get_object_or_404(Account.objects.select_related("person"), pk=pk)
    form_class = OwnAccountForm if account.person is None else PersonAccountForm
    initial = {
        name: getattr(account, name)
        for name in ("name", "pool", "site", "profile", "responsible", "ends_on")
    }
    form = form_class(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        change = accounts.AccountChange(**form.cleaned_data)
        try:
            accounts.change_account(account=account, change=change, actor=actor_of(request))
        except ProvisioningError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, f"{account} was changed.")
            return redirect("account", pk=pk)
    context = {
        "title": f"Change {account}",
        "crumbs": [
            ("Accounts", reverse("accounts")),
            (account.name, reverse("account", args=[pk])),
            ("Change", ""),
        ],
        "form": form,
        "cancel": reverse("account", args=[pk]),
        "button": "Save",
    }
    return render(request, "accounts/form.html", context, status=422 if form.errors else 200)


@needs(Capability.OPERATE)
@require_POST
def block(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Block it."""

    def act(account: Account, values: dict[str, Any]) -> str:
        blocks.block_account(account=account, reason=values["reason"], actor=actor_of(request))
        return f"{account} is blocked.\nRegistrations end now; provisioning links are revoked."

    return _act(request, pk, ReasonForm, act)


@needs(Capability.OPERATE)
@require_POST
def unblock(request: ConsoleRequest, pk: int) -> HttpResponse:
    """End the block."""

    def act(account: Account, values: dict[str, Any]) -> str:
        current = blocks.unblock_account(account=account, actor=actor_of(request))
        return (
            f"{account} is not blocked any more.\nIts state is {current.get_state_display()} now."
        )

    return _act(request, pk, forms.Form, act)


@needs(Capability.OPERATE)
@require_POST
def restore(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Make the account of somebody who left work again."""

    def act(account: Account, values: dict[str, Any]) -> str:
        blocks.restore_leaver(
            account=account,
            reason=values["reason"],
            ends_on=values["ends_on"],
            actor=actor_of(request),
        )
        until = (
            f"until {values['ends_on']:%-d %b %Y}" if values["ends_on"] else "until the pin ends"
        )
        return f"{account} works again.\nThis holds {until}."

    return _act(request, pk, RestoreForm, act)


@needs(Capability.OPERATE)
@require_POST
def rotate(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Give it a new credential."""

    def act(account: Account, values: dict[str, Any]) -> str:
        rotate_credential(account=account, actor=actor_of(request))
        return f"{account} has a new credential.\nEvery client must fetch its profile again."

    return _act(request, pk, forms.Form, act)


@needs(Capability.OPERATE)
@require_POST
def assign(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Give it a number."""

    def act(account: Account, values: dict[str, Any]) -> str:
        number = numbers.assign_number(
            account=account, e164=values["number"], actor=actor_of(request)
        )
        return f"{account} has {number} now."

    return _act(request, pk, NumberForm, act)


@needs(Capability.OPERATE)
@require_POST
def release(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Take its number away."""

    def act(account: Account, values: dict[str, Any]) -> str:
        number = get_object_or_404(Number, account=account)
        released = numbers.release_number(
            number=number, free=values["free"], actor=actor_of(request)
        )
        return f"{account} has no number now.\n{number} is {released.get_state_display().lower()}."

    return _act(request, pk, ReleaseForm, act)


@needs(Capability.CONFIGURE)
@require_POST
def rename(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Give it another SIP URI."""

    def act(account: Account, values: dict[str, Any]) -> str:
        renamed = accounts.rename_account(account=account, actor=actor_of(request), **values)
        return f"{account} is sip:{renamed.aor} now.\nEvery client must fetch its profile again."

    return _act(request, pk, RenameForm, act)


@needs(Capability.OPERATE)
@require_POST
def end_pin(request: ConsoleRequest, pk: int, pin_pk: int) -> HttpResponse:
    """Let rules and directory decide a value again."""

    def act(account: Account, values: dict[str, Any]) -> str:
        pin = get_object_or_404(Pin, pk=pin_pk, account=account)
        blocks.end_pin(pin=pin, actor=actor_of(request))
        return (
            "The pin is ended.\nRules and directory decide again, with the next run at the latest."
        )

    return _act(request, pk, forms.Form, act)


@needs(Capability.OPERATE)
@require_POST
def remove(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Remove an account without a person."""

    def act(account: Account, values: dict[str, Any]) -> str:
        accounts.remove_account(account=account, reason=values["reason"], actor=actor_of(request))
        return f"{account} was removed.\nIts number, if it had one, is in quarantine for 90 days."

    return _act(request, pk, ReasonForm, act)


def _act(
    request: ConsoleRequest,
    pk: int,
    form_class: type[F],
    act: Callable[[Account, dict[str, Any]], str],
) -> HttpResponse:
    """Check the form, act, say what happened, show the account."""
    account = get_object_or_404(Account, pk=pk)
    form = form_class(request.POST)
    if form.is_valid():
        try:
            messages.success(request, act(account, form.cleaned_data))
        except ProvisioningError as error:
            messages.error(request, f"That did not work.\n{error.message}")
    else:
        problems = " ".join(
            f"{form[name].label}: {' '.join(map(str, errors))}"
            for name, errors in form.errors.items()
        )
        messages.error(request, f"That did not work.\nNothing was changed. {problems}")
    return redirect("account", pk=pk)
