"""Undoing a run: its inverse as a run of its own, with a preview, limits and approval."""

from __future__ import annotations

from provisioning.core.errors import InvalidInput
from provisioning.models import Run
from provisioning.services.actor import Actor
from provisioning.services.console import audit
from provisioning.services.joins.plan_joins import joined_by
from provisioning.services.runs import runs
from provisioning.services.runs.plan_undo import applied_changes
from provisioning.services.runs.progress import Watch

_KINDS = (Run.Kind.SYNC, Run.Kind.RULES, Run.Kind.EXPIRY, Run.Kind.RENAMES, Run.Kind.JOIN)
_OPEN = (Run.State.QUEUED, Run.State.RUNNING)


def can_undo(run: Run) -> bool:
    """Whether `run` did anything to accounts that may be undone."""
    possible = run.kind in _KINDS and not run.dry and run.state not in _OPEN
    if run.kind == Run.Kind.JOIN:
        return possible and joined_by(run).exists()
    return possible and applied_changes(run).exists()


def request_undo(*, run: Run, actor: Actor, dry: bool = False) -> Run:
    """Queue the inverse of what `run` did to accounts, or return the one that is queued already.

    Raises InvalidInput where there is nothing to undo.
    """
    _check(run)
    undo = runs.request(Run(kind=Run.Kind.UNDO, undoes=run, dry=dry), actor)
    if not dry:
        audit.record(actor=actor, action="asked to undo", obj=run, detail={"run": undo.pk})
    return undo


def undo_here(*, run: Run, actor: Actor, dry: bool, watch: Watch | None = None) -> Run:
    """Undo `run` in this process, without a worker; raises InvalidInput as request_undo does."""
    _check(run)
    return runs.carry_out(Run(kind=Run.Kind.UNDO, undoes=run, dry=dry), actor, watch)


def _check(run: Run) -> None:
    if run.kind == Run.Kind.UNDO:
        raise InvalidInput(
            "An undo is not undone: end its pins, and the next sync decides anew. Nothing was "
            "changed."
        )
    if not can_undo(run):
        raise InvalidInput(
            f"{run} changed no account, so there is nothing to undo. Nothing was changed."
        )
