"""Drift: of every store, and of one with what can be done about it."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.db.models import Count, Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_safe
from django.views.generic import View

from provisioning.core.errors import InvalidInput, ProvisioningError, StalePlan
from provisioning.core.roles import Capability
from provisioning.core.text import counted
from provisioning.models import ConfigStore, Drift
from provisioning.services.actor import Actor
from provisioning.services.push import drift_actions, drift_rows
from provisioning.services.push.reconcile import reconcile
from provisioning.web.access import ConsoleRequest, Needs, actor_of, needs
from provisioning.web.forms.take_over import IgnoreForm
from provisioning.web.ids import row_id
from provisioning.web.keyset import Order, paginate
from provisioning.web.servers.store_tabs import store_context
from provisioning.web.servers.stores import KINDS

_BY_KEY = Order("key")
_ACTIONS = (
    {"value": "repair", "label": "Repair", "icon": "refresh"},
    {"value": "take-over", "label": "Take the server's value over", "icon": "download"},
    {"value": "ignore", "label": "Ignore until then", "icon": "clock"},
)


@needs(Capability.VIEW)
@require_safe
def drift(request: ConsoleRequest) -> HttpResponse:
    """Every managed store with what differs there."""
    managed = Q(mode=ConfigStore.Mode.MANAGE) | Q(drift_count__gt=0)
    context = {
        "title": "Drift",
        "lead": "What stands at SIP servers otherwise than the console left it.",
        "stores": ConfigStore.objects.filter(managed)
        .annotate(ignored=Count("drift", filter=Q(drift__ignored_until__gte=timezone.localdate())))
        .order_by("-drift_count", "name"),
        "page": paginate(
            drift_rows.open_drift().select_related("store"),
            order=_BY_KEY,
            cursor=request.GET.get("cursor", ""),
        ),
        "kinds": KINDS,
    }
    return render(request, "stores/all_drift.html", context)


class StoreDrift(Needs, View):
    """The differences of one store; look again, repair, ignore, take over."""

    capability = Capability.VIEW
    change_capability = Capability.CONFIGURE

    def get(self, request: ConsoleRequest, pk: int) -> HttpResponse:
        """What the last look found."""
        return self._show(get_object_or_404(ConfigStore, pk=pk), IgnoreForm())

    def _show(self, row: ConfigStore, form: IgnoreForm, status: int = 200) -> HttpResponse:
        request = self.request
        rows = self._listed(row).select_related("ignored_by")
        context = store_context(row, "store-drift") | {
            "page": paginate(rows, order=_BY_KEY, cursor=request.GET.get("cursor", "")),
            "ignored": Drift.objects.filter(drift_rows.ignored(), store=row).count(),
            "shows_ignored": "ignored" in request.GET,
            "form": form,
            "ticked": request.POST.getlist("pk"),
            "actions": _ACTIONS,
            "kinds": KINDS,
        }
        return render(request, "stores/drift.html", context, status=status)

    def _listed(self, row: ConfigStore) -> QuerySet[Drift]:
        """What the list shows: differences that count, or those that are ignored for now."""
        if "ignored" in self.request.GET:
            return Drift.objects.filter(drift_rows.ignored(), store=row)
        return drift_rows.open_drift(store=row)

    def post(self, request: ConsoleRequest, pk: int) -> HttpResponse:
        """Do what a button says with the ticked differences, or look again."""
        row = get_object_or_404(ConfigStore, pk=pk)
        try:
            said = self._act(row, request.POST.get("action", ""))
        except ProvisioningError as error:
            messages.error(request, f"That did not work.\n{error.message}")
            return self._show(row, IgnoreForm(request.POST), status=422)
        messages.success(request, said)
        return redirect("store-drift", pk)

    def _act(self, row: ConfigStore, action: str) -> str:
        if action == "look":
            report = reconcile(store=row)
            if report.problem:
                raise InvalidInput(f"The store cannot be read. {report.problem}")
            return f"{row} was compared.\n{counted(report.total, 'difference')}."
        chosen, actor = self._chosen(row), actor_of(self.request)
        if action == "repair":
            count = drift_actions.repair(store=row, drift=chosen, actor=actor)
            return f"{counted(count, 'row')} will be repaired.\nThe next push does it."
        if action == "take-over":
            return _take_over(row, chosen, actor)
        if action == "ignore":
            form = IgnoreForm(self.request.POST)
            if not form.is_valid() or form.cleaned_data["until"] is None:
                raise InvalidInput("Say until which day. Nothing was changed.")
            until, reason = form.cleaned_data["until"], form.cleaned_data["reason"]
            count = drift_actions.ignore(
                store=row, drift=chosen, until=until, reason=reason, actor=actor
            )
            said = f"{counted(count, 'difference')} ignored until {until:%-d %b %Y}."
            return f"{said}\nAfter that day what differs counts again."
        raise BadRequest("There is no such action.")

    def _chosen(self, row: ConfigStore) -> list[Drift]:
        if self.request.POST.get("all") == "1":
            return list(self._listed(row))
        ticked = [row_id(text) for text in self.request.POST.getlist("pk")]
        ids = [pk for pk in ticked if pk is not None]
        if len(ids) != len(ticked):
            raise BadRequest("A difference is chosen by its number.")
        chosen = list(Drift.objects.filter(store=row, pk__in=ids))
        if not chosen:
            raise InvalidInput("Nothing was chosen. Tick differences in the list first.")
        return chosen


def _take_over(row: ConfigStore, chosen: list[Drift], actor: Actor) -> str:
    """Take over what can be; what happened. Raises what stood in the way where nothing could."""
    refused: list[str] = []
    for each in chosen:
        try:
            drift_actions.take_over(store=row, drift=each, actor=actor)
        except (InvalidInput, StalePlan) as error:
            refused.append(f"{each.key}: {error.message}")
    if len(refused) == len(chosen):
        raise InvalidInput(refused[0])
    taken = counted(len(chosen) - len(refused), "value")
    said = f"{taken} taken over.\nNow the console wants it so."
    if refused:
        said += f" {counted(len(refused), 'row')} left alone. {refused[0]}"
    return said
