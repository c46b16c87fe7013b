"""Proposed SIP URIs: everybody whose rule would give another one, decided one by one or all."""

from __future__ import annotations

import django_filters
from django.contrib import messages
from django.core.exceptions import BadRequest
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from provisioning.core.errors import ProvisioningError
from provisioning.core.roles import Capability
from provisioning.models import AccountRule, Proposal
from provisioning.services.accounts.known_clients import known_clients
from provisioning.services.accounts.proposals import accept_proposals, decline_proposals
from provisioning.web.access import ConsoleRequest, actor_of, needs
from provisioning.web.ids import row_id
from provisioning.web.keyset import Order, paginate
from provisioning.web.list_page import ListFilter, SearchFilter
from provisioning.web.runs.runs import tabs

_BY_AGE = Order("id")
_ACTIONS = [
    {
        "value": "accept", "label": "Accept", "icon": "check",
        "confirm": "Give the chosen accounts their new SIP URIs?",
        "confirm_text": "A run plans it; what passes a limit waits for approval. Clients must "
        "fetch their profile again.",
        "confirm_button": "Accept",
    },
    {"value": "decline", "label": "Keep the present ones", "icon": "x"},
]  # fmt: skip


class ProposalFilter(ListFilter):
    """Proposals of a rule, or by a word of the account."""

    rule = django_filters.ModelChoiceFilter(
        field_name="account__rule", queryset=AccountRule.objects.order_by("name"), label="Rule"
    )
    q = SearchFilter("account__search_key")

    class Meta:
        model = Proposal
        fields = ()


def _open() -> QuerySet[Proposal]:
    return Proposal.objects.filter(state=Proposal.State.OPEN)


@needs(Capability.VIEW)
@require_safe
def proposals(request: ConsoleRequest) -> HttpResponse:
    """Everybody whose account could have another SIP URI."""
    chosen = ProposalFilter(request.GET, _open().select_related("account__rule", "run"))
    page = paginate(chosen.rows, cursor=request.GET.get("cursor", ""), order=_BY_AGE)
    clients = known_clients(account_ids=[row.account_id for row in page.rows])
    context = {
        "title": "Changes",
        "lead": "Rules that keep SIP URIs propose the new ones. Nothing changes until somebody "
        "accepts.",
        "tabs": tabs("proposals"),
        "filter": chosen,
        "page": page,
        "rows": [(row, clients.get(row.account_id, "")) for row in page.rows],
        "actions": _ACTIONS,
    }
    part = request.htmx and not request.htmx.boosted
    template = "changes/_proposals.html" if part else "changes/proposals.html"
    return render(request, template, context)


@needs(Capability.APPROVE)
@require_POST
def decide(request: ConsoleRequest) -> HttpResponse:
    """Accept or decline the chosen ones, or all that the filter leaves."""
    action, actor = request.POST.get("action"), actor_of(request)
    if request.POST.get("all") == "1":
        chosen: QuerySet[Proposal] = ProposalFilter(request.GET, _open()).rows
    else:
        ids = [row_id(each) for each in request.POST.getlist("pk")]
        chosen = _open().filter(pk__in=[pk for pk in ids if pk is not None])
    try:
        if action == "accept":
            run = accept_proposals(proposals=chosen, actor=actor)
            messages.success(request, "Accepted.\nThis run plans the new SIP URIs.")
            return redirect("run", run.pk)
        if action == "decline":
            count = decline_proposals(proposals=chosen, actor=actor)
            words = "1 account keeps its" if count == 1 else f"{count:,} accounts keep their"
            messages.success(request, f"{words} SIP URI.\nThe same is not proposed again.")
            return redirect("changes-proposals")
    except ProvisioningError as error:
        messages.error(request, f"That did not work.\n{error.message}")
        return redirect("changes-proposals")
    raise BadRequest("There is no such action.")
