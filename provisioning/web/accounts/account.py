"""The pages of one account: overview, clients and links, settings, why, history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from provisioning.core.roles import Capability
from provisioning.core.settings.setting import SettingScope
from provisioning.core.states import State
from provisioning.models import Account, ClientProfile, Pin, Proposal
from provisioning.services.accounts.explain import explain_account
from provisioning.services.accounts.history import find_history
from provisioning.services.accounts.known_clients import known_clients
from provisioning.services.accounts.pins import value_in_words
from provisioning.services.clients.documents import unservable_formats
from provisioning.services.push.at_stores import find_at_stores
from provisioning.services.settings.places import Place
from provisioning.web.access import ConsoleRequest, needs
from provisioning.web.forms.accounts import (
    HoldForm,
    NumberForm,
    ReasonForm,
    ReleaseForm,
    RenameForm,
    RestoreForm,
)
from provisioning.web.settings.settings import place_context
from provisioning.web.shell import href_of

_TABS = (
    ("account", "Overview", "user"),
    ("account-clients", "Clients & links", "device-mobile"),
    ("account-settings", "Settings", "settings"),
    ("account-why", "Why", "help-circle"),
    ("account-history", "History", "history"),
)
_RECENT = 5
# The dialogs of an account by their ids, and the form in each.
DIALOGS: dict[str, type[forms.Form]] = {
    "block": ReasonForm,
    "hold": HoldForm,
    "restore": RestoreForm,
    "number": NumberForm,
    "release": ReleaseForm,
    "rename": RenameForm,
    "remove": ReasonForm,
}


@needs(Capability.VIEW)
@require_safe
def overview(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Who or what it is, its SIP service, live registrations and the latest changes."""
    return show_overview(request, pk)


def show_overview(
    request: ConsoleRequest, pk: int, refused: Mapping[str, forms.BaseForm] | None = None
) -> HttpResponse:
    """The overview; with a refused form by the name of its dialog, that dialog is open (422)."""
    account = find_account(pk)
    pins = list(account.pins.select_related("by").order_by("field"))
    stores = list(find_at_stores(account=account, number=getattr(account, "number", None)))
    context = {
        "identity": _identity(account),
        "service": service_rows(account),
        "unservable": [each.label for each in unservable_formats(account=account)],
        "stores": stores,
        "troubles": [one for one in stores if one.refused],
        "pins": [(pin, value_in_words(pin)) for pin in pins],
        "leave": _leave_of(account, pins),
        "aliases": list(account.aliases.order_by("-ends_at")),
        "proposal": Proposal.objects.filter(account=account, state=Proposal.State.OPEN).first(),
        "clients": known_clients(account_ids=[account.pk]).get(account.pk, ""),
        "entries": find_history(account=account)[:_RECENT],
        "registrations_href": href_of("account-registrations", pk),
    }
    response = _page(
        request, account, "account", "accounts/account.html", context | {"refused": refused}
    )
    response.status_code = 422 if refused else 200
    return response


@needs(Capability.VIEW)
@require_safe
def clients(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Client profile, documents and provisioning links."""
    context = {"links_href": href_of("account-links", pk)}
    return _page(request, find_account(pk), "account-clients", "accounts/clients.html", context)


@needs(Capability.VIEW)
@require_safe
def settings(request: ConsoleRequest, pk: int) -> HttpResponse:
    """What is effective for it, and where each value comes from."""
    account = find_account(pk)
    context = place_context(Place(SettingScope.ACCOUNT, account))
    return _page(request, account, "account-settings", "accounts/settings.html", context)


@needs(Capability.VIEW)
@require_safe
def why(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Where everything comes from, and what has become of it at the stores."""
    account = find_account(pk)
    context = {"explanations": explain_account(account=account)}
    return _page(request, account, "account-why", "accounts/why.html", context)


@needs(Capability.VIEW)
@require_safe
def history(request: ConsoleRequest, pk: int) -> HttpResponse:
    """What runs and console users did to it, newest first."""
    account = find_account(pk)
    context = {"entries": find_history(account=account)}
    return _page(request, account, "account-history", "accounts/history.html", context)


def find_account(pk: int) -> Account:
    """The account with everything that its pages show; 404 where there is none."""
    return get_object_or_404(
        Account.objects.select_related(
            "person__source", "domain", "pool", "site", "rule", "profile", "number", "credential"
        ),
        pk=pk,
    )


def service_rows(account: Account) -> list[dict[str, Any]]:
    """The SIP service of an account as names and values."""
    number = getattr(account, "number", None)
    credential = getattr(account, "credential", None)
    profile = account.profile or ClientProfile.objects.filter(is_default=True).first()
    rows: list[dict[str, Any]] = [
        {"label": "SIP URI", "value": f"sip:{account.aor}", "mono": True, "copyable": True},
        {
            "label": "Number",
            "value": number.e164 if number else "",
            "mono": True,
            "href": reverse("number", args=[number.pk]) if number else "",
        },
        {"label": "Home pool", "value": account.pool, "href": href_of("pool", account.pool_id)},
        {"label": "Site", "value": account.site},
        {
            "label": "Client profile",
            "value": profile,
            "href": href_of("profile", profile.pk) if profile else "",
            "note": "the default" if profile and not account.profile else "",
        },
        {
            "label": "Authentication user name",
            "value": credential and credential.auth_user,
            "mono": True,
        },
    ]
    if account.rule is not None:
        rows.append(
            {
                "label": "Account rule",
                "value": account.rule,
                "href": href_of("rule-edit", account.rule_id),
            }
        )
    return rows


def _leave_of(account: Account, pins: list[Pin]) -> Pin | None:
    """The leave that the account is on."""
    held = (pin for pin in pins if pin.field == Pin.Field.STATE and pin.value == State.HELD)
    return next(held, None) if account.state == State.HELD else None


def _identity(account: Account) -> list[dict[str, Any]]:
    person = account.person
    if person is None:
        return [
            {"label": "Kind", "value": account.get_kind_display()},
            {"label": "Responsible", "value": account.responsible},
            {"label": "Ends on", "value": account.ends_on},
        ]
    return [
        {"label": "Person", "value": person, "href": reverse("person", args=[person.pk])},
        {"label": "User name", "value": person.login, "mono": True},
        {"label": "Mail", "value": person.mail},
        {"label": "Department", "value": person.department},
        {"label": "Office", "value": person.office},
        {"label": "Distinguished name", "value": person.dn, "mono": True},
    ]


def _page(
    request: ConsoleRequest, account: Account, url_name: str, template: str, context: dict[str, Any]
) -> HttpResponse:
    tabs = [
        {
            "label": label,
            "icon": icon,
            "href": reverse(name, args=[account.pk]),
            "active": name == url_name,
        }
        for name, label, icon in _TABS
    ]
    actions = {
        "title": account.name,
        "crumbs": [("Accounts", reverse("accounts")), (account.name, "")],
        "account": account,
        "number": getattr(account, "number", None),
        "credential": getattr(account, "credential", None),
        "tabs": tabs,
        "removed": account.state == State.REMOVED,
        "in_grace": account.state == State.GRACE,
        "dialogs": {name: form_class(auto_id=f"{name}_%s") for name, form_class in DIALOGS.items()}
        | dict(context.get("refused") or {}),
    }
    return render(request, template, actions | context)
