"""The list of accounts, and what is done with many of them at once."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.db.models import QuerySet
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from provisioning.core.errors import ProvisioningError
from provisioning.core.roles import Capability
from provisioning.models import Account
from provisioning.services import blocks
from provisioning.web.access import ConsoleRequest, actor_of, needs
from provisioning.web.account_filter import AccountFilter
from provisioning.web.forms.accounts import BlockManyForm
from provisioning.web.ids import row_id
from provisioning.web.keyset import KeysetPage, Order
from provisioning.web.list_page import ListPage
from provisioning.web.shell import href_of

_CHOSEN = "accounts-columns"


class Column(NamedTuple):
    """A column that can be shown or hidden; `sort` is empty where it gives no order."""

    name: str
    label: str
    sort: str = ""


COLUMNS = (
    Column("uri", "SIP URI", "uri"),
    Column("number", "Number"),
    Column("kind", "Kind"),
    Column("site", "Site"),
    Column("pool", "Pool"),
    Column("rule", "Rule"),
    Column("profile", "Client profile"),
    Column("changed", "Changed"),
)
_DEFAULT = ("uri", "number", "site", "pool", "changed")
VIEWS = (
    ("All", ""),
    ("Blocked", "state=blocked"),
    ("Disabled", "state=disabled"),
    ("Leavers", "state=grace"),
    ("Rooms and services", "kind=room&kind=common-area+phone&kind=contractor&kind=service"),
)


class Accounts(ListPage[Account]):
    """Every account."""

    filter_class = AccountFilter
    orders = {  # noqa: RUF012 - ListPage declares it for the class
        "name": Order("name_key"),
        "uri": Order("aor"),
    }
    default_order = "name"
    template = "accounts/accounts.html"
    results_template = "accounts/_results.html"

    def queryset(self) -> QuerySet[Account]:
        """With everything that a row shows."""
        related = ["person", "number", "site", "pool"]
        related += [name for name in ("rule", "profile") if name in _shown(self.request)]
        return Account.objects.select_related(*related)

    def context(self, request: ConsoleRequest, page: KeysetPage[Account]) -> dict[str, Any]:
        """Columns, tabs and bulk actions."""
        shown = _shown(request)
        return {
            "title": "Accounts",
            "lead": "Everybody and everything that can register at a SIP server.",
            "columns": [column for column in COLUMNS if column.name in shown],
            "shown": {column.name: column.name in shown for column in COLUMNS},
            "column_choice": [
                column._asdict() | {"shown": column.name in shown} for column in COLUMNS
            ],
            "tabs": _tabs(request.GET),
            "actions": _bulk_actions(request),
            "export_href": href_of("accounts-export"),
        }


@needs(Capability.VIEW)
@require_POST
def choose_columns(request: ConsoleRequest) -> HttpResponse:
    """Keep for this session which columns the list shows."""
    names = [column.name for column in COLUMNS]
    request.session[_CHOSEN] = [name for name in request.POST.getlist("column") if name in names]
    return redirect(_list_with(request.GET))


@needs(Capability.OPERATE)
@require_POST
def bulk(request: ConsoleRequest) -> HttpResponse:
    """Begin what the selection bar asks for, with the chosen accounts or with all that match."""
    ids = _chosen_ids(request)
    if not ids:
        messages.warning(request, "Nothing was chosen.\nTick accounts in the list first.")
        return redirect(_list_with(request.GET))
    action = request.POST.get("action")
    if action == "block":
        return _ask_why(request, ids, BlockManyForm(initial={"ids": ",".join(map(str, ids))}))
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
                account_ids=ids, reason=form.cleaned_data["reason"], actor=actor_of(request)
            )
        except ProvisioningError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, f"{_count(count)} blocked.\nTheir links are revoked.")
            return redirect(_list_with(request.GET))
    return _ask_why(request, ids, form)


def _unblock(request: ConsoleRequest, ids: list[int]) -> HttpResponse:
    try:
        count = blocks.unblock_accounts(account_ids=ids, actor=actor_of(request))
    except ProvisioningError as error:
        messages.error(request, f"That did not work.\n{error.message}")
    else:
        messages.success(request, f"{_count(count)} unblocked.\nDirectory and rules hold again.")
    return redirect(_list_with(request.GET))


def _ask_why(request: ConsoleRequest, ids: list[int], form: BlockManyForm) -> HttpResponse:
    names = Account.objects.filter(pk__in=ids).order_by("name_key", "pk")
    context = {
        "title": f"Block {_count(len(ids))}",
        "crumbs": [("Accounts", reverse("accounts")), ("Block", "")],
        "form": form,
        "some": names[:20],
        "more": max(0, len(ids) - 20),
        "back": _list_with(request.GET),
    }
    return render(request, "accounts/block.html", context, status=422 if form.errors else 200)


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


def _shown(request: ConsoleRequest) -> list[str]:
    chosen: list[str] = request.session.get(_CHOSEN, list(_DEFAULT))
    return chosen


def _tabs(query: QueryDict) -> list[dict[str, Any]]:
    now = query.copy()
    for name in ("cursor", "sort"):
        now.pop(name, None)
    current = sorted(now.lists())
    return [
        {"label": label, "href": f"?{view}", "active": current == sorted(QueryDict(view).lists())}
        for label, view in VIEWS
    ]


def _bulk_actions(request: ConsoleRequest) -> list[dict[str, Any]]:
    if not request.user.may(Capability.OPERATE):
        return []
    return [
        {"value": "block", "label": "Block…", "icon": "lock", "danger": True},
        {
            "value": "unblock",
            "label": "Unblock",
            "icon": "lock-open",
            "confirm": "Unblock the chosen accounts?",
            "confirm_text": "Whoever the directory and the rules allow can register again at once.",
            "confirm_button": "Unblock",
        },
        {"value": "export", "label": "Export profiles…", "icon": "file-zip"},
    ]


def _list_with(query: QueryDict) -> str:
    address = reverse("accounts")
    return f"{address}?{query.urlencode()}" if query else address


def _count(count: int) -> str:
    return "1 account" if count == 1 else f"{count:,} accounts"
