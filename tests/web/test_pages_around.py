"""What is around every page: navigation, Pause, health, errors, search over everything."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, OperationalError, connection
from django.test import Client
from django.utils import timezone

from provisioning.models import AuditEvent, ConsoleUser, Number, PushPause, Run
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.push import pause
from provisioning.web.console import overview
from tests.factories import make_account, make_group, make_person, make_source, make_store

pytestmark = pytest.mark.django_db


def text(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_navigation_shows_what_the_role_may_see(
    as_administrator: Client, as_viewer: Client
) -> None:
    assert 'href="/administration/"' in text(as_administrator, "/")
    assert 'href="/administration/"' not in text(as_viewer, "/")
    assert '<a href="/audit/" aria-current="page">' in text(as_viewer, "/audit/")


def test_the_navigation_counts_the_runs_that_wait(as_viewer: Client) -> None:
    Run.objects.create(kind=Run.Kind.SYNC, source=make_source(), state=Run.State.WAITING)
    page = as_viewer.get("/audit/")
    items = [item for _, items in page.context["nav"] for item in items]
    assert {item.count for item in items if item.label == "Changes"} <= {1}


def test_the_health_of_the_directories_is_that_of_the_worst(as_viewer: Client) -> None:
    now = timezone.now()
    make_source(name="fine", last_complete_at=now)
    assert "Directory in sync" in text(as_viewer, "/")
    make_source(name="old", last_complete_at=now - timedelta(hours=2))
    page = text(as_viewer, "/")
    assert "Directory is late" in page
    assert "old · 2 hours ago" in page


@pytest.mark.parametrize(
    ("state", "words"), [("failed", "Last sync failed"), ("waiting", "Changes wait for approval")]
)
def test_a_directory_whose_newest_run_failed_or_waits_is_not_in_sync(
    as_viewer: Client, state: str, words: str
) -> None:
    source = make_source(name="corp", last_complete_at=timezone.now())
    Run.objects.create(kind="sync", source=source, state="done")
    run = Run.objects.create(
        kind="sync", source=source, state=state, finished_at=timezone.now(), problem="Time-out"
    )
    Run.objects.create(kind="sync", source=source, state="done", dry=True)
    health = as_viewer.get("/audit/").context["health"]
    assert (health.title, health.href) == (words, f"/changes/{run.pk}/")
    Run.objects.create(kind="sync", source=source, state="done")
    assert "Directory in sync" in text(as_viewer, "/audit/")


def test_a_directory_that_was_never_read_or_is_not_on_schedule_is_not_in_sync(
    as_viewer: Client,
) -> None:
    source = make_source(name="corp")
    assert "Directory not read yet" in text(as_viewer, "/audit/")
    source.last_complete_at, source.enabled = timezone.now(), False
    source.save()
    assert "Not read on schedule" in text(as_viewer, "/audit/")


def test_several_directories_that_need_a_look_are_counted(as_viewer: Client) -> None:
    for name in ("one", "two", "three"):
        source = make_source(name=name, last_complete_at=timezone.now())
        if name != "three":
            Run.objects.create(kind="sync", source=source, state="failed")
    page = text(as_viewer, "/audit/")
    assert "1 more" in page


def test_a_pause_shows_on_every_page_and_its_end_wakes_the_managed_stores(
    as_administrator: Client,
    messages: list[tuple[str, tuple[int, ...]]],
    django_capture_on_commit_callbacks: Any,
) -> None:
    store = make_store()
    make_store(mode="observe")
    answer = as_administrator.post("/pause/", {"reason": "Moving the data centre"})
    assert answer.status_code == 302
    assert pause.is_paused()
    assert "Moving the data centre" in text(as_administrator, "/audit/")
    with django_capture_on_commit_callbacks(execute=True):
        as_administrator.post("/pause/resume/")
    assert not pause.is_paused()
    assert messages == [("provisioning.tasks.push_store", (store.pk,))]
    actions = list(AuditEvent.objects.order_by("id").values_list("action", flat=True))
    assert actions == ["paused all pushes", "resumed all pushes"]


def test_a_pause_needs_a_reason(as_administrator: Client) -> None:
    answer = as_administrator.post("/pause/", {"reason": " "})
    assert answer.status_code == 422
    assert not PushPause.objects.filter(paused=True).exists()


def test_pausing_twice_says_so_and_keeps_the_first_reason(as_administrator: Client) -> None:
    pause.pause(reason="first", actor=COMMAND_LINE)
    answer = as_administrator.post("/pause/", {"reason": "second"})
    assert answer.status_code == 422
    assert PushPause.objects.get().reason == "first"


def test_the_help_desk_cannot_pause(as_helpdesk: Client) -> None:
    assert as_helpdesk.post("/pause/", {"reason": "because"}).status_code == 403
    assert not pause.is_paused()


def test_health_answers_without_signing_in() -> None:
    client = Client()
    assert client.get("/healthz").content == b"ok\n"
    assert client.get("/readyz").json() == {"database": True, "disk": True}


def test_a_full_disk_and_a_lost_database_are_not_ready(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DATA = tmp_path / "gone"
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.json()["disk"]) == (503, False)

    def lost() -> None:
        raise DatabaseError("password of the database: hunter2")

    monkeypatch.setattr(connection, "cursor", lost)
    answer = Client().get("/readyz")
    assert answer.json()["database"] is False
    assert b"hunter2" not in answer.content


def test_an_error_shows_its_reference_and_nothing_else(
    as_viewer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(overview, "overview", broken)
    as_viewer.raise_request_exception = False
    answer = as_viewer.get("/")
    page = answer.content.decode()
    assert answer.status_code == 500
    assert answer["X-Request-ID"] in page
    assert "secret detail" not in page


def test_what_is_not_there_says_so(as_viewer: Client) -> None:
    answer = as_viewer.get("/nowhere/")
    assert answer.status_code == 404
    assert "There is nothing here" in answer.content.decode()


def hits(client: Client, query: str) -> list[str]:
    answer = client.get("/palette/", {"q": query})
    assert answer.status_code == 200
    return [
        f"{heading}: {hit.label}" for heading, found in answer.context["groups"] for hit in found
    ]


@pytest.fixture
def everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if every page existed: the search offers only what it can lead to."""
    monkeypatch.setattr(
        "provisioning.web.console.palette.href_of", lambda name, *pk: f"/{name}/{pk}"
    )


