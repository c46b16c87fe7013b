"""The global Pause."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from provisioning.core.errors import ProvisioningError
from provisioning.core.roles import Capability
from provisioning.services.push import pause
from provisioning.web.access import ConsoleRequest, actor_of, needs
from provisioning.web.forms.administration import PauseForm


@needs(Capability.CONFIGURE)
@require_http_methods(["GET", "POST"])
def pause_page(request: ConsoleRequest) -> HttpResponse:
    """What a pause means, and the way into it or out of it."""
    form = PauseForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            pause.pause(reason=form.cleaned_data["reason"], actor=actor_of(request))
        except ProvisioningError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, "All pushes are paused.\nChanges wait; none is lost.")
            return redirect("overview")
    context = {"title": "Pause", "form": form}
    return render(request, "overview/pause.html", context, status=422 if form.errors else 200)


@needs(Capability.CONFIGURE)
@require_POST
def resume(request: ConsoleRequest) -> HttpResponse:
    """End the pause."""
    try:
        pause.resume(actor=actor_of(request))
    except ProvisioningError as error:
        messages.error(request, f"That did not work.\n{error.message} Nothing was changed.")
    else:
        messages.success(request, "The pause has ended.\nWhat waited is being sent now.")
    return redirect("overview")
