"""What a SIP server does with what stands there: a card of its page, and what asks for a probe."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from provisioning.core.errors import ProvisioningError
from provisioning.core.roles import Capability
from provisioning.models import ProbeAccount, ServerProbe, SipServer
from provisioning.services.probes.accounts import (
    missing_domains,
    set_up_probes,
    take_probes_away,
)
from provisioning.services.probes.probe import request_probe
from provisioning.services.probes.standing import standing_at
from provisioning.web.access import ConsoleRequest, actor_of, needs


@needs(Capability.VIEW)
@require_safe
def card(request: ConsoleRequest, pk: int) -> HttpResponse:
    """The card alone, for as long as a probe is under way."""
    return render(request, "servers/_probe.html", probe_context(_find(pk)))


@needs(Capability.OPERATE)
@require_POST
def ask(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Let a worker probe the server."""
    server = _find(pk)
    try:
        request_probe(server=server, actor=actor_of(request))
    except ProvisioningError as error:
        messages.error(request, f"Not probed.\n{error.message}")
    return redirect("server", pk)


@needs(Capability.CONFIGURE)
@require_POST
def accounts(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Make the probe accounts of the server's pool, or take them away."""
    server = _find(pk)
    try:
        if "remove" in request.POST:
            count = take_probes_away(pool=server.pool, actor=actor_of(request))
            said = "removed.\nNothing is probed there any more."
        else:
            count = set_up_probes(pool=server.pool, actor=actor_of(request))
            said = "made.\nAfter the next push the servers are probed."
    except ProvisioningError as error:
        messages.error(request, f"Not done.\n{error.message}")
    else:
        messages.success(request, f"{count} probe account{'s' * (count != 1)} {said}")
    return redirect("server", pk)


def probe_context(server: SipServer) -> dict[str, Any]:
    """What the card shows."""
    probe = ServerProbe.objects.filter(server=server).first()
    under_way = probe is not None and (
        probe.wanted or (probe.lease_until is not None and probe.lease_until > timezone.now())
    )
    return {
        "server": server,
        "probe": probe,
        "under_way": under_way,
        "has_accounts": ProbeAccount.objects.filter(account__pool=server.pool_id).exists(),
        "missing": missing_domains(server.pool),
        "standing": [
            each for each in standing_at(server) if each.word not in ("nothing", "unsupported")
        ],
    }


def _find(pk: int) -> SipServer:
    return get_object_or_404(SipServer.objects.select_related("pool", "store"), pk=pk)
