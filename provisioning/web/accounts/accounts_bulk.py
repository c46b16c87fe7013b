"""What is done with many accounts at once."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from provisioning.core.errors import ProvisioningError
from provisioning.core.limits import Category
from provisioning.core.roles import Capability
from provisioning.models import Account
from provisioning.services.accounts import blocks, credentials
from provisioning.services.accounts.at_risk import weigh
from provisioning.services.servers.registrations import find_clients
from provisioning.web.access import ConsoleRequest, actor_of, needs
from provisioning.web.accounts.account_filter import AccountFilter
from provisioning.web.accounts.accounts import list_with
from provisioning.web.accounts.accounts_move import ask_where
from provisioning.web.forms.accounts import BlockManyForm, ManyForm
from provisioning.web.ids import row_id

_NAMED = 50


@needs(Capability.OPERATE)
@require_POST
def bulk(request: ConsoleRequest) -> HttpResponse:
    """Begin what the selection bar asks for, with the chosen accounts or with all that match."""
    ids = _chosen_ids(request)
    if not ids:
        messages.warning(request, "Nothing was chosen.\nTick accounts in the list first.")
        return redirect(list_with(request.GET))
    action = request.POST.get("action")
    if action == "move":
        return ask_where(request, [] if request.POST.get("all") == "1" else ids)
    if action == "block":
        return _ask_why(request, ids, BlockManyForm(initial={"ids": ",".join(map(str, ids))}))
    if action == "rotate":
        return _ask_to_rotate(request, ids, ManyForm(initial={"ids": ",".join(map(str, ids))}))
    if action == "unblock":
        return _unblock(request, ids)
    if action == "export":
        everything = request.POST.get("all") == "1"
        query = request.GET.urlencode() if everything else f"chosen={','.join(map(str, ids))}"
        return redirect(f"{reverse('accounts-export')}?{query}")
    raise BadRequest("There is no such action.")


@needs(Capability.OPERATE)
@require_POST
def block_many(request: ConsoleRequest) -> HttpResponse:
    """Block the accounts that were chosen, for the reason that was given."""
    form = BlockManyForm(request.POST)
    ids: list[int] = []
    if form.is_valid():
        ids = form.cleaned_data["ids"]
        try:
            count = blocks.block_accounts(
                account_ids=ids, reason=form.cleaned_data["reason"], actor=actor_of(request),
                approved=form.cleaned_data["approved"],
            )  # fmt: skip
        except ProvisioningError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, f"{_count(count)} blocked.\nTheir links are revoked.")
            return redirect(list_with(request.GET))
    return _ask_why(request, ids, form)


@needs(Capability.OPERATE)
@require_POST
def rotate_many(request: ConsoleRequest) -> HttpResponse:
    """Give the accounts that were chosen new credentials."""
    form = ManyForm(request.POST)
    ids: list[int] = []
    if form.is_valid():
        ids = form.cleaned_data["ids"]
        try:
            count = credentials.rotate_credentials(
                account_ids=ids, actor=actor_of(request), approved=form.cleaned_data["approved"]
            )
        except ProvisioningError as error:
            form.add_error(None, error.message)
        else:
            messages.success(
                request, f"{_count(count)} got new credentials.\nTheir clients must fetch again."
            )
            return redirect(list_with(request.GET))
    return _ask_to_rotate(request, ids, form)


def _ask_to_rotate(request: ConsoleRequest, ids: list[int], form: ManyForm) -> HttpResponse:
    """Name whose clients must fetch their profile again, and which those are right now."""
    accounts = list(Account.objects.filter(pk__in=ids[: credentials.MOST_AT_ONCE]))
    clients, problems = find_clients(accounts=accounts)
    named = sorted(accounts, key=lambda each: (each.aor not in clients, each.name_key))
    context = {
        "title": f"New credentials for {_count(len(ids))}",
        "crumbs": [("Accounts", reverse("accounts")), ("New credentials", "")],
        "form": form,
        "some": [(each, ", ".join(clients.get(each.aor, ()))) for each in named[:_NAMED]],
        "more": max(0, len(ids) - _NAMED),
        "registered": len(clients),
        "problems": problems,
        **_toll(request, Category.CREDENTIAL, ids, form),
        "back": list_with(request.GET),
    }
    return render(request, "accounts/rotate.html", context, status=422 if form.errors else 200)


def _unblock(request: ConsoleRequest, ids: list[int]) -> HttpResponse:
    try:
        count = blocks.unblock_accounts(account_ids=ids, actor=actor_of(request))
    except ProvisioningError as error:
        messages.error(request, f"That did not work.\n{error.message}")
    else:
        messages.success(request, f"{_count(count)} unblocked.\nDirectory and rules hold again.")
    return redirect(list_with(request.GET))


def _ask_why(request: ConsoleRequest, ids: list[int], form: BlockManyForm) -> HttpResponse:
    names = Account.objects.filter(pk__in=ids).order_by("name_key", "pk")
    context = {
        "title": f"Block {_count(len(ids))}",
        "crumbs": [("Accounts", reverse("accounts")), ("Block", "")],
        "form": form,
        "some": names[:20],
        "more": max(0, len(ids) - 20),
        **_toll(request, Category.SERVICE, ids, form),
        "back": list_with(request.GET),
    }
    return render(request, "accounts/block.html", context, status=422 if form.errors else 200)


def _toll(
    request: ConsoleRequest, category: Category, ids: list[int], form: ManyForm
) -> dict[str, Any]:
    """What the limits say to it; whoever may approve is asked to."""
    toll = weigh(category=category, account_ids=ids)
    may_approve = request.user.may(Capability.APPROVE)
    if toll.breaches and may_approve:
        form.ask_for_approval()
    return {"toll": toll, "held": bool(toll.breaches) and not may_approve}


def _chosen_ids(request: ConsoleRequest) -> list[int]:
    """The ticked accounts, or all that the query string matches; one more than allowed at most."""
    most = blocks.MOST_AT_ONCE + 1
    if request.POST.get("all") == "1":
        rows = AccountFilter(request.GET, Account.objects.all()).rows
        return list(rows.order_by("pk").values_list("pk", flat=True)[:most])
    ticked = [row_id(pk) for pk in request.POST.getlist("pk")]
    ids = [pk for pk in ticked if pk is not None]
    if len(ids) != len(ticked):
        raise BadRequest("An account is chosen by its number.")
    return ids


def _count(count: int) -> str:
    return "1 account" if count == 1 else f"{count:,} accounts"
