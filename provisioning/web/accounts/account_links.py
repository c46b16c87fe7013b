"""Documents and provisioning links of one account, on its page; and the ZIP of many accounts."""

from __future__ import annotations

from typing import Any

import segno
from django.contrib import messages
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from provisioning.core.errors import ProvisioningError
from provisioning.core.roles import Capability
from provisioning.core.states import State
from provisioning.models import Account, ProvisioningLink
from provisioning.services.clients import documents, export, links
from provisioning.web.access import ConsoleRequest, actor_of, needs
from provisioning.web.accounts.account_filter import AccountFilter
from provisioning.web.forms.profiles import FORMATS, ExportForm, LinkForm
from provisioning.web.streaming import stream

_SHOWN = 20


@needs(Capability.VIEW)
@require_safe
def of_account(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Profile, documents and links, for htmx."""
    return _show(request, _find(pk))


@needs(Capability.OPERATE)
@require_POST
def create(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Make a link; its address and QR code are in this one answer and nowhere else."""
    account, form = _find(pk), LinkForm(request.POST)
    context: dict[str, Any] = {"form": form}
    if form.is_valid():
        try:
            new = links.create_link(
                account=account,
                format=form.cleaned_data["format"],
                hours=form.cleaned_data["hours"],
                one_time=not form.cleaned_data["several"],
                actor=actor_of(request),
            )
        except ProvisioningError as error:
            form.add_error(None, error.message)
        else:
            context = {"new": new, "qr": _qr_code(new.url)}
    response = _show(request, account, context)
    response["Cache-Control"] = "no-store"
    return response


@needs(Capability.OPERATE)
@require_POST
def revoke(request: ConsoleRequest, pk: int, link: int) -> HttpResponse:
    """Make one link useless."""
    account = _find(pk)
    row = get_object_or_404(account.links.select_related("account"), pk=link)
    links.revoke_link(link=row, actor=actor_of(request))
    return _show(request, account)


@needs(Capability.OPERATE)
@require_POST
def revoke_all(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Make every link of the account useless."""
    account = _find(pk)
    links.revoke_links(accounts=[account], actor=actor_of(request))
    return _show(request, account)


@needs(Capability.OPERATE)
@require_POST
def document(request: ConsoleRequest, pk: int) -> HttpResponse:
    """The account's document as a download; several files come as a ZIP."""
    account = _find(pk)
    form = ExportForm(request.POST, user=request.user)
    if not form.is_valid():
        messages.error(request, "Nothing was exported.\nChoose one of the formats.")
        return redirect("account-clients", pk)
    try:
        files = export.render_account(
            account=account,
            format=form.cleaned_data["format"],
            with_secret=form.cleaned_data["with_secret"],
            actor=actor_of(request),
        )
    except ProvisioningError as error:
        messages.error(request, f"Nothing was exported.\n{error.message}")
        return redirect("account-clients", pk)
    alone = len(files) == 1
    content = files[0].content if alone else export.pack(files)
    name = export.file_name(account, files[0], alone=alone)
    response = HttpResponse(content, files[0].media_type if alone else "application/zip")
    saved_as = name if alone else f"{name.partition('/')[0]}.zip"
    response["Content-Disposition"] = f'attachment; filename="{saved_as}"'
    response["Cache-Control"] = "no-store"
    return response


@needs(Capability.OPERATE)
@require_http_methods(["GET", "POST"])
def export_accounts(request: ConsoleRequest) -> HttpResponseBase:
    """Documents of all accounts that the list's filter matches: how many, then the ZIP itself."""
    chosen = AccountFilter(request.GET, Account.objects.all())
    accounts = chosen.rows
    form = ExportForm(request.POST or None, user=request.user)
    if request.method == "POST" and form.is_valid():
        try:
            pieces = export.stream_accounts(
                accounts=accounts,
                format=form.cleaned_data["format"],
                with_secret=form.cleaned_data["with_secret"],
                actor=actor_of(request),
            )
        except ProvisioningError as error:
            form.add_error(None, error.message)
        else:
            day = timezone.localdate().isoformat()
            name = f"client-profiles-{form.cleaned_data['format']}-{day}.zip"
            return stream(pieces, "application/zip", name)
    total = accounts.count()
    context = {
        "title": "Export client profiles",
        "lead": "One document for each account, in a ZIP that is made while it is downloaded.",
        "form": form,
        "filter": chosen,
        "total": total,
        "active": accounts.filter(state=State.ACTIVE).count(),
    }
    status = 422 if form.errors else 200
    return render(request, "profiles/export.html", context, status=status)


def _show(
    request: ConsoleRequest, account: Account, context: dict[str, Any] | None = None
) -> HttpResponse:
    try:
        settings = documents.profile_settings(account=account)
        problem = ""
    except ProvisioningError as error:
        settings, problem = None, error.message
    rows = account.links.select_related("created_by").order_by("-pk")[:_SHOWN]
    now = timezone.now()
    known = {
        "account": account,
        "settings": settings,
        "problem": problem,
        "active": account.state == State.ACTIVE,
        "form": LinkForm(),
        "export_form": ExportForm(user=request.user),
        "links": [
            (row, dict(FORMATS).get(row.format, row.format), _state(row, account, now))
            for row in rows
        ],
        "revocable": links.fetchable(accounts=[account]).exists(),
        "may_export": request.user.may_export_secrets,
    }
    return render(request, "profiles/_links.html", known | (context or {}))


def _state(link: ProvisioningLink, account: Account, now: Any) -> str:
    if link.revoked_at is not None:
        return "revoked"
    if link.one_time and link.used_at is not None:
        return "used"
    if link.expires_at <= now:
        return "expired"
    return "works" if account.state == State.ACTIVE else account.state


def _qr_code(url: str) -> SafeString:
    """The address as SVG without a style attribute, dark on light in every theme."""
    picture = segno.make(url, error="m").svg_inline(
        svgclass="rt-qr", lineclass=None, omitsize=True, border=3, dark="#000", light="#fff",
        title="QR code of the link",
    )  # fmt: skip
    return mark_safe(picture)  # noqa: S308 - made here from an address made here


def _find(pk: int) -> Account:
    return get_object_or_404(documents.with_what_documents_need(Account.objects.all()), pk=pk)
