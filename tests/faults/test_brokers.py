"""Brokers that refuse or stay silent: a save costs seconds at most, and nothing is lost."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from celery import Celery

from lab.ports import free_port
from lab.proxy import BlackHole, Proxy
from lab.rabbitmq import Rabbitmq
from provisioning.services import wake
from provisioning.services.wake import _send as send

PUSH = "provisioning.tasks.push_store"
# Of an answer that does not come; saving takes no longer.
PATIENCE = 6

Broker = Callable[[str], None]


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    """Sends through a broker of the test's choice, with the console's own settings."""

    def use(url: str) -> None:
        app = Celery("test", set_as_current=False, broker=url)
        app.config_from_object("django.conf:settings", namespace="CELERY")
        app.conf.update(broker_url=url, broker_transport_options={})
        monkeypatch.setattr(wake, "current_app", app)

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
