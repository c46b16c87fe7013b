"""People who look like somebody who left: the evidence, what accepting does, and the decision."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib import messages
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from provisioning.core.errors import ProvisioningError, StalePlan
from provisioning.core.roles import Capability
from provisioning.models import Person, Rehire
from provisioning.services.accounts.rehires import (
    RehirePlan,
    accept_rehire,
    decline_rehire,
    open_rehires,
    plan_rehire,
    undo_rehire,
)
from provisioning.web.access import ConsoleRequest, actor_of, needs
from provisioning.web.keyset import Order, paginate
from provisioning.web.runs.runs import tabs

_NEWEST_FIRST = Order("id", descending=True)


@dataclass(frozen=True, slots=True)
class ShownRehire:
    """An offer with what accepting it does, or why that is not possible any more."""

    rehire: Rehire
    plan: RehirePlan | None
    problem: str = ""


@needs(Capability.VIEW)
@require_safe
def rehires(request: ConsoleRequest) -> HttpResponse:
    """Every offer that waits for a decision, and those that were accepted."""
    accepted = Rehire.objects.filter(state=Rehire.State.ACCEPTED).select_related(
        "person__source", "former__source", "decided_by"
    )
    page = paginate(open_rehires(), cursor=request.GET.get("cursor", ""), order=_NEWEST_FIRST)
    context = {
        "title": "Changes",
        "lead": "People who came under a new key and look like somebody who left. Nobody is linked "
        "before you accept.",
        "tabs": tabs("rehires"),
        "page": page,
        "offers": [show(rehire) for rehire in page.rows],
        "accepted": accepted.order_by("-decided_at")[:10],
    }
    return render(request, "changes/rehires.html", context)


@needs(Capability.APPROVE)
@require_POST
def decide(request: ConsoleRequest, rehire: int) -> HttpResponse:
    """Accept, decline or undo one; ends on the page of the person."""
    found = get_object_or_404(Rehire.objects.select_related("person", "former"), pk=rehire)
    actor, act = actor_of(request), request.POST.get("act")
    try:
        if act == "accept":
            account = accept_rehire(rehire=found, actor=actor)
            messages.success(
                request, f"{found.person} has sip:{account.aor} again.\nIt can be undone here."
            )
        elif act == "undo":
            account = undo_rehire(rehire=found, actor=actor)
            messages.success(
                request, f"sip:{account.aor} belongs to the one who left again.\nThe next sync "
                "gives the person what the rules say.",
            )  # fmt: skip
        else:
            decline_rehire(rehire=found, actor=actor)
            messages.success(request, "They are two people.\nThis is not offered again.")
    except ProvisioningError as error:
        messages.error(request, f"That did not work.\n{error.message}")
    return redirect("person", found.person_id)


def show(rehire: Rehire) -> ShownRehire:
    """The offer, and what accepting it would do now."""
    try:
        return ShownRehire(rehire, plan_rehire(rehire=rehire))
    except StalePlan as error:
        return ShownRehire(rehire, None, error.message)


def rehires_of(person: Person) -> list[ShownRehire]:
    """What is offered, or was accepted, about a person who came or one who left."""
    mine = Q(person=person) | Q(former=person)
    accepted = Rehire.objects.filter(mine, state=Rehire.State.ACCEPTED)
    found = [show(rehire) for rehire in open_rehires().filter(mine).order_by("id")]
    people = accepted.select_related("person__source", "former__source").order_by("id")
    return found + [ShownRehire(rehire, None) for rehire in people]
