"""The list of accounts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from django.db.models import QuerySet
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from provisioning.core.roles import Capability
from provisioning.models import Account, ClientProfile
from provisioning.web.access import ConsoleRequest, needs
from provisioning.web.accounts.account_filter import AccountFilter
from provisioning.web.keyset import KeysetPage, Order
from provisioning.web.list_page import ListPage
from provisioning.web.shell import href_of
from provisioning.web.templatetags.console import when

_CHOSEN = "accounts-columns"
# What every row shows, whatever the columns; the page reads nothing else of an account.
_ALWAYS = ("name", "name_key", "aor", "kind", "state", "person__login")


# The names of what accounts refer to, by the field and the id.
Names = dict[str, dict[int, str]]


class Column(NamedTuple):
    """A column that can be shown or hidden; `sort` is empty where it gives no order.

    `field` is what it reads of an account, `cell` the text that it shows; a `wide` one is left out
    where there is little room.
    """

    name: str
    label: str
    field: str
    cell: Callable[[Account, Names], str]
    sort: str = ""
    css: str = ""
    wide: bool = False


def _e164(account: Account, names: Names) -> str:
    number = getattr(account, "number", None)
    return number.e164 if number else ""


def _named(name: str, label: str) -> Column:
    """A column with the name of what the account refers to."""
    field = f"{name}_id"
    return Column(
        name,
        label,
        field,
        lambda row, names: names[name].get(getattr(row, field), ""),
        css="rt-cell-wide",
        wide=True,
    )


COLUMNS = (
    Column("uri", "SIP URI", "aor", lambda row, _: f"sip:{row.aor}", "uri", "rt-cell-more rt-mono"),
    Column("number", "Number", "number__e164", _e164, css="rt-mono"),
    Column("kind", "Kind", "kind", lambda row, _: row.get_kind_display()),
    _named("site", "Site"),
    _named("pool", "Pool"),
    _named("rule", "Rule"),
    _named("profile", "Client profile"),
    Column("changed", "Changed", "changed_at", lambda row, _: when(row.changed_at),
           css="rt-nowrap rt-cell-wide", wide=True),
)  # fmt: skip
_DEFAULT = ("uri", "number", "site", "pool", "changed")


class Row(NamedTuple):
    """An account as the list shows it; `cells` are (CSS class, text) of each shown column."""

    pk: str
    href: str
    name: str
    note: str
    state: str
    cells: list[tuple[str, str]]


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
    list_name = "accounts"
    fixed_views = (
        ("All", ""),
        ("Blocked", "state=blocked"),
        ("Disabled", "state=disabled"),
        ("Leavers", "state=grace"),
        ("Rooms and services", "kind=room&kind=common-area+phone&kind=contractor&kind=service"),
    )

    def queryset(self) -> QuerySet[Account]:
        """With what a row shows, and no more: most of the columns are wide."""
        fields = [column.field for column in _shown(self.request)]
        return Account.objects.select_related("person", "number").only(
            *_ALWAYS, "number__e164", *fields
        )

    def context(self, request: ConsoleRequest, page: KeysetPage[Account]) -> dict[str, Any]:
        """Columns, rows and bulk actions."""
        columns = _shown(request)
        return {
            "title": "Accounts",
            "lead": "Everybody and everything that can register at a SIP server.",
            "columns": columns,
            "rows": _rows(page.rows, columns, self._names(columns)),
            "column_choice": [
                {"name": column.name, "label": column.label, "shown": column in columns}
                for column in COLUMNS
            ],
            "actions": _bulk_actions(request),
            "export_href": href_of("accounts-export"),
        }

    def _names(self, columns: list[Column]) -> Names:
        """The filter has asked for the names of what it offers already."""
        names: Names = {
            name: dict(self.filter.choices_of(name)) for name in ("site", "pool", "rule")
        }
        if any(column.name == "profile" for column in columns):
            names["profile"] = dict(ClientProfile.objects.values_list("pk", "name"))
        return names


@needs(Capability.VIEW)
@require_POST
def choose_columns(request: ConsoleRequest) -> HttpResponse:
    """Keep for this session which columns the list shows."""
    names = [column.name for column in COLUMNS]
    request.session[_CHOSEN] = [name for name in request.POST.getlist("column") if name in names]
    return redirect(list_with(request.GET))


def list_with(query: QueryDict) -> str:
    """The address of the list with this filter."""
    address = reverse("accounts")
    return f"{address}?{query.urlencode()}" if query else address


def _shown(request: ConsoleRequest) -> list[Column]:
    chosen = request.session.get(_CHOSEN, _DEFAULT)
    return [column for column in COLUMNS if column.name in chosen]


def _rows(accounts: list[Account], columns: list[Column], names: Names) -> list[Row]:
    # One address is worked out, the others differ in the number only.
    before, after = reverse("account", args=[0]).split("0")
    return [
        Row(
            pk=str(account.pk),
            href=f"{before}{account.pk}{after}",
            name=account.name,
            note=account.person.login if account.person else account.get_kind_display(),
            state=account.state,
            cells=[(column.css, column.cell(account, names)) for column in columns],
        )
        for account in accounts
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
        {"value": "rotate", "label": "New credential…", "icon": "key"},
        {"value": "move", "label": "Move to pool…", "icon": "arrow-right"},
        {"value": "export", "label": "Export…", "icon": "file-zip"},
    ]
