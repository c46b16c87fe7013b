"""The clock of the schedules, which misses no change of them."""

from __future__ import annotations

from django_celery_beat.schedulers import DatabaseScheduler


class Scheduler(DatabaseScheduler):  # type: ignore[misc] # the library has no types
    """Sends as everybody does, and reads the schedules whenever their last change is another one.

    The library asks for a later one than the last it saw: a change is lost until its next full read
    (five minutes) when it is committed between the first read and the first comparison, or when two
    changes are committed in another order than they were made.
    """

    # None: the app's pool has one that works. One of its own would go on with a channel that broke,
    # and a clock that met a broker in the middle of its start would send nothing ever after.
    producer = None

    def schedule_changed(self) -> bool:
        """Whether the schedules have to be read; at the first comparison always."""
        before = self._last_timestamp
        super().schedule_changed()
        return bool(self._last_timestamp != before)