@pytest.mark.usefixtures("everywhere")
def test_the_palette_finds_accounts_people_numbers_groups_and_pages(as_viewer: Client) -> None:
    account = make_account("Zoë Müller", user_part="zoe.mueller")
    Number.objects.create(e164="+442079460123", account=account, state="assigned")
    make_person("Mull Person")
    make_group("Mullets")
    assert hits(as_viewer, "mull") == [
        "Accounts: Zoë Müller", "People: Mull Person", "Groups: Mullets",
    ]  # fmt: skip
    assert hits(as_viewer, "020 7946 0123") == ["Numbers: +442079460123"]
    assert hits(as_viewer, "audit") == ["Go to: Audit log"]


@pytest.mark.usefixtures("everywhere")
def test_the_palette_offers_only_pages_of_the_role(
    as_viewer: Client, as_administrator: Client
) -> None:
    assert hits(as_viewer, "administration") == []
    assert hits(as_administrator, "administration") == ["Go to: Administration"]


def test_the_palette_finds_what_lies_within_pages_and_only_what_the_role_may(
    as_administrator: Client, as_viewer: Client
) -> None:
    for query, label in (("propos", "Proposals of SIP URIs"), ("range", "Number ranges")):
        assert label in as_viewer.get("/palette/", {"q": query}).content.decode()
    assert "New account rule" in as_administrator.get("/palette/", {"q": "rule"}).content.decode()
    assert "New account rule" not in as_viewer.get("/palette/", {"q": "rule"}).content.decode()


@pytest.mark.usefixtures("everywhere")
def test_the_palette_offers_a_few_of_many_with_few_queries(
    as_viewer: Client, django_assert_max_num_queries: Any
) -> None:
    for number in range(10):
        make_account(f"Room {number}")
    with django_assert_max_num_queries(14):
        assert len(hits(as_viewer, "room")) == 6


@pytest.mark.parametrize("query", ["'; DROP TABLE x", "%", "_", "\\", "\x00", "<script>"])
def test_the_palette_takes_any_text(as_viewer: Client, query: str) -> None:
    answer = as_viewer.get("/palette/", {"q": query})
    assert answer.status_code == 200
    assert b"<script>" not in answer.content


def test_an_administrators_name_stands_at_the_top(
    as_administrator: Client, administrator: ConsoleUser
) -> None:
    assert administrator.name in text(as_administrator, "/")


@pytest.mark.parametrize(
    ("words", "status"), [("database is locked", 503), ("no such table", None)]
)
def test_a_database_that_stays_locked_is_said_to_be_busy(
    as_helpdesk: Client, monkeypatch: pytest.MonkeyPatch, words: str, status: int | None
) -> None:
    def locked(**_: Any) -> None:
        raise OperationalError(words)

    monkeypatch.setattr("provisioning.services.accounts.blocks.block_account", locked)
    address = f"/accounts/{make_account().pk}/block/"
    if status is None:
        with pytest.raises(OperationalError):
            as_helpdesk.post(address, {"reason": "x"})
        return
    response = as_helpdesk.post(address, {"reason": "x"})
    assert (response.status_code, response["Retry-After"]) == (status, "10")
    assert "Nothing was changed" in response.content.decode()


def test_the_palette_finds_the_pages_of_a_source_and_only_what_the_role_may(
    as_viewer: Client, as_administrator: Client
) -> None:
    source = make_source(name="Head office")
    make_source(name="Entra", kind="scim")
    assert hits(as_administrator, "head") == [
        "Sources: Head office", "Sources: Head office: Change", "Sources: Head office: Schedule",
        "Sources: Head office: Key", "Sources: Head office: Write-back",
    ]  # fmt: skip
    assert hits(as_viewer, "head") == ["Sources: Head office"]
    assert "Sources: Entra: Key" not in hits(as_administrator, "entra")
    page = as_administrator.get("/palette/", {"q": "schedule head"}).content.decode()
    assert f"/sources/{source.pk}/schedule/" in page
