"""Celery tasks: ids in, one service call; what is busy or gone is no error."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings
from django_celery_beat.models import PeriodicTask

from provisioning import tasks
from provisioning.core.errors import Busy
from provisioning.models import Run
from provisioning.services import wake
from provisioning.services.accounts import deadlines
from provisioning.services.console.schedules import install_schedules
from provisioning.services.push import push
from provisioning.services.runs import runs
from provisioning.services.servers import servers
from rtcadmin.celery import app
from tests.factories import make_source

pytestmark = pytest.mark.django_db


def busy(**ids: Any) -> None:
    raise Busy("somebody else has it")


def test_every_message_and_every_schedule_names_a_task_that_exists(
    messages: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    make_source()
    install_schedules()
    with django_capture_on_commit_callbacks(execute=True):
        wake.push(store_id=1)
        wake.run(run_id=1)
        wake.check_server(server_id=1)
        wake.read_contacts(store_id=1)
        wake.send_alerts()
    names = {name for name, _ in messages}
    names |= set(PeriodicTask.objects.values_list("task", flat=True))
    assert len(names) >= 6
    assert names <= set(app.tasks)


def test_every_schedule_expires_before_it_comes_again() -> None:
    make_source()
    install_schedules()
    for task in PeriodicTask.objects.select_related("interval"):
        assert task.interval is not None
        assert task.expire_seconds == task.interval.every


def test_a_store_or_run_that_somebody_else_works_on_is_left_to_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(push, "push_store", busy)
    monkeypatch.setattr(runs, "execute_run", busy)
    tasks.push_store(1)
    tasks.execute_run(1)


def test_what_is_gone_by_the_time_the_message_arrives_is_no_error() -> None:
    tasks.push_store(12345)
    tasks.sync_source(12345)
    tasks.check_server(12345)


def test_a_scheduled_sync_queues_a_run_unless_the_source_is_switched_off() -> None:
    on, off = make_source(), make_source(enabled=False)
    tasks.sync_source(on.pk)
    tasks.sync_source(off.pk)
    assert [run.source for run in Run.objects.all()] == [on]


def test_the_clock_s_tasks_call_their_services(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    monkeypatch.setattr(servers, "check_servers", lambda: called.append("servers"))
    monkeypatch.setattr(deadlines, "keep_deadlines", lambda: called.append("deadlines"))
    tasks.check_servers()
    tasks.keep_deadlines()
    tasks.sweep()
    assert called == ["servers", "deadlines"]


def test_a_push_ends_well_within_the_hard_limit_and_a_run_may_take_longer() -> None:
    assert settings.PUSH_PATIENCE + settings.PUSH_SLICE < settings.CELERY_TASK_TIME_LIMIT
    longest = tasks.execute_run.time_limit
    assert longest is not None
    assert longest > settings.CELERY_TASK_TIME_LIMIT
