"""The audit log: shown newest first, filtered, and checked against edits."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from provisioning.models import AuditEvent, ConsoleUser
from provisioning.services.actor import COMMAND_LINE, SYNC, Actor
from provisioning.services.console import audit
from tests.factories import make_gateway, make_route, make_trusted_host

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def names(client: Client, query: str = "") -> list[str]:
    answer = client.get(f"/audit/{query}", headers={"HX-Request": "true"})
    assert answer.status_code == 200
    assert b"<html" not in answer.content
    return [entry.action for entry in answer.context["entries"]]


def test_events_are_shown_newest_first_with_what_changed(
    as_viewer: Client, administrator: ConsoleUser
) -> None:
    actor = Actor.of(administrator, "abc123")
    audit.record(actor=SYNC, action="created account")
    detail = {"state": ["active", "blocked"], "reason": "Lost <phone>"}
    audit.record(actor=actor, action="changed console user", obj=administrator, detail=detail)
    answer = as_viewer.get("/audit/")
    page = answer.content.decode()
    assert [entry.action for entry in answer.context["entries"]] == [
        "changed console user", "created account",
    ]  # fmt: skip
    assert [entry.who for entry in answer.context["entries"]] == [
        "Anna Admin (anna)", "directory sync",
    ]  # fmt: skip
    assert names(as_viewer, "?actor=anna+admin") == ["changed console user"]
    assert names(as_viewer, "?actor=anna") == ["changed console user"]
    assert "<del>active</del>" in page
    assert "Lost &lt;phone&gt;" in page
    assert "abc123" in page
    assert f'href="/administration/{administrator.pk}/"' in page


@pytest.mark.parametrize(
    ("make", "title"),
    [
        (make_gateway, "Created gateway Carrier"),
        (partial(make_route, "+44", name="All"), "Created route All"),
        (make_trusted_host, "Created trusted host 192.0.2.0/24"),
    ],
)
def test_what_has_a_page_is_named_with_its_kind_and_leads_there(
    as_administrator: Client, make: Callable[[], Any], title: str
) -> None:
    row = make()
    audit.record(actor=COMMAND_LINE, action="created", obj=row)
    kind = row._meta.model_name
    (entry,) = as_administrator.get("/audit/", {"object_type": kind}).context["entries"]
    assert entry.title.startswith(title)
    assert as_administrator.get(entry.href).status_code == 200


def test_events_are_filtered_by_who_what_and_when(
    as_viewer: Client, administrator: ConsoleUser
) -> None:
    audit.record(actor=SYNC, action="created account")
    audit.record(actor=COMMAND_LINE, action="created console user", obj=administrator)
    old = AuditEvent.objects.get(action="created account")
    AuditEvent.objects.filter(pk=old.pk).update(at=datetime(2020, 5, 1, 12, tzinfo=UTC))
    assert names(as_viewer, "?actor=SYNC") == ["created account"]
    assert names(as_viewer, "?action=console") == ["created console user"]
    assert names(as_viewer, "?object_type=consoleuser") == ["created console user"]
    assert names(as_viewer, "?q=anna") == ["created console user"]
    assert names(as_viewer, "?until=2020-05-01") == ["created account"]
    assert names(as_viewer, "?since=2020-05-02") == ["created console user"]
    assert names(as_viewer, "?since=2020-05-01&until=2020-04-30") == []


@pytest.mark.parametrize("query", ["?object_type=nonsense", "?since=yesterday", "?detail__x=1"])
def test_a_filter_that_does_not_exist_changes_nothing(as_viewer: Client, query: str) -> None:
    audit.record(actor=SYNC, action="created account")
    assert names(as_viewer, query) == ["created account"]


def test_following_the_pages_shows_every_event_once(
    as_viewer: Client, django_assert_max_num_queries: Any
) -> None:
    for number in range(60):
        audit.record(actor=SYNC, action=f"step {number}")
    first = as_viewer.get("/audit/", headers={"HX-Request": "true"})
    with django_assert_max_num_queries(8):
        cursor = first.context["page"].next
        second = as_viewer.get("/audit/", {"cursor": cursor}, headers={"HX-Request": "true"})
    shown = [e.action for page in (first, second) for e in page.context["entries"]]
    assert shown == [f"step {number}" for number in reversed(range(60))]
    assert as_viewer.get("/audit/", {"cursor": "made up"}).status_code == 400


def verified() -> str:
    out = io.StringIO()
    call_command("verify_audit", stdout=out)
    return out.getvalue()


@pytest.fixture
def events(administrator: ConsoleUser) -> list[AuditEvent]:
    for number in range(4):
        detail = {"state": ["active", "blocked"], "number": number}
        audit.record(actor=COMMAND_LINE, action="blocked", obj=administrator, detail=detail)
    return list(AuditEvent.objects.order_by("id"))


def test_a_whole_log_is_confirmed(events: list[AuditEvent]) -> None:
    assert "4 events" in verified()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("action", "blockee"),
        ("actor_name", "command lime"),
        ("object_name", "Anna Admim"),
        ("object_id", "2"),
        ("request_id", "x"),
        ("detail", {"state": ["active", "blockee"], "number": 1}),
        ("hash", "0" * 64),
    ],
)
def test_one_edited_byte_is_found(events: list[AuditEvent], column: str, value: object) -> None:
    AuditEvent.objects.filter(pk=events[1].pk).update(**{column: value})
    with pytest.raises(CommandError, match=f"Event {events[1].pk} "):
        verified()


def test_a_moved_clock_and_a_removed_event_are_found(events: list[AuditEvent]) -> None:
    later = events[2].at + timedelta(microseconds=1)
    AuditEvent.objects.filter(pk=events[2].pk).update(at=later)
    with pytest.raises(CommandError, match=f"Event {events[2].pk} "):
        verified()
    AuditEvent.objects.filter(pk=events[2].pk).update(at=events[2].at)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM provisioning_auditevent WHERE id = %s", [events[1].pk])
    with pytest.raises(CommandError, match=f"Event {events[2].pk} "):
        verified()
