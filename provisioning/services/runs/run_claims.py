"""Taking a run: one worker carries it out, and no other run of its kind for the same source."""

from __future__ import annotations

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from provisioning.core.errors import Busy
from provisioning.models import DirectorySource, PlannedChange, Run
from provisioning.services import leases

OPEN = (Run.State.QUEUED, Run.State.RUNNING)


def claim_run(run_id: int, owner: str) -> Run:
    """The run, which is `owner`'s from here on unless it is over.

    Raises Busy when another worker has it or its source.
    """
    with transaction.atomic():
        mine = Run.objects.filter(pk=run_id)
        run = mine.select_related("source", "undoes", "requested_by").get()
        if run.state not in OPEN:
            return run
        _claim_source(run, owner)
        if not leases.claim(mine.filter(state__in=OPEN), owner, settings.SYNC_LEASE):
            raise Busy("Another worker has this run.")
        interrupted = run.state == Run.State.RUNNING and run.phase != Run.Phase.APPLY
        if interrupted:
            # Its plan is incomplete: nothing of it was applied, and it is planned from the start.
            PlannedChange.objects.filter(run=run).delete()
        mine.update(state=Run.State.RUNNING, started_at=run.started_at or timezone.now())
        run.refresh_from_db()
    return run


def release_run(run: Run, owner: str) -> None:
    """Give back what `claim_run` took."""
    leases.release(Run.objects.filter(pk=run.pk), owner)
    if run.source_id is not None:
        leases.release(DirectorySource.objects.filter(pk=run.source_id), owner)


def _claim_source(run: Run, owner: str) -> None:
    """Be the only sync of the source, or its only write-back: these two go on side by side.

    A sync that sees somebody leave does not wait until a hundred thousand values are written.
    """
    if run.source_id is None:
        return
    source = DirectorySource.objects.filter(pk=run.source_id)
    if run.kind == Run.Kind.WRITE_BACK:
        source.select_for_update().first()
        running = Run.objects.filter(
            kind=run.kind, source_id=run.source_id, state=Run.State.RUNNING
        )
        if running.exclude(pk=run.pk).exclude(leases.FREE).exists():
            raise Busy(f"Another write-back of {run.source} is under way.")
    elif not leases.claim(source, owner, settings.SYNC_LEASE):
        raise Busy(f"Another sync of {run.source} is under way.")
