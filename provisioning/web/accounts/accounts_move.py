"""Moving many accounts to another home pool: what would move is shown before it does."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from provisioning.core.errors import ProvisioningError
from provisioning.core.roles import Capability
from provisioning.models import Account
from provisioning.services.accounts.move_home import HomeMove, move_home
from provisioning.web.access import ConsoleRequest, actor_of, needs
from provisioning.web.accounts.account_filter import AccountFilter
from provisioning.web.accounts.accounts import list_with
from provisioning.web.forms.accounts import MoveManyForm
from provisioning.web.forms.errors import add_errors

_NAMED = 50


def ask_where(request: ConsoleRequest, ids: list[int]) -> HttpResponse:
    """Ask where the ticked accounts go; none of them means all that the list's filter matches."""
    initial = {"ids": ",".join(map(str, ids)), "all": not ids}
    return _show(request, MoveManyForm(initial=initial), None)


@needs(Capability.OPERATE)
@require_POST
def move_many(request: ConsoleRequest) -> HttpResponse:
    """Show what would move; move it where that was shown and nothing is different since."""
    form = MoveManyForm(request.POST)
    if not form.is_valid():
        return _show(request, form, None)
    values = form.cleaned_data
    ask = {name: values[name] for name in ("pool", "reason", "ends_on")}
    ask |= {"accounts": _chosen(request, form), "actor": actor_of(request)}
    try:
        if "move" in request.POST:
            move = move_home(**ask, approved=values["approved"], seen=request.POST.get("seen", ""))
            messages.success(request, _said(move))
            return redirect(list_with(request.GET))
    except ProvisioningError as error:
        form.add_error(None, error.message)
    try:
        return _show(request, form, move_home(**ask, dry=True))
    except ProvisioningError as error:
        add_errors(form, error)
    return _show(request, form, None)


def _chosen(request: ConsoleRequest, form: MoveManyForm) -> QuerySet[Account]:
    if form.cleaned_data["all"]:
        found: QuerySet[Account] = AccountFilter(request.GET, Account.objects.all()).rows
        return found
    return Account.objects.filter(pk__in=form.cleaned_data["ids"])


def _said(move: HomeMove) -> str:
    count = len(move.moving)
    moved = "1 account moves" if count == 1 else f"{count:,} accounts move"
    stay = sum(len(each.accounts) for each in move.refused)
    rest = f" {stay:,} stay where they are." if stay else ""
    return f"{moved} to {move.pool}.\nThe former pool lets go when the new one serves them.{rest}"


def _show(request: ConsoleRequest, form: MoveManyForm, move: HomeMove | None) -> HttpResponse:
    if move is not None and move.breaches and request.user.may(Capability.APPROVE):
        form.ask_for_approval()
    context: dict[str, Any] = {
        "title": "Move to another pool",
        "crumbs": [("Accounts", reverse("accounts")), ("Move to another pool", "")],
        "form": form,
        "move": move,
        "blocked": bool(move and move.breaches and not request.user.may(Capability.APPROVE)),
        "back": list_with(request.GET),
    }
    if move is not None:
        context |= {
            "some": move.moving[:_NAMED],
            "more": max(0, len(move.moving) - _NAMED),
            "staying": [
                (each.reason, each.accounts[:_NAMED], max(0, len(each.accounts) - _NAMED))
                for each in move.refused
            ],
        }
    return render(request, "accounts/move.html", context, status=422 if form.errors else 200)
