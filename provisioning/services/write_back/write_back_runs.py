"""Runs of the write-back: asked for by hand, and by the console when account values changed."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from provisioning.core.errors import InvalidInput, Rejected
from provisioning.models import DirectorySource, Run, WriteBack
from provisioning.services.actor import SCHEDULE, Actor
from provisioning.services.push import pause
from provisioning.services.runs import runs
from provisioning.services.runs.progress import Watch
from provisioning.services.write_back.account_values import entries_changed_since
from provisioning.services.write_back.plan_values import OVERLAP
from provisioning.services.write_back.write_back import active_attributes, settings_of

# Values that somebody else changed in the directory are noticed once a day.
_EVERYBODY = timedelta(days=1)
# After a run that failed or was stopped.
_PATIENCE = timedelta(minutes=15)
_GIVEN_UP = (Run.State.FAILED, Run.State.STOPPED)
_OPEN = (Run.State.QUEUED, Run.State.RUNNING)


def request_write_back(*, source: DirectorySource, actor: Actor, dry: bool = False) -> Run:
    """Queue a write-back of everybody in `source`, or return the one that is queued already.

    Raises Rejected while it is off, and while pushes are paused unless it is a preview.
    """
    _check(source, dry=dry)
    return runs.request(Run(kind=Run.Kind.WRITE_BACK, source=source, dry=dry), actor)


def write_back_here(
    *, source: DirectorySource, actor: Actor, dry: bool, watch: Watch | None = None
) -> Run:
    """Write back in this process, without a worker.

    Raises as `request_write_back` does, and Busy when another one of the source is under way.
    """
    _check(source, dry=dry)
    run = Run(kind=Run.Kind.WRITE_BACK, source=source, dry=dry)
    return runs.carry_out(run, actor, watch)


def request_due() -> list[Run]:
    """Queue a write-back of each source in which account values changed, and of all once a day."""
    if pause.is_paused():
        return []
    found = []
    for settings in WriteBack.objects.filter(enabled=True).select_related("source"):
        reading = _due(settings)
        if reading is not None:
            run = Run(kind=Run.Kind.WRITE_BACK, source=settings.source, reading=reading)
            found.append(runs.request(run, SCHEDULE))
    return found


def _due(settings: WriteBack) -> Run.Reading | None:
    """What a source's write-back has to look at now; None for nothing."""
    now = timezone.now()
    own = Run.objects.filter(kind=Run.Kind.WRITE_BACK, source=settings.source, dry=False)
    if own.filter(state__in=_OPEN).exists():
        return None
    last = own.order_by("-id").first()
    if last and last.state in _GIVEN_UP and (last.finished_at or now) > now - _PATIENCE:
        return None
    try:
        if not active_attributes(settings.source):
            return None
    except InvalidInput:
        pass  # a run says why nothing can be written, where somebody looks
    if settings.last_full_at is None or settings.last_full_at < now - _EVERYBODY:
        return Run.Reading.FULL
    since = (settings.seen_change or settings.last_full_at) - OVERLAP
    changed = entries_changed_since(settings.source.pk, since)
    return Run.Reading.CHANGES if changed.exists() else None


def _check(source: DirectorySource, *, dry: bool) -> None:
    if not settings_of(source).enabled:
        raise Rejected(f"Nothing is written to {source}: its write-back is off.")
    if pause.is_paused() and not dry:
        raise Rejected("Pushes are paused, so nothing is written. A preview is possible.")
