"""Celery messages: sent after commit, and a broker that is down costs a save nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from django.db import transaction

from lab.ports import free_port
from lab.proxy import BlackHole, Proxy
from provisioning.services import wake
from provisioning.services.wake import _send as send

pytestmark = pytest.mark.django_db

PUSH = "provisioning.tasks.push_store"
# Of an answer that does not come; saving takes no longer.
PATIENCE = 20


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sends through a broker of the test's choice, with the console's own settings."""

    def use(url: str, **options: Any) -> None:
        app = Celery("test", set_as_current=False, broker=url)
        app.config_from_object("django.conf:settings", namespace="CELERY")
        app.conf.update(broker_url=url, broker_transport_options=options)
        monkeypatch.setattr(wake, "current_app", app)

    return use


def test_a_message_is_sent_after_the_commit_and_not_before(
    messages: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        wake.push(store_id=7)
        wake.run(run_id=8)
        wake.check_server(server_id=9)
        assert messages == []
    assert messages == [
        ("provisioning.tasks.push_store", (7,)),
        ("provisioning.tasks.execute_run", (8,)),
        ("provisioning.tasks.check_server", (9,)),
    ]


def test_a_rolled_back_transaction_sends_nothing(
    messages: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        wake.push(store_id=7)
        transaction.set_rollback(True)
    assert messages == []


def test_a_message_is_a_file_where_no_broker_is_configured(
    tmp_path: Path, broker: Callable[..., None]
) -> None:
    folder = str(tmp_path)
    broker("filesystem://", data_folder_in=folder, data_folder_out=folder, control_folder=folder)
    send(PUSH, (7,))
    (message,) = tmp_path.glob("*.msg")
    assert PUSH in message.read_text()


@pytest.mark.parametrize("gone", ["data_folder_in", "data_folder_out", "control_folder"])
def test_a_folder_that_is_gone_does_not_fail_the_save(
    tmp_path: Path, broker: Callable[..., None], gone: str
) -> None:
    folders = ("data_folder_in", "data_folder_out", "control_folder")
    broker("filesystem://", **{name: str(tmp_path) for name in folders}
           | {gone: str(tmp_path / "gone" / "too")})  # fmt: skip
    send(PUSH, (7,))


def test_a_broker_that_is_down_does_not_fail_the_save(broker: Callable[..., None]) -> None:
    broker(f"redis://127.0.0.1:{free_port()}/0")
    began = time.monotonic()
    send(PUSH, (7,))
    assert time.monotonic() - began < PATIENCE


def test_a_broker_that_stays_silent_holds_a_save_up_for_seconds_only(
    broker: Callable[..., None],
) -> None:
    with Proxy(free_port()) as proxy:
        proxy.set(BlackHole())
        broker(f"redis://127.0.0.1:{proxy.port}/0", socket_connect_timeout=2, socket_timeout=3)
        began = time.monotonic()
        send(PUSH, (7,))
        assert time.monotonic() - began < PATIENCE
