"""SIP servers: the list, one server, its form with the connection test, and its setup guide."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from provisioning.core.errors import ProvisioningError
from provisioning.core.roles import Capability
from provisioning.drivers.base import Kind
from provisioning.models import ConfigStore, ContactList, RegisteredContact, SipServer
from provisioning.services.actor import Actor
from provisioning.services.servers.connection_test import probe_server
from provisioning.services.servers.contact_doubts import is_live
from provisioning.services.servers.server_certificates import (
    concern,
    read_certificate,
    reload_certificate,
)
from provisioning.services.servers.servers import (
    check_server_health,
    delete_server,
    save_server,
    server_candidate,
)
from provisioning.services.servers.setup_guide import setup_guide
from provisioning.services.servers.setup_lines import SECRET
from provisioning.web.access import ConsoleRequest, actor_of, check, needs
from provisioning.web.editing import EditPage, delete_view
from provisioning.web.forms.servers import ServerForm
from provisioning.web.ids import row_id
from provisioning.web.servers.probes import probe_context
from provisioning.web.servers.server_setup import steps_at


@needs(Capability.VIEW)
@require_safe
def servers(request: ConsoleRequest) -> HttpResponse:
    """Every server with its health, registrations, version and store."""
    rows = SipServer.objects.select_related("pool", "store").order_by("pool__name", "name")
    context = {
        "title": "SIP servers",
        "lead": "Whether they answer, who is registered, and where their accounts come from.",
        "servers": rows,
        "has_store": ConfigStore.objects.exists(),
    }
    template = "servers/_table.html" if request.htmx else "servers/servers.html"
    return render(request, template, context)


@needs(Capability.VIEW)
@require_safe
def server(request: ConsoleRequest, pk: int) -> HttpResponse:
    """One server: health, where clients reach it, control, store."""
    row = _find(pk)
    context = {
        "title": row.name,
        "crumbs": [("SIP servers", reverse("servers")), (row.name, "")],
        "server": row,
        "reach": [
            {"label": listener.transport.upper(), "value": f"{listener.host}:{listener.port}",
             "mono": True}
            for listener in row.listeners()
        ],
        "control": _control_rows(row),
        "reload_pending": [Kind(each).plural for each in row.reload_pending],
        "certificate_concern": concern(row),
        "contacts": RegisteredContact.objects.filter(is_live(), server=row)
        .select_related("account")
        .order_by("-since")[:5],
        "contact_list": ContactList.objects.filter(store=row.store_id).first(),
    }  # fmt: skip
    return render(request, "servers/server.html", context | probe_context(row))


@needs(Capability.OPERATE)
@require_POST
def certificate(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Look at the certificate now; with `reload` let the server read it anew before."""
    row = _find(pk)
    if "reload" not in request.POST:
        read_certificate(server=row)
        return redirect("server", row.pk)
    check(request, Capability.CONFIGURE)
    try:
        reload_certificate(server=row, actor=actor_of(request))
    except ProvisioningError as error:
        messages.error(request, f"Not reloaded.\n{error.message}")
    else:
        messages.success(request, f"{row} has read its certificate anew.")
    return redirect("server", row.pk)


