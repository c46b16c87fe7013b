"""The pushes of a store of the last 90 days, and how one is reverted."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_safe
from django.views.generic import View

from provisioning.core.errors import ProvisioningError
from provisioning.core.roles import Capability
from provisioning.core.text import counted
from provisioning.models import ConfigStore, PushRecord
from provisioning.services.push.restoring import RevertPlan
from provisioning.services.push.revert import plan_revert, revert
from provisioning.web.access import ConsoleRequest, Needs, actor_of, needs
from provisioning.web.forms.take_over import RevertForm
from provisioning.web.keyset import Order, paginate
from provisioning.web.servers.store_tabs import store_context

_NEWEST = Order("id", descending=True)


@needs(Capability.VIEW)
@require_safe
def pushes(request: ConsoleRequest, pk: int) -> HttpResponse:
    """What changed rows of the store, newest first."""
    row = get_object_or_404(ConfigStore, pk=pk)
    records = PushRecord.objects.filter(store=row).select_related("by", "reverts")
    context = store_context(row, "store-pushes") | {
        "page": paginate(records, order=_NEWEST, cursor=request.GET.get("cursor", "")),
    }
    return render(request, "stores/pushes.html", context)


class Push(Needs, View):
    """One push: what it did, what reverting it would do, and the revert."""

    capability = Capability.VIEW
    change_capability = Capability.CONFIGURE

    def get(self, request: ConsoleRequest, pk: int, record: int) -> HttpResponse:
        """The plan of a revert."""
        return self._page(self._find(pk, record), RevertForm())

    def post(self, request: ConsoleRequest, pk: int, record: int) -> HttpResponse:
        """Revert."""
        found, form = self._find(pk, record), RevertForm(request.POST)
        if not form.is_valid():
            return self._page(found, form, status=422)
        try:
            done = revert(
                record=found,
                reason=form.cleaned_data["reason"],
                days=form.cleaned_data["days"],
                approved=form.cleaned_data["approved"],
                actor=actor_of(request),
            )
        except ProvisioningError as error:
            form.add_error(None, error.message)
            return self._page(found, form, status=422)
        text = _told(done, form.cleaned_data["days"])
        if done.moved or done.problems:
            messages.warning(request, f"{found} was reverted in part.\n{text}")
        else:
            messages.success(request, f"{found} was reverted.\n{text}")
        return redirect("store-pushes", pk)

    def _find(self, pk: int, record: int) -> PushRecord:
        records = PushRecord.objects.select_related("store", "by", "reverts")
        return get_object_or_404(records, pk=record, store=get_object_or_404(ConfigStore, pk=pk))

    def _page(self, record: PushRecord, form: RevertForm, *, status: int = 200) -> HttpResponse:
        context: dict[str, Any] = store_context(record.store, "store-pushes", str(record)) | {
            "record": record,
            "form": form,
        }
        try:
            plan = context["plan"] = plan_revert(record=record)
        except ProvisioningError as error:
            context["problem"] = error.message
        else:
            if plan.is_unsafe and self.request.user.may(Capability.APPROVE):
                form.ask_for_approval()
        return render(self.request, "stores/push.html", context, status=status)


def _told(done: RevertPlan, days: int) -> str:
    """What a revert did, what it left out and why, and until when that stays so."""
    said = []
    if done.rows:
        said.append(f"{counted(done.rows, 'row')} restored.")
    if done.aside:
        until = timezone.localdate() + timedelta(days=days)
        one = done.aside == 1
        said.append(
            f"The console wants {counted(done.aside, 'row')} otherwise still and leaves "
            f"{'it' if one else 'them'} alone until {until:%-d %b %Y}."
        )
    if done.released:
        said.append(f"{counted(done.released, 'row')} not the console's any more.")
    if done.moved:
        said.append(f"{counted(done.moved, 'row')} left out, because they moved on since.")
    if done.problems:
        key, why = next(iter(done.problems.items()))
        said.append(f"{counted(len(done.problems), 'row')} refused by the store, {key}: {why}")
    return " ".join(said)
