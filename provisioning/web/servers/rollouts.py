"""Rollouts: the list, one with its stages as they are now, and how changes come to a pool."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django import forms
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from provisioning.core.errors import ProvisioningError
from provisioning.core.roles import Capability
from provisioning.models import Rollout, RolloutStage, ServerPool
from provisioning.services.actor import Actor
from provisioning.services.rollouts.order import chosen_first, in_order, save_stages
from provisioning.services.rollouts.standing import SHOWN, changes_of, held_by
from provisioning.web.access import ConsoleRequest, needs
from provisioning.web.editing import EditPage
from provisioning.web.forms.places import StagesForm
from provisioning.web.keyset import Order, paginate
from provisioning.web.runs.runs import tabs

State, StageState = Rollout.State, RolloutStage.State
_NEWEST = Order("id", descending=True)
_LIVE = (State.WAITING, State.RUNNING, State.ROLLING_BACK)
_STEPS = {
    StageState.WAITING: "todo",
    StageState.WRITING: "now",
    StageState.WATCHING: "now",
    StageState.PASSED: "done",
    StageState.FAILED: "failed",
    StageState.PUT_BACK: "todo",
}


class ReasonForm(forms.Form):
    """Why, for everybody who looks at it later."""

    reason = forms.CharField(max_length=200)


@needs(Capability.VIEW)
@require_safe
def rollouts(request: ConsoleRequest) -> HttpResponse:
    """Every rollout, newest first; of one pool where the link says so."""
    rows = Rollout.objects.select_related("pool").prefetch_related("stages")
    pool = request.GET.get("pool", "")
    if pool.isdecimal() and len(pool) < 10:
        rows = rows.filter(pool=int(pool))
    page = paginate(rows, order=_NEWEST, cursor=request.GET.get("cursor", ""))
    context = {
        "title": "Rollouts",
        "lead": "Changes that come to the servers of a pool in stages, each watched before the "
        "next begins.",
        "tabs": tabs("rollouts"),
        "page": page,
        "rows": [(row, badge_of(row), _passed(row)) for row in page.rows],
    }
    return render(request, "rollouts/rollouts.html", context)


@needs(Capability.VIEW)
@require_safe
def rollout(request: ConsoleRequest, pk: int) -> HttpResponse:
    """One rollout: where it stands, its stages, and what it changes."""
    row = _find(pk)
    context = _standing(request, row) | {
        "title": str(row),
        "crumbs": [("Changes", reverse("changes")), ("Rollouts", reverse("rollouts")),
                   (str(row), "")],
        "reason": ReasonForm(),
        "shown": SHOWN,
    }  # fmt: skip
    try:
        context["changes"], context["count"] = changes_of(row)
    except ProvisioningError as error:
        context["unread"] = error.message
    return render(request, "rollouts/rollout.html", context)


@needs(Capability.VIEW)
@require_safe
def progress(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Where it stands now, for a page that shows it in `state`; in another one, all of it anew."""
    row = _find(pk)
    response = render(request, "rollouts/_standing.html", _standing(request, row))
    if request.GET.get("state") != row.state:
        response["HX-Refresh"] = "true"
    return response


class PoolStages(EditPage[ServerPool]):
    """How changes come to a pool."""

    model = ServerPool
    form_class = StagesForm
    template = "rollouts/stages.html"
    noun = "pool"
    list_name, list_label = "pools", "Pools & stores"
    lead = "How settings, routes and large runs come to its servers."

    def save(self, form: StagesForm, actor: Actor) -> HttpResponse:
        """Keep it, and go back to the pool."""
        save_stages(pool=form.instance, first=form.cleaned_data["first"], actor=actor)
        return self.saved(f"{form.instance} was saved.", reverse("pool", args=[form.instance.pk]))

    def initial(self, row: ServerPool) -> dict[str, Any]:  # type: ignore[override]  # never new
        """The servers that come first."""
        return {"first": "\n".join(server.name for server in chosen_first(row))}

    def context(self, row: ServerPool, form: Any) -> dict[str, Any]:
        """What it is about: the name is changed elsewhere."""
        title, pool = f"Stages of {row}", reverse("pool", args=[row.pk])
        crumbs = [(self.list_label, reverse("pools")), (str(row), pool), ("Stages", "")]
        order = [server.name for _, servers in in_order(row) for server in servers]
        return {"title": title, "crumbs": crumbs, "order": order}

    def cancel(self, row: ServerPool) -> str:
        """Back to the pool."""
        return reverse("pool", args=[row.pk])


def badge_of(row: Rollout) -> str:
    """The word that its state has among badges: what waits here need not wait for an approval."""
    waits_for_nobody = row.state == State.WAITING and not row.needs_approval
    return "held back" if waits_for_nobody else row.state


def _find(pk: int) -> Rollout:
    return get_object_or_404(Rollout.objects.select_related("pool", "approved_by"), pk=pk)


def _standing(request: ConsoleRequest, row: Rollout) -> dict[str, Any]:
    stages = list(row.stages.all())
    authors = list(row.authors.all())
    return {
        "rollout": row,
        "badge": badge_of(row),
        "live": row.state in _LIVE,
        "stages": [(stage, list(_servers(stage))) for stage in stages],
        "steps": [{"label": stage.name, "state": _STEPS[StageState(stage.state)]}
                  for stage in stages],
        "authors": authors,
        "is_author": request.user in authors,
        "left": held_by(row).count(),
        "opens": row.pool.window_opens(),
    }  # fmt: skip


def _servers(stage: RolloutStage) -> Iterator[dict[str, Any]]:
    """What was seen of each server that a stage watches, before it and last."""
    for each in stage.gate.values():
        before, now = each["before"], each.get("now")
        missing = [] if now is None else [p for p in before["answered"] if p not in now["answered"]]
        yield {
            "name": before["name"],
            "answers": ", ".join(before["answered"]),
            "missing": ", ".join(missing) or (now or {}).get("problem", ""),
            "seen": now is not None,
            "before": before["registrations"],
            "now": None if now is None else now["registrations"],
        }


def _passed(row: Rollout) -> str:
    stages = row.stages.all()
    return f"{sum(each.state == StageState.PASSED for each in stages)} of {len(stages)}"