class ServerPage(EditPage[SipServer]):
    """Add or change a server."""

    model = SipServer
    form_class = ServerForm
    template = "servers/edit.html"
    noun = "SIP server"
    list_name, list_label, delete_name = "servers", "SIP servers", "server-delete"
    lead = "Test the connection before you save; nothing is kept by the test."

    def get(self, request: ConsoleRequest, pk: int | None = None) -> HttpResponse:
        """A server reads a store, so the store comes first."""
        if pk is None and not ConfigStore.objects.exists():
            messages.info(request, "First a store.\nA SIP server reads its accounts from one.")
            return redirect("store-new")
        return super().get(request, pk)

    def save(self, form: ServerForm, actor: Actor) -> HttpResponse:
        """Keep it; where the stored secret had to go, ask for it anew."""
        row = form.instance
        added = row.pk is None
        if save_server(server=row, secret=form.new_secret, actor=actor):
            messages.warning(
                self.request,
                "The control secret was erased.\nThe server is at another address now. Type the "
                "secret again.",
            )
            return redirect("server-edit", row.pk)
        if added:
            return self.saved(
                f"{row} was added.\nNext: put these lines into its configuration.",
                reverse("server-guide", args=[row.pk]),
            )
        return self.saved(f"{row} was saved.", reverse("server", args=[row.pk]))

    def cancel(self, row: SipServer | None) -> str:
        """Back to the server, or to the list."""
        return reverse("server", args=[row.pk]) if row else reverse("servers")

    def context(self, row: SipServer | None, form: Any) -> dict[str, Any]:
        """Where the test is."""
        test = reverse("server-test", args=[row.pk]) if row else reverse("server-test-new")
        return {"test_href": test, "setup": [] if row else steps_at("server")}

    def initial(self, row: Any) -> dict[str, Any]:
        """The store of the link, or the only one there is, chosen already."""
        wanted = row_id(self.request.GET.get("store", ""))
        chosen = ConfigStore.objects.filter(pk=wanted) if wanted else ConfigStore.objects.all()
        stores = list(chosen[:2])
        if row is None and len(stores) == 1:
            return {"store": stores[0].pk, "pool": stores[0].pool_id}
        return {}


@needs(Capability.CONFIGURE)
@sensitive_post_parameters("secret")
@require_POST
def try_out(request: ConsoleRequest, pk: int | None = None) -> HttpResponse:
    """Try what the form says, step by step; nothing is kept."""
    form = ServerForm(request.POST, instance=None if pk is None else _find(pk))
    context: dict[str, Any] = {"form": form}
    if form.is_valid():
        try:
            record = server_candidate(server=form.instance, secret=form.new_secret)
            context["steps"] = probe_server(record=record, listeners=form.instance.listeners())
        except ProvisioningError as error:
            context["problem"] = error.message
    return render(request, "servers/_test.html", context)


@needs(Capability.OPERATE)
@require_POST
def check_now(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Ask the server now instead of at the next round."""
    row = _find(pk)
    check_server_health(server=row)
    if row.health == SipServer.Health.UP:
        messages.success(request, f"{row} is up.")
    else:
        refused = row.health == SipServer.Health.REFUSED
        what = "does not let the console in" if refused else "is down"
        messages.error(request, f"{row} {what}.\n{row.health_problem}")
    return redirect("server", pk)


@needs(Capability.VIEW)
@require_safe
def guide(request: ConsoleRequest, pk: int) -> HttpResponse:
    """The lines that the server's administrator needs."""
    row = _find(pk)
    lines = setup_guide(server=row)
    context = {
        "title": f"Setup guide of {row}",
        "lead": lines.lead,
        "crumbs": [
            ("SIP servers", reverse("servers")),
            (row.name, reverse("server", args=[pk])),
            ("Setup guide", ""),
        ],
        "server": row,
        "guide": lines,
        "stand_in": SECRET,
        "setup": steps_at("lines"),
    }
    return render(request, "servers/guide.html", context)


def _find(pk: int) -> SipServer:
    return get_object_or_404(SipServer.objects.select_related("pool", "store"), pk=pk)


def _control_rows(row: SipServer) -> list[dict[str, Any]]:
    return [
        {"label": "Pool", "value": row.pool, "href": reverse("pool", args=[row.pool_id])},
        {"label": "Store", "value": row.store, "href": reverse("store", args=[row.store_id])},
        {"label": "Control address", "value": row.rpc_url, "mono": True},
        {"label": "Control secret", "value": "kept" if row.sealed_rpc_secret else ""},
        {
            "label": "Certificate authority",
            "value": "its own" if row.ca_pem else "those that this machine trusts",
        },
    ]


def _delete(row: SipServer, actor: Actor) -> None:
    delete_server(server=row, actor=actor)


server_delete = delete_view(SipServer, _delete, "servers", "server")
