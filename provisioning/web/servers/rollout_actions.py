"""What the page of a rollout does with it; whatever is refused is said there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_POST
from django_htmx.http import HttpResponseClientRedirect

from provisioning.core.errors import ProvisioningError
from provisioning.core.roles import Capability
from provisioning.models import Rollout
from provisioning.services.rollouts import actions
from provisioning.web.access import ConsoleRequest, actor_of, needs


def _view(
    capability: Capability, act: Callable[..., None], said: str, *fields: str
) -> Callable[..., HttpResponseBase]:
    """A view that does `act` with what the form gives for `fields`."""

    @needs(capability)
    @require_POST
    def view(request: ConsoleRequest, pk: int) -> HttpResponse:
        row = get_object_or_404(Rollout, pk=pk)
        given: dict[str, Any] = {name: request.POST.get(name, "") for name in fields}
        try:
            act(rollout=row, actor=actor_of(request), **given)
        except ProvisioningError as error:
            messages.error(request, f"{row} is as it was.\n{error.message}")
        else:
            messages.success(request, f"{row} {said}")
        goal = reverse("rollout", args=[pk])
        return HttpResponseClientRedirect(goal) if request.htmx else redirect(goal)

    return view


approve = _view(
    Capability.APPROVE, actions.approve,
    "is approved.\nIt begins at once, or when its change window opens.", "digest",
)  # fmt: skip
hurry = _view(
    Capability.PUSH_NOW, actions.hurry,
    "waits for no change window.\nIts stages are watched all the same.", "reason",
)  # fmt: skip
pause = _view(
    Capability.CONFIGURE, actions.pause,
    "is paused.\nWhat was written stays; nothing more is.", "reason",
)  # fmt: skip
resume = _view(
    Capability.CONFIGURE, actions.resume,
    "goes on.\nThe stage that was under way is watched anew.",
)  # fmt: skip
roll_back = _view(
    Capability.CONFIGURE, actions.roll_back,
    "is rolled back.\nWhat it changed is put back.", "reason",
)  # fmt: skip
cancel = _view(
    Capability.CONFIGURE, actions.cancel,
    "is given up.\nWhat it changed is put back.", "reason",
)  # fmt: skip
again = _view(
    Capability.CONFIGURE, actions.start_again,
    "begins anew.\nEvery stage is watched again.",
)  # fmt: skip
