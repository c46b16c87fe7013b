"""Maintenance of a pool or of a server: the form that begins it, and its end."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import Model
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse

from provisioning.core.errors import ProvisioningError
from provisioning.core.roles import Capability
from provisioning.models import ServerPool, SipServer
from provisioning.services.servers.maintenance import (
    MOST_HOURS,
    Place,
    begin_maintenance,
    end_maintenance,
)
from provisioning.web.access import ConsoleRequest, Needs, actor_of


class MaintenanceForm(forms.Form):
    """Why, and for how long."""

    reason = forms.CharField(
        max_length=200, help_text="Such as “Upgrade to Kamailio 6.1”; everybody sees it"
    )
    hours = forms.IntegerField(
        label="Ends by itself after hours", initial=2, min_value=1, max_value=MOST_HOURS
    )


class MaintenancePage(Needs):
    """Begin, prolong or end maintenance; subclasses say of what."""

    capability = Capability.CONFIGURE
    model: type[Model]
    page: str
    list_name: str
    list_label: str

    def get(self, request: ConsoleRequest, pk: int) -> HttpResponse:
        """The form, with what follows from it."""
        return self._show(self._find(pk), MaintenanceForm())

    def post(self, request: ConsoleRequest, pk: int) -> HttpResponse:
        """Begin it, or end it where `end` is sent."""
        place = self._find(pk)
        if "end" in request.POST:
            end_maintenance(place=place, actor=actor_of(request))
            messages.success(request, f"Maintenance of {place} is over.\nWhat waited goes on.")
            return redirect(self.page, pk)
        form = MaintenanceForm(request.POST)
        if form.is_valid():
            try:
                begin_maintenance(place=place, actor=actor_of(request), **form.cleaned_data)
            except ProvisioningError as error:
                form.add_error(None, error.message)
            else:
                messages.success(request, f"{place} is in maintenance.\nNothing is pushed there.")
                return redirect(self.page, pk)
        return self._show(place, form)

    def _find(self, pk: int) -> Place:
        place: Any = get_object_or_404(self.model, pk=pk)
        return place  # type: ignore[no-any-return]

    def _show(self, place: Place, form: MaintenanceForm) -> HttpResponse:
        here = reverse(self.page, args=[place.pk])
        context = {
            "title": f"Maintenance of {place}",
            "lead": "Nothing is pushed there meanwhile, and no alert tells of it.",
            "crumbs": [
                (self.list_label, reverse(self.list_name)), (str(place), here), ("Maintenance", "")
            ],
            "place": place,
            "form": form,
            "cancel": here,
        }  # fmt: skip
        return render(
            self.request, "servers/maintenance.html", context, status=422 if form.errors else 200
        )


class PoolMaintenance(MaintenancePage):
    """Of a whole pool: its stores and servers."""

    model, page, list_name, list_label = ServerPool, "pool", "pools", "Pools & stores"


class ServerMaintenance(MaintenancePage):
    """Of one server; its store is still written for the others."""

    model, page, list_name, list_label = SipServer, "server", "servers", "SIP servers"
