"""Why a rollout may not go on just now: pauses, windows, approvals, and what comes first."""

from __future__ import annotations

from django.db.models import Q

from provisioning.models import Rollout, RolloutStage, Run
from provisioning.services.push import pause

State, StageState = Rollout.State, RolloutStage.State
# Rollouts that one of the same pool waits for.
_BEFORE = (State.RUNNING, State.PAUSED, State.ROLLING_BACK)


def why_waiting(rollout: Rollout) -> str:
    """Why a rollout may not take its next step just now; empty where it may."""
    pool = rollout.pool
    if pause.is_paused():
        return "All pushes are paused."
    if pool.in_maintenance:
        return f"{pool} is in maintenance."
    if rollout.state == State.WAITING:
        first = _before(rollout)
        if first is not None:
            return (
                f"{first} of the same pool comes first; it is {first.get_state_display().lower()}."
            )
        if rollout.run is not None and rollout.run.state == Run.State.RUNNING:
            return f"{rollout.run} is still being applied."
        if rollout.needs_approval:
            return "Somebody who changed nothing of it has to approve it."
    if rollout.state == State.ROLLING_BACK or rollout.hurried or _is_open(rollout):
        return ""
    opens = pool.window_opens()
    if opens is None:
        return ""
    local = opens.astimezone(pool.zone)
    return f"The change window opens on {local:%a %-d %b, %H:%M} ({pool.zone.key})."


def _before(rollout: Rollout) -> Rollout | None:
    """What comes first: one that is under way, was rolled back and not decided on, or is older."""
    undecided = Q(state=State.ROLLED_BACK, stages__pending__isnull=False)
    older = Q(state=State.WAITING, pk__lt=rollout.pk)
    others = rollout.pool.rollouts.exclude(pk=rollout.pk)
    return others.filter(Q(state__in=_BEFORE) | undecided | older).order_by("pk").first()


def _is_open(rollout: Rollout) -> bool:
    """Whether one of its stages is under way: it ends whether the window does or not."""
    under_way = (StageState.WRITING, StageState.WATCHING)
    return rollout.stages.filter(state__in=under_way).exists()
