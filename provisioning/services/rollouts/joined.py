"""Which rollouts a change has joined, for the words to whoever made it."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.db.models import Max

from provisioning.models import Rollout


@dataclass(frozen=True, slots=True)
class Before:
    """The rollouts of before a change: the newest, and the digests of those that gather changes."""

    newest: int = 0
    digests: dict[int, str] = field(default_factory=dict)


def look_before() -> Before:
    """To be called before the change."""
    newest = Rollout.objects.aggregate(newest=Max("pk"))["newest"] or 0
    gathering = Rollout.objects.filter(state=Rollout.State.WAITING, begun_at=None)
    return Before(newest, dict(gathering.values_list("pk", "digest")))


def tell_joined(before: Before) -> str:
    """How a change that was made since comes to pools with stages; empty where none has it."""
    joined = [
        rollout
        for rollout in Rollout.objects.filter(pk__gte=min([before.newest + 1, *before.digests]))
        .select_related("pool")
        .order_by("pk")
        if rollout.digest != before.digests.get(rollout.pk, "")
        and (rollout.pk > before.newest or rollout.pk in before.digests)
    ]
    if not joined:
        return ""
    if len(joined) > 1:
        return f"{len(joined):,} rollouts bring it to the servers in stages: see Changes."
    (rollout,) = joined
    waits = ", once somebody else has approved it" if rollout.needs_approval else ""
    return f"{rollout} brings it to the servers of {rollout.pool} in stages{waits}: see Changes."
