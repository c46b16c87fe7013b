"""The schedule of a source: who may set it, what is refused, what beat gets."""

from __future__ import annotations

from datetime import time

import pytest
from django.test import Client
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from provisioning.models import AuditEvent, DirectorySource
from tests.factories import make_source

pytestmark = pytest.mark.django_db

SENT = {
    "mode": "syncrepl", "enabled": "on", "every": "5", "unit": "1", "full_at": "03:15",
    "full_zone": "Europe/Berlin",
}  # fmt: skip


@pytest.fixture
def source() -> DirectorySource:
    return make_source(name="Head office", interval_seconds=900)


def test_changes_every_few_seconds_and_everything_at_night(
    as_administrator: Client, source: DirectorySource
) -> None:
    url = f"/sources/{source.pk}/schedule/"
    page = as_administrator.get(url).content.decode()
    assert 'value="15"' in page
    assert "DirSync (Active Directory)" not in page
    assert as_administrator.post(url, SENT).status_code == 302
    source.refresh_from_db()
    assert (source.mode, source.interval_seconds) == ("syncrepl", 5)
    assert (source.full_at, source.full_zone) == (time(3, 15), "Europe/Berlin")
    tasks = PeriodicTask.objects.filter(enabled=True).order_by("name")
    assert [task.task.rpartition(".")[2] for task in tasks] == ["sync_source", "read_changes"]
    assert AuditEvent.objects.latest("pk").action == "changed"
    page = as_administrator.get(f"/sources/{source.pk}/").content.decode()
    assert "daily at 03:15 (Europe/Berlin)" in page


def test_a_paused_source_is_read_only_when_asked(
    as_administrator: Client, source: DirectorySource
) -> None:
    sent = {name: value for name, value in SENT.items() if name != "enabled"}
    as_administrator.post(f"/sources/{source.pk}/schedule/", sent)
    assert not PeriodicTask.objects.filter(enabled=True).exists()
    page = as_administrator.get(f"/sources/{source.pk}/").content.decode()
    assert "paused: read only when asked" in page


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"mode": "dirsync"}, "dirsync is not one of the available choices"),
        ({"mode": "full", "every": "5"}, "From 10 seconds to 7 days."),
        ({"every": "0"}, "greater than or equal to 1"),
        ({"every": "604800", "unit": "3600"}, "From 1 second to 7 days."),
        ({"full_zone": "Mars/Olympus"}, "Mars/Olympus is not one of the available choices"),
        ({"full_at": "25:00"}, "Enter a valid time"),
    ],
)
def test_what_cannot_be_kept_is_said_at_its_field(
    as_administrator: Client, source: DirectorySource, sent: dict[str, str], words: str
) -> None:
    answer = as_administrator.post(f"/sources/{source.pk}/schedule/", {**SENT, **sent})
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not PeriodicTask.objects.exists()


def test_the_page_of_a_source_says_what_reading_changes_misses(
    as_administrator: Client, source: DirectorySource
) -> None:
    DirectorySource.objects.filter(pk=source.pk).update(
        mode="syncrepl", unseen="Deleted people.", fell_back="No syncprov.",
        fell_back_at=timezone.now(),
    )  # fmt: skip
    page = as_administrator.get(f"/sources/{source.pk}/").content.decode()
    assert "Reading changes does not notice everything." in page
    assert "Its changes cannot be read, so everything is." in page
    DirectorySource.objects.filter(pk=source.pk).update(cookie=b"x")
    page = as_administrator.get(f"/sources/{source.pk}/").content.decode()
    assert "Its changes cannot be read" not in page
    assert "No syncprov." in page


def test_only_an_administrator_sets_a_schedule(
    as_helpdesk: Client, as_viewer: Client, source: DirectorySource
) -> None:
    for client in (as_helpdesk, as_viewer):
        assert client.post(f"/sources/{source.pk}/schedule/", SENT).status_code == 403
