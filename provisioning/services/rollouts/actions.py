"""What administrators do with a rollout: approve, hurry, pause, resume, cancel it and so on."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from provisioning.core.errors import InvalidInput, Rejected, StalePlan
from provisioning.core.roles import Capability
from provisioning.core.text import clean_line
from provisioning.models import ConsoleUser, PendingChange, Rollout, RolloutStage
from provisioning.services import wake
from provisioning.services.actor import Actor
from provisioning.services.console import audit
from provisioning.services.push import outbox
from provisioning.services.rollouts.advance import begin_roll_back

State, StageState = Rollout.State, RolloutStage.State
_REASON = 200


def approve(*, rollout: Rollout, digest: str, actor: Actor) -> None:
    """Approve a rollout as it was when its digest was `digest`.

    Raises Rejected where its pool asks for nobody, or `actor` may not: nobody approves what they
    changed themselves, and the command line without a console user is nobody. Raises StalePlan
    where something was added meanwhile.
    """
    with transaction.atomic():
        now = _locked(rollout, State.WAITING)
        if not now.needs_approval:
            raise Rejected(f"{now} waits for no approval.")
        _check_approver(now, actor.user)
        if digest != now.digest:
            raise StalePlan(
                f"Something was added to {now} since you looked. Nothing was approved; look again."
            )
        # Why it waited until now is over; what else it waits for the next look says.
        now.approved_by, now.approved_digest, now.waits = actor.user, digest, ""
        _keep(now, actor, "approved", "approved_by", "approved_digest", "waits")


def hurry(*, rollout: Rollout, reason: str, actor: Actor) -> None:
    """Let a rollout go on outside of change windows; its stages and its approval stay."""
    reason = _checked_reason(reason)
    if actor.user is not None and not actor.user.may(Capability.PUSH_NOW):
        raise Rejected("Your role does not let you push outside of change windows.")
    with transaction.atomic():
        now = _locked(rollout, State.WAITING, State.RUNNING, State.PAUSED)
        now.hurried = reason
        _keep(now, actor, "pushed outside of the change window", "hurried", reason=reason)


def pause(*, rollout: Rollout, reason: str, actor: Actor) -> None:
    """Hold back what is left of it; what was written stays. Leavers are blocked all the same."""
    reason = _checked_reason(reason)
    with transaction.atomic():
        now = _locked(rollout, State.RUNNING)
        now.stages.update(open=False)
        under_way = now.stages.filter(state__in=(StageState.WRITING, StageState.WATCHING))
        under_way.update(state=StageState.WAITING, since=timezone.now())
        now.state, now.waits = State.PAUSED, f"Paused by {actor.label}: {reason}"
        _keep(now, actor, "paused", "state", "waits", reason=reason)


def resume(*, rollout: Rollout, actor: Actor) -> None:
    """Go on; the stage that was under way is written to its end, and watched anew."""
    with transaction.atomic():
        now = _locked(rollout, State.PAUSED)
        now.stages.filter(state=StageState.PASSED).update(open=True)
        now.state, now.waits = State.RUNNING, ""
        _keep(now, actor, "resumed", "state", "waits")
        for store_id in outbox.manageable_stores():
            wake.push(store_id=store_id)


def roll_back(*, rollout: Rollout, reason: str, actor: Actor) -> None:
    """Put back what it changed; what it wanted is held back until somebody decides."""
    reason = _checked_reason(reason)
    with transaction.atomic():
        now = _locked(rollout, State.RUNNING, State.PAUSED)
        _keep(now, actor, "rolled back", reason=reason)
        begin_roll_back(now, f"{actor.label} rolled it back: {reason}.")


def cancel(*, rollout: Rollout, reason: str, actor: Actor) -> None:
    """Give it up: what it changed is put back, and what it wanted is held back for good.

    Whoever changes one of the same things again makes a new rollout of it.
    """
    reason = _checked_reason(reason)
    said = f"{actor.label} gave it up: {reason}."
    with transaction.atomic():
        now = _locked(rollout, State.WAITING, State.RUNNING, State.PAUSED, State.ROLLED_BACK)
        if now.state in (State.RUNNING, State.PAUSED):
            now.cancels = True
            _keep(now, actor, "gave up", "cancels", reason=reason)
            begin_roll_back(now, said)
            return
        now.problem = f"{now.problem} {said}".strip()
        now.state, now.waits, now.ended_at = State.CANCELLED, "", timezone.now()
        _keep(now, actor, "gave up", "state", "waits", "ended_at", "problem", reason=reason)
        _wake_others(now)


def start_again(*, rollout: Rollout, actor: Actor) -> None:
    """Begin one anew that was rolled back or cancelled: every stage, window and approval."""
    with transaction.atomic():
        now = _locked(rollout, State.ROLLED_BACK, State.CANCELLED)
        if not PendingChange.objects.filter(stage__rollout=now).exists():
            raise Rejected(f"Nothing of {now} is left: its changes went another way since.")
        now.stages.update(
            state=StageState.WAITING, open=False, opened_at=None, since=None, ended_at=None,
            failed=0, gate={},
        )  # fmt: skip
        now.state, now.problem, now.cancels, now.hurried = State.WAITING, "", False, ""
        now.begun_at = now.ended_at = None
        now.approved_by, now.approved_digest = None, ""
        _keep(
            now, actor, "started again", "state", "problem", "cancels", "hurried", "begun_at",
            "ended_at", "approved_by", "approved_digest",
        )  # fmt: skip


def _check_approver(rollout: Rollout, user: ConsoleUser | None) -> None:
    if user is None:
        raise Rejected("Say which console user approves. Nothing was approved.")
    if not user.may(Capability.APPROVE):
        raise Rejected(f"The role of {user} does not let them approve. Nothing was approved.")
    if rollout.authors.filter(pk=user.pk).exists():
        raise Rejected(
            f"{user} changed something of it, so somebody else has to approve it. Nothing was "
            "approved."
        )


def _locked(rollout: Rollout, *states: Rollout.State) -> Rollout:
    now = Rollout.objects.select_for_update(of=("self",)).select_related("pool").get(pk=rollout.pk)
    if now.state not in states:
        raise Rejected(f"{now} is {now.get_state_display().lower()} by now. Nothing was changed.")
    return now


def _keep(rollout: Rollout, actor: Actor, action: str, *fields: str, **facts: Any) -> None:
    """Save, tell the audit log, and have the next step taken."""
    rollout.not_before = None
    rollout.save(update_fields=[*fields, "not_before"])
    detail = {"pool": rollout.pool.name, "what": rollout.about, **facts}
    audit.record(actor=actor, action=action, obj=rollout, detail=detail)
    wake.rollout(rollout_id=rollout.pk)


def _wake_others(rollout: Rollout) -> None:
    others = rollout.pool.rollouts.filter(state=State.WAITING)
    others.update(not_before=None)
    for pk in others.values_list("pk", flat=True):
        wake.rollout(rollout_id=pk)


def _checked_reason(reason: str) -> str:
    reason = clean_line(reason).rstrip(".")
    if not reason or len(reason) > _REASON:
        raise InvalidInput(f"Say why, in at most {_REASON} characters. Nothing was changed.")
    return reason
