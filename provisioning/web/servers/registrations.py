"""Live registrations of one account, asked of its servers, as a card that htmx fills."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import urlencode

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from provisioning.core.roles import Capability
from provisioning.models import Account
from provisioning.services.servers.registrations import find_presence, list_registrations
from provisioning.web.access import ConsoleRequest, needs
from provisioning.web.servers.registration_list import END

_SHOWN = 50


@needs(Capability.VIEW)
@require_safe
def of_account(request: ConsoleRequest, pk: int) -> HttpResponse:
    """What the servers of the account's home pool say of it."""
    account = get_object_or_404(Account.objects.select_related("pool"), pk=pk)
    live = list_registrations(account=account)
    rows = [
        {
            "contact": each.contact,
            "user_agent": each.user_agent,
            "transport": each.transport,
            "until": _moment(each.expires_at),
        }
        for each in live.registrations[:_SHOWN]
    ]
    more = len(live.registrations) > _SHOWN
    published = find_presence(account=account)
    context = {
        "account": account,
        "end": END,
        "live": live,
        "rows": rows,
        "more": more,
        "shown": _SHOWN,
        "presence": [(each, _moment(each.until)) for each in published or ()],
        "presence_known": published is not None,
        "list_href": f"{reverse('registrations')}?{urlencode({'q': account.aor})}",
    }
    return render(request, "registrations/_account.html", context)


def _moment(unix_seconds: int) -> datetime | None:
    return datetime.fromtimestamp(unix_seconds, UTC) if unix_seconds else None
