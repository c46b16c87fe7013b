"""The order of the groups that have settings: of two groups of a person the earlier one wins."""

from __future__ import annotations

from typing import Literal

from django.db import transaction

from provisioning.core.errors import InvalidInput
from provisioning.models import GroupRank
from provisioning.services.actor import Actor
from provisioning.services.console import audit


def ranked_groups() -> list[GroupRank]:
    """The groups in their order, the strongest first."""
    return list(GroupRank.objects.select_related("group"))


def move_group(*, group_id: int, direction: Literal["up", "down"], actor: Actor) -> None:
    """Let a group change its place with the one before or behind it; nothing at either end."""
    with transaction.atomic():
        ranked = list(GroupRank.objects.select_for_update(of=("self",)).select_related("group"))
        at = next((n for n, rank in enumerate(ranked) if rank.group_id == group_id), None)
        if at is None:
            raise InvalidInput("That group has no settings any more. Nothing was changed.")
        other = at - 1 if direction == "up" else at + 1
        if not 0 <= other < len(ranked):
            return
        ranked[at], ranked[other] = ranked[other], ranked[at]
        for position, rank in enumerate(ranked, 1):
            rank.position = position
        GroupRank.objects.bulk_update(ranked, ["position"])
        detail = {"place in the order of groups": [at + 1, other + 1]}
        audit.record(actor=actor, action="moved", obj=ranked[other].group, detail=detail)
