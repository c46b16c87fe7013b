"""Schedules: what runs by itself, and how often."""

from __future__ import annotations

import json
from datetime import time, timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone
from django_celery_beat.models import PeriodicTask, PeriodicTasks

from provisioning.services.console.schedules import (
    find_next_reads,
    install_schedules,
    keep_schedule,
    remove_schedule,
)
from rtcadmin.celery import app
from tests.factories import make_source

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def tasks() -> dict[str, PeriodicTask]:
    return {task.name: task for task in PeriodicTask.objects.select_related("interval")}


def test_the_console_s_own_tasks_run_as_often_as_the_settings_say(settings: object) -> None:
    settings.SWEEP_EVERY, settings.HEALTH_EVERY = 20, 45  # type: ignore[attr-defined]
    settings.RECONCILE_EVERY = 1200  # type: ignore[attr-defined]
    install_schedules()
    every = {task.task: task.interval.every for task in tasks().values()}
    assert every == {
        "provisioning.tasks.sweep": 20,
        # Looks which stores are due.
        "provisioning.tasks.reconcile_stores": 300,
        "provisioning.tasks.check_servers": 45,
        # Looks which servers are due.
        "provisioning.tasks.probe_servers": 60,
        "provisioning.tasks.read_registrations": 60,
        "provisioning.tasks.read_certificates": 3600,
        "provisioning.tasks.look_for_alerts": 30,
        "provisioning.tasks.keep_deadlines": 60,
        "provisioning.tasks.forget_old": 3600,
        "provisioning.tasks.index_search": 3600,
    }


def test_every_scheduled_task_is_one_that_workers_know() -> None:
    make_source()
    call_command("install_schedules", verbosity=0)
    app.loader.import_default_modules()
    assert {task.task for task in tasks().values()} <= set(app.tasks)


def test_a_source_is_read_on_its_own_interval_and_messages_expire() -> None:
    source = make_source(interval_seconds=300)
    keep_schedule(source)
    task = tasks()[f"sync source {source.pk}"]
    assert (task.interval.every, task.expire_seconds, task.enabled) == (300, 300, True)
    assert json.loads(task.args) == [source.pk]
    source.interval_seconds, source.enabled = 900, False
    keep_schedule(source)
    task = tasks()[f"sync source {source.pk}"]
    assert (task.interval.every, task.enabled) == (900, False)


def test_installing_again_changes_nothing() -> None:
    make_source()
    install_schedules()
    before = PeriodicTasks.last_change()
    ids = set(PeriodicTask.objects.values_list("pk", flat=True))
    install_schedules()
    assert PeriodicTasks.last_change() == before
    assert set(PeriodicTask.objects.values_list("pk", flat=True)) == ids


def test_schedules_of_what_is_gone_go_and_others_stay() -> None:
    source = make_source()
    install_schedules()
    interval = tasks()["sweep"].interval
    PeriodicTask.objects.create(name="old", task="provisioning.tasks.old", interval=interval)
    PeriodicTask.objects.create(name="theirs", task="celery.backend_cleanup", interval=interval)
    pk = source.pk
    source.delete()
    install_schedules()
    assert "old" not in tasks()
    assert f"sync source {pk}" not in tasks()
    assert "theirs" in tasks()


def test_a_removed_schedule_is_gone_at_once() -> None:
    source = make_source()
    keep_schedule(source)
    remove_schedule(source)
    assert not tasks()


def test_the_next_read_follows_from_the_last_message() -> None:
    asked, never, off = (make_source(interval_seconds=600) for _ in range(3))
    off.enabled = False
    for source in (asked, never, off):
        keep_schedule(source)
    sent = timezone.now()
    PeriodicTask.objects.filter(name=f"sync source {asked.pk}").update(last_run_at=sent)
    made = PeriodicTask.objects.get(name=f"sync source {never.pk}").date_changed
    assert find_next_reads() == {
        asked.pk: sent + timedelta(seconds=600),
        never.pk: made + timedelta(seconds=600),
    }


def test_the_next_read_is_ahead_of_us_though_the_scheduler_has_not_said_what_it_sent() -> None:
    source = make_source(interval_seconds=60)
    keep_schedule(source)
    said = timezone.now() - timedelta(seconds=150)
    PeriodicTask.objects.filter(name=f"sync source {source.pk}").update(last_run_at=said)
    assert find_next_reads() == {source.pk: said + timedelta(seconds=180)}


def test_a_source_that_is_read_by_its_changes_is_read_whole_once_a_day() -> None:
    source = make_source(
        mode="syncrepl", interval_seconds=5, full_at=time(2, 30), full_zone="Europe/Berlin"
    )
    keep_schedule(source)
    often, daily = (
        PeriodicTask.objects.get(name=name.format(source.pk))
        for name in ("sync source {}", "read everything in source {}")
    )
    assert (often.task, often.interval.every) == ("provisioning.tasks.read_changes", 5)
    assert (daily.task, json.loads(daily.args)) == ("provisioning.tasks.sync_source", [source.pk])
    crontab = daily.crontab
    assert (crontab.hour, crontab.minute, str(crontab.timezone)) == ("2", "30", "Europe/Berlin")
    assert set(find_next_reads()) == {source.pk}
    source.enabled = False
    keep_schedule(source)
    assert not PeriodicTask.objects.filter(enabled=True).exists()
    source.mode = "full"
    keep_schedule(source)
    assert PeriodicTask.objects.get().task == "provisioning.tasks.sync_source"
    remove_schedule(source)
    assert not PeriodicTask.objects.exists()
