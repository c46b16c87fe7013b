"""A disk without any room: nothing is lost, nothing is half there, and the console says so."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from django.test import Client
from pytest_django import Settings

from lab.disk import SmallDisk
from lab.kamailio_store import SqliteStore
from provisioning.models import ConfigStore
from provisioning.services import wake
from provisioning.services.push import outbox
from provisioning.services.wake import _send as send
from tests.factories import make_account
from tests.push_site import Site

pytestmark = pytest.mark.django_db


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with SmallDisk(tmp_path / "disk") as disk:
        yield disk


def test_a_console_without_room_is_not_ready_until_it_has_some(
    disk: SmallDisk, settings: Settings
) -> None:
    settings.DATA = disk.directory
    assert Client().get("/readyz").status_code == 200
    disk.fill()
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"database": True, "disk": False})
    disk.free()
    assert Client().get("/readyz").status_code == 200


def test_a_message_that_finds_no_room_is_not_half_written_and_fails_no_save(
    disk: SmallDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = ("data_folder_in", "data_folder_out", "control_folder")
    app = Celery("test", set_as_current=False, broker="filesystem://")
    app.conf.update(
        broker_url="filesystem://",
        broker_transport_options=dict.fromkeys(folders, str(disk.directory)),
    )
    monkeypatch.setattr(wake, "current_app", app)
    refused: list[Any] = []
    monkeypatch.setattr(wake.log, "exception", lambda event, **values: refused.append(values))
    disk.fill()
    send("provisioning.tasks.push_store", (7,))
    assert len(refused) == 1
    assert not [*disk.directory.glob("*.msg"), *disk.directory.glob("*.draft")]
    disk.free()
    send("provisioning.tasks.push_store", (7,))
    (message,) = disk.directory.glob("*.msg")
    assert message.stat().st_size


def test_a_store_without_room_keeps_what_it_has_and_gets_the_rest_afterwards(
    disk: SmallDisk, site: Site
) -> None:
    assert isinstance(site.lab, SqliteStore)
    file = Path(shutil.copy(site.lab.file, disk.directory))
    ConfigStore.objects.filter(pk=site.store.pk).update(database=str(file))
    site = Site(site.store, SqliteStore(file))
    outbox.mark_account(make_account(user_part="ann"))
    assert site.push().left == 0
    disk.fill()
    outbox.mark_account(make_account(user_part="bob"))
    report = site.push()
    assert "disk is full" in report.problem
    assert site.pending() == {"bob@voice.example.com"}
    disk.free()
    site.end_backoff()
    assert site.push().left == 0
    assert set(site.subscribers()) == {"ann@voice.example.com", "bob@voice.example.com"}
