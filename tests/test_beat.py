"""The clock of the schedules, against the database."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from django_celery_beat.models import PeriodicTask, PeriodicTasks

from provisioning.services.console.schedules import install_schedules, keep_schedule
from rtcadmin.beat import Scheduler
from rtcadmin.celery import app
from tests.factories import make_source

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def scheduler(monkeypatch: pytest.MonkeyPatch) -> Scheduler:
    """As it is after its first read; the test's connection stays open."""
    monkeypatch.setattr("django_celery_beat.schedulers.close_old_connections", lambda: None)
    install_schedules()
    scheduler = Scheduler(app=app, lazy=True)
    assert "sweep" in scheduler.schedule
    return scheduler


def _new_schedule() -> str:
    (kept,) = keep_schedule(make_source())
    return str(PeriodicTask.objects.get(pk=kept).name)


def test_a_schedule_made_right_after_the_first_read_is_seen(scheduler: Scheduler) -> None:
    name = _new_schedule()
    assert name in scheduler.schedule


def test_a_change_that_was_made_earlier_and_committed_later_is_seen(scheduler: Scheduler) -> None:
    assert scheduler.schedule
    name = _new_schedule()
    PeriodicTasks.objects.update(last_update=timezone.now() - timedelta(seconds=30))
    assert name in scheduler.schedule


def test_without_a_change_nothing_is_read_again(scheduler: Scheduler) -> None:
    assert scheduler.schedule
    known = scheduler.schedule["sweep"]
    assert scheduler.schedule["sweep"] is known
