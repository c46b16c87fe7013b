"""Routes & trunks: gateways, routes, trusted hosts, and where they stand at the SIP servers."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from provisioning.core.roles import Capability
from provisioning.drivers.base import Kind
from provisioning.models import Gateway, GroupAddress, Route, TrustedHost
from provisioning.services.actor import Actor
from provisioning.services.probes.standing import standing_at_servers
from provisioning.services.rollouts.joined import Before, look_before, tell_joined
from provisioning.services.routing.desired_routing import MAKERS
from provisioning.services.routing.gateways import delete_gateway, routes_of, save_gateway
from provisioning.services.routing.group_addresses import (
    delete_group_address,
    save_group_address,
)
from provisioning.services.routing.routes import (
    delete_route,
    find_route,
    save_route,
    with_gateways,
)
from provisioning.services.routing.trusted_hosts import delete_trusted_host, save_trusted_host
from provisioning.web.access import ConsoleRequest, needs
from provisioning.web.editing import EditPage, delete_view
from provisioning.web.forms.routing import (
    GatewayForm,
    GroupAddressForm,
    RouteForm,
    TrustedHostForm,
    TryForm,
)

_LABEL = "Routes & trunks"


@needs(Capability.VIEW)
@require_safe
def routes(request: ConsoleRequest) -> HttpResponse:
    """Everything about calls that do not stay inside."""
    context = {
        "title": _LABEL,
        "lead": "Where calls go that do not stay inside, and who may call without a password.",
        "gateways": Gateway.objects.order_by("name"),
        "routes": with_gateways(),
        "groups": GroupAddress.objects.select_related("domain").order_by("name"),
        "hosts": TrustedHost.objects.order_by("name"),
        "at_servers": standing_at_servers([*MAKERS, Kind.POOL_SERVER]),
        "form": TryForm(),
    }
    return render(request, "routing/routes.html", context)


@needs(Capability.VIEW)
@require_safe
def try_number(request: ConsoleRequest) -> HttpResponse:
    """The route that calls to a number take."""
    form = TryForm(request.GET)
    context: dict[str, Any] = {"form": form}
    if form.is_valid():
        number, site = form.cleaned_data["number"], form.cleaned_data["site"]
        context |= {"number": number, "route": find_route(number=number, site=site), "tried": True}
    return render(request, "routing/_tried.html", context)


class GatewayPage(EditPage[Gateway]):
    """Add or change a gateway."""

    model = Gateway
    form_class = GatewayForm
    template = "routing/gateway.html"
    noun = "gateway"
    list_name, list_label, delete_name = "routes", _LABEL, "gateway-delete"

    def save(self, form: GatewayForm, actor: Actor) -> HttpResponse:
        """Keep it; where the stored password had to go, ask for it anew."""
        row, before = form.instance, look_before()
        if save_gateway(gateway=row, secret=form.new_secret, actor=actor):
            messages.warning(
                self.request,
                "The password was erased.\nThe gateway is at another place now. Type the password "
                "again.",
            )
            return redirect("gateway", row.pk)
        gone = form.initial.get("registers") and not row.registers
        erased = " User name and password of its registration were erased." if gone else ""
        return self.saved(f"{row} was saved.{erased}\n{_next(before)}")

    def context(self, row: Gateway | None, form: Any) -> dict[str, Any]:
        """How many routes a change concerns."""
        return {"routes": routes_of(row).count() if row else 0}


class RoutePage(EditPage[Route]):
    """Add or change a route."""

    model = Route
    form_class = RouteForm
    template = "routing/route.html"
    noun = "route"
    list_name, list_label, delete_name = "routes", _LABEL, "route-delete"

    def save(self, form: RouteForm, actor: Actor) -> HttpResponse:
        """Keep it."""
        before = look_before()
        save_route(route=form.instance, actor=actor)
        return self.saved(f"{form.instance} was saved.\n{_next(before)}")


class TrustedHostPage(EditPage[TrustedHost]):
    """Add or change a trusted host."""

    model = TrustedHost
    form_class = TrustedHostForm
    template = "routing/trusted_host.html"
    noun = "trusted host"
    list_name, list_label, delete_name = "routes", _LABEL, "trusted-delete"

    def save(self, form: TrustedHostForm, actor: Actor) -> HttpResponse:
        """Keep it."""
        before = look_before()
        save_trusted_host(host=form.instance, actor=actor)
        return self.saved(f"{form.instance} was saved.\n{_next(before)}")


class GroupAddressPage(EditPage[GroupAddress]):
    """Add or change a group address."""

    model = GroupAddress
    form_class = GroupAddressForm
    template = "routing/group_address.html"
    noun = "group address"
    list_name, list_label, delete_name = "routes", _LABEL, "route-group-delete"

    def save(self, form: GroupAddressForm, actor: Actor) -> HttpResponse:
        """Keep it."""
        before = look_before()
        save_group_address(group=form.instance, actor=actor)
        return self.saved(f"{form.instance} was saved.\n{_next(before)}")


def _next(before: Before) -> str:
    """How a change comes to the servers."""
    return tell_joined(before) or "Every managed store gets it with the next push."


def _delete_gateway(row: Gateway, actor: Actor) -> None:
    delete_gateway(gateway=row, actor=actor)


def _delete_route(row: Route, actor: Actor) -> None:
    delete_route(route=row, actor=actor)


def _delete_trusted_host(row: TrustedHost, actor: Actor) -> None:
    delete_trusted_host(host=row, actor=actor)


def _delete_group_address(row: GroupAddress, actor: Actor) -> None:
    delete_group_address(group=row, actor=actor)


group_address_delete = delete_view(GroupAddress, _delete_group_address, "routes", "route-group")
gateway_delete = delete_view(Gateway, _delete_gateway, "routes", "gateway")
route_delete = delete_view(Route, _delete_route, "routes", "route")
trusted_host_delete = delete_view(TrustedHost, _delete_trusted_host, "routes", "trusted")
