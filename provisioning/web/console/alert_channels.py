"""The channels by which alerts reach people and machines: list, form, test."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from provisioning.core.errors import ProvisioningError
from provisioning.core.roles import Capability
from provisioning.core.severity import Severity
from provisioning.models import AlertChannel
from provisioning.services.actor import Actor
from provisioning.services.alerts.channels import delete_channel, save_channel, try_channel
from provisioning.web.access import ConsoleRequest, actor_of, needs
from provisioning.web.console.alerts import tabs
from provisioning.web.editing import EditPage, delete_view
from provisioning.web.forms.alerts import ChannelForm


@needs(Capability.CONFIGURE)
@require_safe
def channels(request: ConsoleRequest) -> HttpResponse:
    """Every channel with what it is told and how it works."""
    context = {
        "title": "Alert channels",
        "lead": "Who is told of alerts: people by mail, machines by webhook.",
        "crumbs": [("Alerts", reverse("alerts")), ("Channels", "")],
        "tabs": tabs("alert-channels", request.user),
        "channels": [
            (each, [Severity(name).label for name in each.severities])
            for each in AlertChannel.objects.order_by("name")
        ],
        "mail_server": settings.EMAIL_HOST,
    }
    return render(request, "alerts/channels.html", context)


class ChannelPage(EditPage[AlertChannel]):
    """Add or change a channel."""

    model = AlertChannel
    form_class = ChannelForm
    template = "alerts/channel.html"
    noun = "alert channel"
    list_name, list_label, delete_name = "alert-channels", "Alert channels", "alert-channel-delete"

    def save(self, form: ChannelForm, actor: Actor) -> HttpResponse:
        """Keep it; where the stored secret had to go, say so."""
        row = form.instance
        if save_channel(channel=row, secret=form.new_secret, actor=actor):
            messages.warning(
                self.request,
                "The signing secret was erased.\nThe webhook is at another address now. Type the "
                "secret again.",
            )
        return self.saved(f"{row} was saved.\nTry it out with a test.")

    def context(self, row: AlertChannel | None, form: Any) -> dict[str, Any]:
        """Whether mail can be sent at all."""
        return {"mail_server": settings.EMAIL_HOST}


@needs(Capability.CONFIGURE)
@require_POST
def try_out(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Send a test now."""
    channel = get_object_or_404(AlertChannel, pk=pk)
    try:
        try_channel(channel=channel, actor=actor_of(request))
    except ProvisioningError as error:
        messages.error(request, f"The test did not arrive at {channel}.\n{error.message}")
    else:
        messages.success(request, f"The test was taken by {channel}.")
    return redirect("alert-channels")


def _delete(row: AlertChannel, actor: Actor) -> None:
    delete_channel(channel=row, actor=actor)


channel_delete = delete_view(AlertChannel, _delete, "alert-channels", "alert-channel")
