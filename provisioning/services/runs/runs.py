"""Runs: asked for, carried out by one worker at a time, finished or explained."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

import structlog
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from provisioning.core.errors import Busy, InvalidInput, ProvisioningError
from provisioning.directory.changes import ChangesRefused
from provisioning.models import DirectorySource, PlannedChange, Run
from provisioning.services import bulk, leases, wake
from provisioning.services.accounts.asked import ask_about, settle
from provisioning.services.actor import COMMAND_LINE, RULES, SCHEDULE, SYNC, WRITE_BACK, Actor
from provisioning.services.console import audit
from provisioning.services.directory.changes import found_nothing, keep_cookie, note_fallback
from provisioning.services.directory.role_groups import end_lost_sessions
from provisioning.services.joins.marking import mark_joined
from provisioning.services.joins.plan_joins import plan_joins
from provisioning.services.runs.apply import Outcome, apply_plan
from provisioning.services.runs.apply_rekey import apply_rekey
from provisioning.services.runs.check_limits import hold_breaches
from provisioning.services.runs.plan import UNAPPLIED, digest_of, replaced_by
from provisioning.services.runs.plan_undo import plan_undo
from provisioning.services.runs.progress import Lost, Progress, Stopped, Watch
from provisioning.services.runs.run_claims import OPEN, claim_run, release_run
from provisioning.services.sync.plan_changes import plan_changes
from provisioning.services.sync.plan_rekey import plan_rekey
from provisioning.services.sync.sync import Plan, plan_expiry, plan_renames, plan_rules, plan_sync
from provisioning.services.write_back.apply_values import apply_values
from provisioning.services.write_back.plan_values import mark_looked, plan_values

log = structlog.stdlib.get_logger(__name__)

# Runs that read no directory.
_PLANNERS = {
    Run.Kind.UNDO: plan_undo,
    Run.Kind.EXPIRY: plan_expiry,
    Run.Kind.RENAMES: plan_renames,
    Run.Kind.RULES: plan_rules,
}

_ACTORS = {Run.Kind.SYNC: SYNC, Run.Kind.RULES: RULES, Run.Kind.EXPIRY: SCHEDULE,
           Run.Kind.RENAMES: RULES, Run.Kind.WRITE_BACK: WRITE_BACK}  # fmt: skip


def request_sync(*, source: DirectorySource, actor: Actor, dry: bool = False) -> Run:
    """Queue a sync of everything in `source`, or return the one that is queued already.

    One that is running may have read too early for what the caller wants, so another follows.
    """
    return request(Run(kind=Run.Kind.SYNC, source=source, dry=dry), actor)


def request_rules_run(*, actor: Actor, dry: bool = False) -> Run:
    """Queue a decision of every account by the account rules."""
    return request(Run(kind=Run.Kind.RULES, dry=dry), actor)


def decide_here(*, actor: Actor, dry: bool, watch: Watch | None = None) -> Run:
    """Decide every account by the account rules in this process; as `sync_here` does."""
    return carry_out(Run(kind=Run.Kind.RULES, dry=dry), actor, watch)


def request_expiry_run() -> Run:
    """Queue a decision of the accounts of those who expired."""
    return request(Run(kind=Run.Kind.EXPIRY), SCHEDULE)


def request_renames_run(*, actor: Actor) -> Run:
    """Queue a decision of the accounts whose new SIP URI was accepted."""
    return request(Run(kind=Run.Kind.RENAMES), actor)


def sync_here(
    *, source: DirectorySource, actor: Actor, dry: bool, watch: Watch | None = None
) -> Run:
    """Sync `source` in this process, without a worker; `watch` is told how far it has come.

    Raises Busy when another sync of the source is under way; nothing is left behind then. Whoever
    interrupts it stops it, as long as it does not apply yet.
    """
    return carry_out(Run(kind=Run.Kind.SYNC, source=source, dry=dry), actor, watch)


def carry_out(run: Run, actor: Actor, watch: Watch | None) -> Run:
    """Carry out a new run in this process; as `sync_here` does."""
    run.requested_by = actor.user
    run.save()
    try:
        return execute_run(run_id=run.pk, watch=watch)
    except (Busy, KeyboardInterrupt):
        with suppress(InvalidInput):  # too late: the sweeper lets a worker apply the rest
            stop_run(run=run, actor=actor)
        raise


def request(run: Run, actor: Actor) -> Run:
    """Queue a new run, or return the same one that is queued already."""
    with transaction.atomic():
        same = Run.objects.filter(
            kind=run.kind,
            source=run.source,
            undoes=run.undoes,
            dry=run.dry,
            reading=run.reading,
            question=run.question,
            state=Run.State.QUEUED,
        ).first()
        if same is not None:
            return same
        run.requested_by = actor.user
        run.save()
        wake.run(run_id=run.pk)
    return run


def stop_run(*, run: Run, actor: Actor) -> None:
    """Ask a run to stop before it applies anything; raises InvalidInput when it is too late.

    A write-back stops at any time: what it wrote stays.
    """
    too_late = Q(phase=Run.Phase.APPLY) & ~Q(kind=Run.Kind.WRITE_BACK)
    asked = Run.objects.filter(pk=run.pk, state__in=OPEN).exclude(too_late)
    with transaction.atomic():
        if not asked.update(stop_requested=True):
            raise InvalidInput("This run is already applying or over, so it was not stopped.")
        Run.objects.filter(pk=run.pk, state=Run.State.QUEUED).update(
            state=Run.State.STOPPED, finished_at=timezone.now()
        )
        audit.record(actor=actor, action="stopped", obj=run)


def execute_run(*, run_id: int, watch: Watch | None = None) -> Run:
    """Carry out a queued run, or go on with one whose worker died while applying.

    Raises Busy when another worker has it or its source; every other error is kept on the run.
    """
    owner = leases.new_owner()
    run = claim_run(run_id, owner)
    if run.state not in OPEN:
        return run
    progress = Progress(run, owner, watch)
    try:
        asked: Mapping[int, int] = {}
        with bulk.collecting_rarely(), bulk.checkpointing_rarely():
            if run.phase != Run.Phase.APPLY:
                asked = _plan(run, progress)
            outcome = Outcome() if run.dry else _apply(run, progress)
        if not run.dry:
            settle(asked)
        _finish(run, outcome)
    except Lost:
        raise
    except Stopped as stopped:
        _give_up(run, Run.State.STOPPED, stopped.message)
    except ProvisioningError as error:
        log.warning("run failed", run=run.pk, reason=error.message)
        _give_up(run, Run.State.FAILED, error.message)
    except Exception:
        _give_up(
            run,
            Run.State.FAILED,
            "An internal error ended this run; the log has the details. Nothing more was changed.",
        )
        raise
    finally:
        release_run(run, owner)
    return run


def _plan(run: Run, progress: Progress) -> Mapping[int, int]:
    """Write the plan and check it; who was decided because somebody asked, and how often."""
    plan = _write_plan(run, progress)
    progress.phase(Run.Phase.CHECK)
    with transaction.atomic():
        run.counts = dict(plan.writer.counts)
        breaches = plan.breaches + hold_breaches(run=run, tally=plan.writer.tally)
        run.breaches = [str(breach) for breach in breaches]
        run.digest = digest_of(run, PlannedChange.Status.HELD) if breaches else ""
        run.remark = " ".join(plan.remarks)
        run.cookie = plan.cookie
        run.save(update_fields=["counts", "breaches", "digest", "remark", "cookie"])
        if not run.dry:
            end_lost_sessions(run=run)
            _replace_waiting(run)
            if run.source is not None and run.kind == Run.Kind.SYNC:
                read = DirectorySource.objects.filter(pk=run.source.pk)
                if run.reading == Run.Reading.FULL:
                    read.update(last_complete_at=timezone.now())
                else:
                    read.update(last_changes_at=timezone.now())
    return plan.writer.asked


def _write_plan(run: Run, progress: Progress) -> Plan:
    """Write the plan of a run by its kind."""
    source = run.source
    if source is not None:
        if run.kind == Run.Kind.WRITE_BACK:
            return plan_values(run=run, source=source, progress=progress)
        if run.kind == Run.Kind.REKEY:
            return plan_rekey(run=run, source=source, progress=progress)
        return _plan_source(run, source, progress)
    if run.kind == Run.Kind.JOIN or (run.undoes and run.undoes.kind == Run.Kind.JOIN):
        return plan_joins(run=run, progress=progress)
    return _PLANNERS[Run.Kind(run.kind)](run=run, progress=progress)


def _plan_source(run: Run, source: DirectorySource, progress: Progress) -> Plan:
    """Plan what changed, or everything: also where the directory cannot tell what changed."""
    if run.reading == Run.Reading.FULL:
        return plan_sync(run=run, source=source, progress=progress)
    try:
        return plan_changes(run=run, source=source, progress=progress)
    except ChangesRefused as refused:
        note_fallback(source=source, reason=refused.message)
        run.reading = Run.Reading.FULL
        run.save(update_fields=["reading"])
        plan = plan_sync(run=run, source=source, progress=progress)
        plan.remarks.insert(0, f"Everything was read. {refused.message}")
        return plan


def _apply(run: Run, progress: Progress) -> Outcome:
    if run.source is not None and run.kind == Run.Kind.WRITE_BACK:
        return apply_values(run=run, source=run.source, progress=progress)
    if run.source is not None and run.kind == Run.Kind.REKEY:
        return apply_rekey(run=run, source=run.source, progress=progress)
    return apply_plan(run=run, progress=progress)


def _replace_waiting(run: Run) -> None:
    """One waiting run per source is enough: the same changes stay there, others replace them."""
    held = PlannedChange.Status.HELD
    for old in replaced_by(run):
        if run.digest and old.digest == run.digest:
            run.changes.filter(status=held).delete()
            run.digest = ""
            _remark(run, f"The same changes as in run #{old.pk} still wait for approval there.")
        else:
            old.changes.filter(status=held).update(status=PlannedChange.Status.DISCARDED)
            run.counts["replaced"] = run.counts.get("replaced", 0) + 1
            Run.objects.filter(pk=old.pk).update(
                state=Run.State.SUPERSEDED, remark=f"Run #{run.pk} was planned from newer data."
            )
    run.save(update_fields=["digest", "remark", "counts"])


def _remark(run: Run, text: str) -> None:
    run.remark = f"{run.remark} {text}".strip()


def _finish(run: Run, outcome: Outcome) -> None:
    waits = run.changes.filter(status=PlannedChange.Status.HELD).exists()
    if outcome.stale:
        what = "1 change" if outcome.stale == 1 else f"{outcome.stale:,} changes"
        following = "run" if run.kind == Run.Kind.WRITE_BACK else "sync"
        _remark(run, f"{what} did not fit any more; the next {following} decides anew.")
    with transaction.atomic():
        if run.dry:
            _end(run, Run.State.PREVIEW)
            return
        if run.kind == Run.Kind.WRITE_BACK:
            mark_looked(run=run)
        elif outcome.applied:
            wake.write_back()
        keep_cookie(run=run)
        mark_joined(run)
        _end(run, Run.State.WAITING if waits else Run.State.DONE)
        if waits:
            log.warning("changes wait for approval", run=run.pk, limits=run.breaches)
        if outcome.applied or waits:
            audit.record(
                actor=_actor_of(run), action="applied" if outcome.applied else "held back", obj=run,
                detail={"counts": dict(outcome.applied), "held": run.breaches if waits else []},
            )  # fmt: skip
        if found_nothing(run=run):
            run.delete()


def _actor_of(run: Run) -> Actor:
    if run.kind in (Run.Kind.UNDO, Run.Kind.JOIN, Run.Kind.REKEY):
        return Actor.of(run.requested_by) if run.requested_by else COMMAND_LINE
    return _ACTORS[Run.Kind(run.kind)]


def _give_up(run: Run, state: Run.State, problem: str) -> None:
    """End a run before its plan was applied; the next sync plans the rest anew."""
    unapplied = run.changes.filter(UNAPPLIED | Q(status=PlannedChange.Status.HELD))
    run.problem = problem
    with transaction.atomic():
        # From here on the changes of waiting runs were taken over, and people may be applied.
        if run.phase in (Run.Phase.CHECK, Run.Phase.APPLY) and not run.dry:
            ask_about(unapplied)
            # Some of its groups may be applied, and others that follow from them not.
            DirectorySource.objects.filter(runs=run).update(groups_exact=False)
        unapplied.update(status=PlannedChange.Status.DISCARDED)
        _end(run, state)


def _end(run: Run, state: Run.State) -> None:
    run.state, run.finished_at = state, timezone.now()
    if state not in (Run.State.FAILED, Run.State.STOPPED):
        run.phase = Run.Phase.FINISHED
    run.save(update_fields=["state", "problem", "remark", "finished_at", "phase"])


def find_forgotten_runs() -> list[int]:
    """Queued runs and runs whose worker died: they need a worker."""
    return list(
        Run.objects.filter(leases.FREE, state__in=OPEN).order_by("id").values_list("id", flat=True)
    )
