"""Setting a SIP server up: pool, store, server, its configuration, and the proof that it works."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from provisioning.core.errors import ProvisioningError
from provisioning.core.roles import Capability
from provisioning.models import ConfigStore, ServerPool, SipServer
from provisioning.services.servers.connection_test import probe_server, probe_store
from provisioning.web.access import ConsoleRequest, needs
from provisioning.web.runs.run_words import Step

_STEPS = (
    ("pool", "Pool"), ("store", "Store"), ("server", "SIP server"),
    ("lines", "Its configuration"), ("test", "Does it work?"),
)  # fmt: skip


def steps_at(now: str) -> list[Step]:
    """The stepper of a page: what is before `now` is done."""
    place = [key for key, _ in _STEPS].index(now)
    return [
        Step(label, "done" if n < place else "now" if n == place else "todo")
        for n, (_, label) in enumerate(_STEPS)
    ]


@needs(Capability.CONFIGURE)
@require_safe
def begin(request: ConsoleRequest) -> HttpResponse:
    """The first step that is not done: what was begun elsewhere is gone on with."""
    waiting = ConfigStore.objects.filter(servers=None).order_by("pk").first()
    if waiting is not None:
        return redirect(f"{reverse('server-new')}?store={waiting.pk}")
    empty = ServerPool.objects.filter(stores=None).order_by("pk").first()
    if empty is not None:
        return redirect(f"{reverse('store-new')}?pool={empty.pk}")
    return redirect("pool-new")


@needs(Capability.CONFIGURE)
@require_POST
def verify(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Try the store and then the server as they are kept, step by step; nothing is changed."""
    row = get_object_or_404(SipServer.objects.select_related("store"), pk=pk)
    context: dict[str, Any] = {"server": row}
    try:
        steps = probe_store(record=row.store.as_record())
        if all(step.state != "failed" for step in steps):
            steps += probe_server(record=row.as_record(), listeners=row.listeners())
    except ProvisioningError as error:
        context["problem"] = error.message
    else:
        context |= {"steps": steps, "works": all(step.state == "ok" for step in steps)}
    return render(request, "servers/_verify.html", context)
