"""What is done with one account: each a POST that ends on the account's page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from provisioning.core.errors import InvalidInput, ProvisioningError
from provisioning.core.roles import Capability
from provisioning.models import Account, Number, Pin
from provisioning.services.accounts import accounts, addresses, blocks
from provisioning.services.accounts.credentials import rotate_credential
from provisioning.services.actor import Actor
from provisioning.services.console.once import Done
from provisioning.services.numbers import numbers
from provisioning.services.servers.end_contacts import end_contact
from provisioning.web import as_opened
from provisioning.web.access import ConsoleRequest, actor_of, needs
from provisioning.web.accounts.account import DIALOGS, show_overview
from provisioning.web.acting import act_once, refuse
from provisioning.web.forms.accounts import NewAccountForm, OwnAccountForm, PersonAccountForm

# Acts on the account with the values of the form; says what happened.
Act = Callable[[Account, dict[str, Any]], str]


@needs(Capability.OPERATE)
@require_http_methods(["GET", "POST"])
def new(request: ConsoleRequest) -> HttpResponse:
    """Make an account without a person."""
    form = NewAccountForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            return act_once(request, lambda: _make(form, actor_of(request)))
        except ProvisioningError as error:
            refuse(form, error)
    context = {
        "title": "New account",
        "lead": "For a room, a common-area phone, a contractor, a service. Rules make people's.",
        "crumbs": [("Accounts", reverse("accounts")), ("New account", "")],
        "form": form,
        "cancel": reverse("accounts"),
        "button": "Make account",
    }
    return render(request, "accounts/form.html", context, status=422 if form.errors else 200)


def _make(form: NewAccountForm, actor: Actor) -> Done:
    account = accounts.create_account(new=accounts.NewAccount(**form.cleaned_data), actor=actor)
    return Done(
        reverse("account", args=[account.pk]),
        f"{account} was made.\nIt reaches the managed SIP servers within a minute.",
    )


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
    seal = as_opened.seal(account, form_class.base_fields)
    crossing = as_opened.begin(request, account, form_class.base_fields)
    form = form_class(request.POST or None, initial=initial)
    if crossing:
        form.add_error(None, crossing)
    if request.method == "POST" and form.is_valid():
        change = accounts.AccountChange(**form.cleaned_data)
        try:
            accounts.change_account(account=account, change=change, actor=actor_of(request))
        except ProvisioningError as error:
            refuse(form, error)
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
        "as_opened": seal,
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

    return in_dialog(request, pk, "block", act)


@needs(Capability.OPERATE)
@require_POST
def unblock(request: ConsoleRequest, pk: int) -> HttpResponse:
    """End the block."""

    def act(account: Account, values: dict[str, Any]) -> str:
        current = blocks.unblock_account(account=account, actor=actor_of(request))
        return (
            f"{account} is not blocked any more.\nIts state is {current.get_state_display()} now."
        )

    return at_once(request, pk, act)


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

    return in_dialog(request, pk, "restore", act)


@needs(Capability.OPERATE)
@require_POST
def rotate(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Give it a new credential."""

    def act(account: Account, values: dict[str, Any]) -> str:
        rotate_credential(account=account, actor=actor_of(request))
        return f"{account} has a new credential.\nEvery client must fetch its profile again."

    return at_once(request, pk, act)


@needs(Capability.OPERATE)
@require_POST
def end_registration(request: ConsoleRequest, pk: int) -> HttpResponse:
    """End one of its live registrations."""

    def act(account: Account, values: dict[str, Any]) -> str:
        end_contact(
            account=account, contact=request.POST.get("contact", ""), actor=actor_of(request)
        )
        return (
            "The registration ended.\nA client that may still register does so again; block the "
            "account to keep it out."
        )

    return at_once(request, pk, act)


@needs(Capability.OPERATE)
@require_POST
def assign(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Give it a number."""

    def act(account: Account, values: dict[str, Any]) -> str:
        number = numbers.assign_number(
            account=account, e164=values["number"], actor=actor_of(request)
        )
        return f"{account} has {number} now."

    return in_dialog(request, pk, "number", act, field="number")


@needs(Capability.OPERATE)
@require_POST
def release(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Take its number away."""

    def act(account: Account, values: dict[str, Any]) -> str:
        number = Number.objects.filter(account=account).first()
        if number is None:
            raise InvalidInput("It has no number any more. Nothing was changed.")
        released = numbers.release_number(
            number=number, free=values["free"], actor=actor_of(request)
        )
        return f"{account} has no number now.\n{number} is {released.get_state_display().lower()}."

    return in_dialog(request, pk, "release", act)


@needs(Capability.CONFIGURE)
@require_POST
def rename(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Give it another SIP URI."""

    def act(account: Account, values: dict[str, Any]) -> str:
        renamed = addresses.rename_account(account=account, actor=actor_of(request), **values)
        return f"{account} is sip:{renamed.aor} now.\nEvery client must fetch its profile again."

    return in_dialog(request, pk, "rename", act, field="user_part")


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

    return at_once(request, pk, act)


@needs(Capability.OPERATE)
@require_POST
def remove(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Remove an account without a person."""

    def act(account: Account, values: dict[str, Any]) -> str:
        accounts.remove_account(account=account, reason=values["reason"], actor=actor_of(request))
        return f"{account} was removed.\nIts number, if it had one, is in quarantine for 90 days."

    return in_dialog(request, pk, "remove", act)


def in_dialog(
    request: ConsoleRequest, pk: int, dialog: str, act: Act, field: str | None = None
) -> HttpResponse:
    """Do what a dialog asks for; what is refused stands in it, at `field` or above all of them."""
    account = get_object_or_404(Account, pk=pk)
    form = DIALOGS[dialog](request.POST, auto_id=f"{dialog}_%s")
    if form.is_valid():
        try:
            return _do(request, account, lambda: act(account, form.cleaned_data))
        except ProvisioningError as error:
            refuse(form, error, field)
    return show_overview(request, pk, {dialog: form})


def at_once(request: ConsoleRequest, pk: int, act: Act) -> HttpResponse:
    """Do what a button asks for; there is nothing to fill in, so what is refused is a message."""
    account = get_object_or_404(Account, pk=pk)
    try:
        return _do(request, account, lambda: act(account, {}))
    except ProvisioningError as error:
        messages.error(request, f"That did not work.\n{error.message}")
        return redirect("account", pk=pk)


def _do(request: ConsoleRequest, account: Account, say: Callable[[], str]) -> HttpResponse:
    return act_once(request, lambda: Done(reverse("account", args=[account.pk]), say()))
