"""Forgetting old runs, pushes, rollouts: what nobody looks at any more, in short transactions."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Exists, OuterRef
from django.utils import timezone

from provisioning.models import PendingChange, PlannedChange, PushRecord, Rollout, Run

# A run without a single change tells nothing after a day; a schedule makes over a thousand daily.
_UNEVENTFUL = timedelta(days=1)
_EVENTFUL = timedelta(days=90)
_OVER = (
    Run.State.DONE,
    Run.State.FAILED,
    Run.State.STOPPED,
    Run.State.SUPERSEDED,
    Run.State.PREVIEW,
)
# What one call deletes at the most of each, and what one transaction does.
_RUNS = 2000
_CHANGES = 5000


def forget_old_runs() -> int:
    """Delete runs that are over and old enough; how many. The rest is done by the next call.

    What an administrator decided about a run stays in the audit log.
    """
    now = timezone.now()
    over = Run.objects.filter(state__in=_OVER).order_by("pk")
    uneventful = over.filter(finished_at__lt=now - _UNEVENTFUL, changes__isnull=True)
    ids = list(uneventful.values_list("pk", flat=True)[:_RUNS])
    Run.objects.filter(pk__in=ids).delete()
    old = list(over.filter(finished_at__lt=now - _EVENTFUL)[:10])
    for run in old:
        _forget_changes(run)
        run.delete()
    return len(ids) + len(old)


def forget_old_pushes() -> int:
    """Delete what stood before pushes of more than 90 days ago, which cannot be reverted then."""
    old = PushRecord.objects.filter(at__lt=timezone.now() - _EVENTFUL).order_by("pk")
    ids = list(old.values_list("pk", flat=True)[:_RUNS])
    PushRecord.objects.filter(pk__in=ids).delete()
    return len(ids)


def forget_old_rollouts() -> int:
    """Delete rollouts that ended so long ago and hold nothing back any more; how many."""
    held = Exists(PendingChange.objects.filter(stage__rollout=OuterRef("pk")))
    old = Rollout.objects.filter(~held, ended_at__lt=timezone.now() - _EVENTFUL)
    ids = list(old.values_list("pk", flat=True)[:_RUNS])
    Rollout.objects.filter(pk__in=ids).delete()
    return len(ids)


def _forget_changes(run: Run) -> None:
    changes = run.changes.order_by("ordinal").values_list("ordinal", flat=True)
    while ordinals := list(changes[:_CHANGES]):
        PlannedChange.objects.filter(run=run, ordinal__lte=ordinals[-1]).delete()
