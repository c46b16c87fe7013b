"""How the directory sources stand: what became of each one's newest run."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import OuterRef, QuerySet, Subquery
from django.utils import timezone

from provisioning.models import DirectorySource, Run

# A source counts as late after so many of its own intervals without a complete read.
LATE_AFTER = 3
_ENDED = (Run.State.DONE, Run.State.FAILED, Run.State.WAITING)


def with_newest_run(sources: QuerySet[DirectorySource]) -> QuerySet[DirectorySource]:
    """The sources with `newest_run` (its id), `newest_state`, `newest_problem` and `newest_at`.

    Of the newest run that was no preview and came to an end, or waits for approval; all None where
    there was none.
    """
    newest = Run.objects.filter(
        source=OuterRef("pk"), kind=Run.Kind.SYNC, dry=False, state__in=_ENDED
    ).order_by("-id")
    return sources.annotate(
        newest_run=Subquery(newest.values("pk")[:1]),
        newest_state=Subquery(newest.values("state")[:1]),
        newest_problem=Subquery(newest.values("problem")[:1]),
        newest_at=Subquery(newest.values("finished_at")[:1]),
    )


def is_late(source: DirectorySource) -> bool:
    """Whether a source that is read on schedule was not read, whole or by changes, for too long."""
    read_at = read_last(source)
    if not source.enabled or read_at is None:
        return False
    late = timedelta(seconds=max(source.interval_seconds, 60) * LATE_AFTER)
    return timezone.now() - read_at > late


def read_last(source: DirectorySource) -> datetime | None:
    """When the source was last read, completely or by its changes since; None: never completely."""
    if source.last_complete_at is None or source.last_changes_at is None:
        return source.last_complete_at
    return max(source.last_complete_at, source.last_changes_at)
