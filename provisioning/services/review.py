"""Reviewing held changes: approve all, release some people, or discard."""

from __future__ import annotations

from collections.abc import Collection

from django.db import transaction
from django.utils import timezone

from provisioning.core.errors import InvalidInput, StalePlan
from provisioning.models import PlannedChange, Run
from provisioning.services import audit, wake
from provisioning.services.actor import Actor
from provisioning.services.plan import digest_of

_HELD = PlannedChange.Status.HELD


def approve_run(*, run: Run, digest: str, actor: Actor) -> None:
    """Apply everything that `run` holds; `digest` is what the approver saw.

    Raises StalePlan when the held changes are not those any more.
    """
    with transaction.atomic():
        run = _waiting(run, digest)
        count = run.changes.filter(status=_HELD).update(status=PlannedChange.Status.PLANNED)
        _go_on(run, actor)
        audit.record(
            actor=actor, action="approved", obj=run, detail={"changes": count, "digest": digest}
        )


def release_people(*, run: Run, digest: str, subjects: Collection[str], actor: Actor) -> None:
    """Apply what `run` holds for the named people or groups (GUIDs) only; the rest goes on waiting."""
    with transaction.atomic():
        run = _waiting(run, digest)
        chosen = run.changes.filter(status=_HELD, subject__in=list(subjects))
        names = sorted(set(chosen.values_list("name", flat=True)))
        if not names:
            raise InvalidInput(
                "Nobody was chosen. Nothing was changed; choose people and try again."
            )
        chosen.update(status=PlannedChange.Status.PLANNED)
        run.digest = digest_of(run, _HELD)
        run.save(update_fields=["digest"])
        _go_on(run, actor)
        audit.record(
            actor=actor,
            action="released",
            obj=run,
            detail={"people": names[:100], "count": len(names)},
        )


def discard_run(*, run: Run, actor: Actor) -> None:
    """Do not apply what `run` holds; the next sync plans it again as long as the directory says so."""
    with transaction.atomic():
        run = _waiting(run, run.digest)
        count = run.changes.filter(status=_HELD).update(status=PlannedChange.Status.DISCARDED)
        run.state = Run.State.DONE
        run.save(update_fields=["state"])
        audit.record(actor=actor, action="discarded", obj=run, detail={"changes": count})


def _waiting(run: Run, digest: str) -> Run:
    run = Run.objects.select_for_update().get(pk=run.pk)
    if run.state != Run.State.WAITING or run.digest != digest:
        raise StalePlan(
            "These changes are not waiting any more: a newer run replaced them or somebody else decided. "
            "Nothing was changed; look at the latest run."
        )
    return run


def _go_on(run: Run, actor: Actor) -> None:
    run.state, run.phase = Run.State.RUNNING, Run.Phase.APPLY
    run.approved_by, run.approved_at = actor.user, timezone.now()
    run.finished_at = None
    run.lease_until, run.lease_owner = None, ""
    run.save(
        update_fields=[
            "state", "phase", "approved_by", "approved_at", "finished_at", "lease_until", "lease_owner",
        ]
    )  # fmt: skip
    wake.run(run_id=run.pk)
