"""Live registrations, as cards that htmx fills: of an account, of the store of a server."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from provisioning.core.roles import Capability
from provisioning.models import Account, SipServer
from provisioning.services.servers.registrations import (
    LiveList,
    list_registrations,
    list_server_registrations,
)
from provisioning.web.access import ConsoleRequest, needs

_SHOWN = 50


@needs(Capability.VIEW)
@require_safe
def of_account(request: ConsoleRequest, pk: int) -> HttpResponse:
    """What the servers of the account's home pool say of it."""
    account = get_object_or_404(Account.objects.select_related("pool"), pk=pk)
    live = list_registrations(account=account)
    return render(request, "servers/_registrations.html", _context(live) | {"of_one": True})


@needs(Capability.VIEW)
@require_safe
def of_server(request: ConsoleRequest, pk: int) -> HttpResponse:
    """What the server's store holds."""
    server = get_object_or_404(SipServer.objects.select_related("store"), pk=pk)
    live = list_server_registrations(server=server, limit=_SHOWN + 1)
    return render(request, "servers/_registrations.html", _context(live))


def _context(live: LiveList) -> dict[str, Any]:
    rows = [
        {
            "aor": each.aor,
            "contact": each.contact,
            "user_agent": each.user_agent,
            "transport": each.transport,
            "until": _moment(each.expires_at),
        }
        for each in live.registrations[:_SHOWN]
    ]
    return {"live": live, "rows": rows, "more": len(live.registrations) > _SHOWN, "shown": _SHOWN}


def _moment(unix_seconds: int) -> datetime | None:
    return datetime.fromtimestamp(unix_seconds, UTC) if unix_seconds else None
