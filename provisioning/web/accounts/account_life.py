"""The life of one account by hand: a leave, a proposed SIP URI, an old one that ends."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_POST

from provisioning.core.errors import StalePlan
from provisioning.core.roles import Capability
from provisioning.models import Account, Alias, Proposal
from provisioning.services.accounts import aliases, blocks, proposals
from provisioning.web.access import ConsoleRequest, actor_of, needs
from provisioning.web.accounts.account_actions import at_once, in_dialog


@needs(Capability.OPERATE)
@require_POST
def hold(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Hold it for a leave."""

    def act(account: Account, values: dict[str, Any]) -> str:
        held = blocks.hold_account(account=account, actor=actor_of(request), **values)
        return (
            f"{account} is {held.get_state_display().lower()} until "
            f"{values['ends_on']:%-d %b %Y}.\nRegistrations end now; everything is kept."
        )

    return in_dialog(request, pk, "hold", act)


@needs(Capability.APPROVE)
@require_POST
def proposal(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Take the proposed SIP URI, or keep the present one."""

    def act(account: Account, values: dict[str, Any]) -> str:
        found = Proposal.objects.filter(account=account).first()
        if found is None or found.aor != request.POST.get("aor"):
            raise StalePlan("That is not proposed any more. Nothing was changed.")
        if request.POST.get("take") != "1":
            proposals.decline_proposal(proposal=found, actor=actor_of(request))
            return f"{account} keeps the SIP URI."
        renamed = proposals.accept_proposal(proposal=found, actor=actor_of(request))
        return f"{account} is sip:{renamed.aor} now.\nIts clients must fetch their profile again."

    return at_once(request, pk, act)


@needs(Capability.CONFIGURE)
@require_POST
def end_alias(request: ConsoleRequest, pk: int, alias_pk: int) -> HttpResponse:
    """End an old SIP URI before its day."""

    def act(account: Account, values: dict[str, Any]) -> str:
        alias = get_object_or_404(Alias, pk=alias_pk, account=account)
        aliases.end_alias(alias=alias, actor=actor_of(request))
        return f"{alias} has ended.\nSomebody else may get it from now on."

    return at_once(request, pk, act)
