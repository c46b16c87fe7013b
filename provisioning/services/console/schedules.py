"""What runs on a schedule: the tasks of the console itself, and the readings of each source."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from provisioning.models import DirectorySource

_TASKS = "provisioning.tasks."
_SYNC = f"{_TASKS}sync_source"
_CHANGES = f"{_TASKS}read_changes"
_MINUTE, _HOUR = 60, 3600


def install_schedules() -> None:
    """Make the schedules what settings and sources say; those of nothing any more are removed."""
    with transaction.atomic():
        wanted = {
            _keep("sweep", f"{_TASKS}sweep", settings.SWEEP_EVERY),
            _keep("check servers", f"{_TASKS}check_servers", settings.HEALTH_EVERY),
            _keep(
                "read registrations", f"{_TASKS}read_registrations", settings.REGISTRATIONS_EVERY
            ),
            _keep("probe servers", f"{_TASKS}probe_servers", _MINUTE),
            _keep("read certificates", f"{_TASKS}read_certificates", _HOUR),
            _keep("look for alerts", f"{_TASKS}look_for_alerts", settings.ALERTS_EVERY),
            _keep("keep deadlines", f"{_TASKS}keep_deadlines", _MINUTE),
            _keep("forget old", f"{_TASKS}forget_old", _HOUR),
            _keep("index search", f"{_TASKS}index_search", _HOUR),
            _keep("reconcile stores", f"{_TASKS}reconcile_stores", settings.RECONCILE_EVERY / 4),
        }
        for source in DirectorySource.objects.all():
            wanted |= keep_schedule(source)
        PeriodicTask.objects.filter(task__startswith=_TASKS).exclude(pk__in=wanted).delete()


def keep_schedule(source: DirectorySource) -> set[int]:
    """Make the schedules of `source` what its row says; returns their ids.

    A source is read completely on its interval, or else its changes are, and everything once a day.
    """
    follows = source.mode != DirectorySource.Mode.FULL
    task = _CHANGES if follows else _SYNC
    kept = {
        _keep(_name_of(source), task, source.interval_seconds, source.pk, enabled=source.enabled)
    }
    if follows:
        kept.add(_keep_daily(source))
    else:
        PeriodicTask.objects.filter(name=_daily_name_of(source)).delete()
    return kept


def find_next_reads() -> dict[int, datetime]:
    """When each source that is read on schedule is due, completely or by its changes, by id.

    A schedule that never ran counts from when it was made or changed. The scheduler tells the
    database what it sent only now and then, so what seems due already is due one interval later.
    """
    now = timezone.now()
    found: dict[int, datetime] = {}
    often = PeriodicTask.objects.filter(
        task__in=(_SYNC, _CHANGES), interval__isnull=False, enabled=True
    )
    for task in often.select_related("interval"):
        counted_from = task.last_run_at or task.date_changed
        every = timedelta(seconds=task.interval.every)
        missed = max(0, (now - counted_from) // every)
        found[json.loads(task.args)[0]] = counted_from + every * (missed + 1)
    return found


def remove_schedule(source: DirectorySource) -> None:
    """Take away the schedule of a source that is going to be deleted."""
    PeriodicTask.objects.filter(name__in=(_name_of(source), _daily_name_of(source))).delete()


def _name_of(source: DirectorySource) -> str:
    return f"sync source {source.pk}"


def _daily_name_of(source: DirectorySource) -> str:
    return f"read everything in source {source.pk}"


def _keep(name: str, task: str, seconds: float, *arguments: int, enabled: bool = True) -> int:
    every = max(1, round(seconds))
    interval, _ = IntervalSchedule.objects.get_or_create(
        every=every, period=IntervalSchedule.SECONDS
    )
    return _keep_task(
        name, task=task, args=json.dumps(arguments), interval_id=interval.pk, enabled=enabled,
        # While no worker runs, messages expire instead of piling up.
        expire_seconds=every,
    )  # fmt: skip


def _keep_daily(source: DirectorySource) -> int:
    crontab, _ = CrontabSchedule.objects.get_or_create(
        minute=str(source.full_at.minute), hour=str(source.full_at.hour), day_of_week="*",
        day_of_month="*", month_of_year="*", timezone=source.full_zone,
    )  # fmt: skip
    return _keep_task(
        _daily_name_of(source), task=_SYNC, args=json.dumps([source.pk]), crontab_id=crontab.pk,
        # A worker that comes back in the morning still reads.
        expire_seconds=12 * _HOUR, enabled=source.enabled,
    )  # fmt: skip


def _keep_task(name: str, **wanted: Any) -> int:
    row = PeriodicTask.objects.filter(name=name).first() or PeriodicTask(name=name)
    if row.pk is None or any(getattr(row, field) != value for field, value in wanted.items()):
        for field, value in wanted.items():
            setattr(row, field, value)
        row.save()
    return int(row.pk)
