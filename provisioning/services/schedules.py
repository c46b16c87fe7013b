"""What runs on a schedule: the tasks of the console itself, and one sync for each source."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from provisioning.models import DirectorySource

_TASKS = "provisioning.tasks."
_SYNC = f"{_TASKS}sync_source"
_HOUR = 3600


def install_schedules() -> None:
    """Make the schedules what settings and sources say; those of nothing any more are removed."""
    with transaction.atomic():
        wanted = {
            _keep("sweep", f"{_TASKS}sweep", settings.SWEEP_EVERY),
            _keep("check servers", f"{_TASKS}check_servers", settings.HEALTH_EVERY),
            _keep("keep deadlines", f"{_TASKS}keep_deadlines", _HOUR),
        }
        wanted |= {keep_schedule(source) for source in DirectorySource.objects.all()}
        PeriodicTask.objects.filter(task__startswith=_TASKS).exclude(pk__in=wanted).delete()


def keep_schedule(source: DirectorySource) -> int:
    """Make the schedule of `source` what its row says; returns the id of the schedule."""
    return _keep(
        _name_of(source), _SYNC, source.interval_seconds, source.pk, enabled=source.enabled
    )


def find_next_reads() -> dict[int, datetime]:
    """When each source that is read on schedule is due, by id.

    A schedule that never ran counts from when it was made or changed.
    """
    found: dict[int, datetime] = {}
    tasks = PeriodicTask.objects.filter(task=_SYNC, enabled=True).select_related("interval")
    for task in tasks:
        counted_from = task.last_run_at or task.date_changed
        due = counted_from + timedelta(seconds=task.interval.every)
        found[json.loads(task.args)[0]] = due
    return found


def remove_schedule(source: DirectorySource) -> None:
    """Take away the schedule of a source that is going to be deleted."""
    PeriodicTask.objects.filter(name=_name_of(source)).delete()


def _name_of(source: DirectorySource) -> str:
    return f"sync source {source.pk}"


def _keep(name: str, task: str, seconds: float, *arguments: int, enabled: bool = True) -> int:
    every = max(1, round(seconds))
    interval, _ = IntervalSchedule.objects.get_or_create(
        every=every, period=IntervalSchedule.SECONDS
    )
    wanted: dict[str, Any] = {
        "task": task,
        "args": json.dumps(arguments),
        "interval_id": interval.pk,
        # While no worker runs, messages expire instead of piling up.
        "expire_seconds": every,
        "enabled": enabled,
    }
    row = PeriodicTask.objects.filter(name=name).first() or PeriodicTask(name=name)
    if row.pk is None or any(getattr(row, field) != value for field, value in wanted.items()):
        for field, value in wanted.items():
            setattr(row, field, value)
        row.save()
    return int(row.pk)
