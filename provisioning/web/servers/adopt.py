"""Adopting accounts of a store, and what of it the console manages."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.generic import View

from provisioning.core.errors import ProvisioningError
from provisioning.core.roles import Capability
from provisioning.core.text import counted
from provisioning.models import ConfigStore
from provisioning.services.servers import scope
from provisioning.services.servers.adopt import EFFECTS, AdoptReport, adopt, preview_adoption
from provisioning.web.access import ConsoleRequest, Needs, actor_of
from provisioning.web.forms.take_over import PortionForm, ScopeForm
from provisioning.web.keyset import paginate
from provisioning.web.servers.store_tabs import store_context

# What one request adopts: some seconds of work. More is pressed again, or done on the command line.
AT_ONCE = 5000


class Adopt(Needs, View):
    """Choose, look at exactly what is adopted and what then changes, adopt."""

    capability = Capability.VIEW
    change_capability = Capability.CONFIGURE

    def get(self, request: ConsoleRequest, pk: int) -> HttpResponse:
        """The empty form."""
        row = get_object_or_404(ConfigStore, pk=pk)
        return self._page(row, PortionForm())

    def post(self, request: ConsoleRequest, pk: int) -> HttpResponse:
        """Preview, or adopt what was previewed."""
        row = get_object_or_404(ConfigStore, pk=pk)
        form = PortionForm(request.POST)
        if not form.is_valid():
            return self._page(row, form, status=422)
        portion = form.portion()
        try:
            if request.POST.get("action") != "adopt":
                report = preview_adoption(store=row, portion=portion)
                return self._page(row, form, report=report)
            report = adopt(store=row, portion=portion, actor=actor_of(request), at_most=AT_ONCE)
        except ProvisioningError as error:
            return self._page(row, form, problem=error.message, status=422)
        if report.more:
            messages.info(
                request,
                f"{counted(report.adopted, 'account')} adopted.\nThere are more: adopt again.",
            )
            return self._page(row, form, report=preview_adoption(store=row, portion=portion))
        messages.success(
            request,
            f"{counted(report.adopted, 'account')} adopted.\nNothing was written to the store.",
        )
        return redirect("store-pushes", pk)

    def _page(
        self,
        row: ConfigStore,
        form: PortionForm,
        *,
        report: AdoptReport | None = None,
        problem: str = "",
        status: int = 200,
    ) -> HttpResponse:
        context: dict[str, Any] = store_context(row, "store-adopt") | {
            "form": form,
            "report": report,
            "problem": problem,
            "at_once": AT_ONCE,
        }
        if report is not None:
            context["effects"] = [
                (EFFECTS[effect], count) for effect, count in report.effects.most_common()
            ]
            context["left"] = report.left.most_common()
        return render(self.request, "stores/adopt.html", context, status=status)


class ScopePage(Needs, View):
    """What of a store is written, and which accounts lie outside."""

    capability = Capability.VIEW
    change_capability = Capability.CONFIGURE

    def get(self, request: ConsoleRequest, pk: int) -> HttpResponse:
        """The scope as it is."""
        row = get_object_or_404(ConfigStore, pk=pk)
        return self._page(row, ScopeForm.of(row))

    def post(self, request: ConsoleRequest, pk: int) -> HttpResponse:
        """Change it."""
        row = get_object_or_404(ConfigStore, pk=pk)
        form = ScopeForm(request.POST)
        if not form.is_valid():
            return self._page(row, form, status=422)
        chosen = form.cleaned_data
        scope.set_scope(
            store=row,
            kinds=chosen["kinds"],
            domains=chosen["domains"],
            groups=chosen["groups"],
            actor=actor_of(request),
        )
        messages.success(request, f"The scope of {row} was saved.\n{scope.describe(row)}.")
        return redirect("store-scope", pk)

    def _page(self, row: ConfigStore, form: ScopeForm, *, status: int = 200) -> HttpResponse:
        context = store_context(row, "store-scope") | {
            "form": form,
            "scope": scope.describe(row),
            "page": paginate(scope.outside(store=row), cursor=self.request.GET.get("cursor", "")),
        }
        return render(self.request, "stores/scope.html", context, status=status)
