"""Brokers that refuse or stay silent: a save costs seconds at most, and nothing is lost."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery.beat import ScheduleEntry
from celery.schedules import schedule
from kombu import Connection

from lab.ports import free_port
from lab.proxy import BlackHole, Pass, Proxy, Refuse
from lab.rabbitmq import Rabbitmq
from lab.redis import Redis
from provisioning.services import wake
from provisioning.services.wake import _send as send
from rtcadmin.beat import Scheduler

PUSH = "provisioning.tasks.push_store"
# Of an answer that does not come; saving takes no longer.
PATIENCE = 20

Broker = Callable[[str], None]


def new_app(url: str) -> Celery:
    """A Celery of another broker, with the console's own settings."""
    app = Celery("test", set_as_current=False, broker=url)
    app.config_from_object("django.conf:settings", namespace="CELERY")
    app.conf.update(broker_url=url, broker_transport_options={})
    return app


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    """Sends through a broker of the test's choice."""

    def use(url: str) -> None:
        monkeypatch.setattr(wake, "current_app", new_app(url))

    return use


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What was logged instead of raised."""
    said: list[dict[str, Any]] = []
    for level in ("warning", "exception"):
        monkeypatch.setattr(wake.log, level, lambda event, **values: said.append(values))
    return said


def test_a_rabbitmq_that_refuses_the_password_does_not_fail_the_save(
    rabbitmq: Rabbitmq, broker: Broker, warnings: list[dict[str, Any]]
) -> None:
    broker(f"amqp://rtcadmin:wrong@127.0.0.1:{rabbitmq.port}//")
    send(PUSH, (7,))
    assert [each["task"] for each in warnings] == [PUSH]
    assert "wrong" not in str(warnings)


def test_a_virtual_host_that_is_not_there_does_not_fail_the_save(
    rabbitmq: Rabbitmq, broker: Broker, warnings: list[dict[str, Any]]
) -> None:
    broker(f"{rabbitmq.url.rstrip('/')}/no-such-host")
    send(PUSH, (7,))
    assert [each["task"] for each in warnings] == [PUSH]


def test_a_rabbitmq_that_is_silent_or_gone_holds_a_save_up_for_seconds_only(
    rabbitmq: Rabbitmq, broker: Broker, warnings: list[dict[str, Any]]
) -> None:
    with Proxy(rabbitmq.port) as proxy:
        proxy.set(BlackHole())
        for port in (proxy.port, free_port()):
            broker(rabbitmq.url.replace(str(rabbitmq.port), str(port)))
            began = time.monotonic()
            send(PUSH, (7,))
            assert time.monotonic() - began < PATIENCE
    assert len(warnings) == 2


@pytest.mark.django_db
def test_a_clock_does_not_use_a_connection_that_broke_again(
    rabbitmq: Rabbitmq, caplog: pytest.LogCaptureFixture
) -> None:
    with Proxy(rabbitmq.port) as proxy:
        app = new_app(rabbitmq.url.replace(str(rabbitmq.port), str(proxy.port)))
        scheduler = Scheduler(app=app, lazy=True)
        entry = ScheduleEntry("work", "work", schedule=schedule(60), app=app)

        def is_sent() -> bool:
            caplog.clear()
            scheduler.apply_entry(entry, producer=scheduler.producer)
            return not caplog.records

        caplog.set_level(logging.ERROR, "celery.beat")
        assert is_sent()
        proxy.set(Refuse())
        assert not is_sent()
        proxy.set(Pass())
        assert is_sent()


@pytest.mark.parametrize("end", ["ack", "reject", "requeue"])
def test_a_task_that_ends_after_its_redis_connection_did_harms_nobody(
    tmp_path: Path, end: str
) -> None:
    with Redis(tmp_path) as redis, Connection(redis.url) as connection:
        with connection.SimpleQueue("work") as queue:
            queue.put({"number": 1})
            message = queue.get(timeout=30)
        assert message.channel is not None
        message.channel.close()
        getattr(message, end)()
        assert message.acknowledged
