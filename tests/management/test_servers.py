"""`servers`: how they were found, how they are now, and their connections step by step."""

from __future__ import annotations

import io
import json
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from provisioning.models import ConfigStore, PendingChange, SipServer
from tests.factories import make_pool, make_store

pytestmark = [pytest.mark.database, pytest.mark.django_db]


def run(*arguments: str, status: int = 0) -> str:
    out = io.StringIO()
    if not status:
        call_command("servers", *arguments, stdout=out)
        return out.getvalue()
    with pytest.raises(CommandError) as ended:
        call_command("servers", *arguments, stdout=out)
    assert ended.value.returncode == status, ended.value
    return f"{out.getvalue()}{ended.value}"


@pytest.fixture
def store(db: None) -> ConfigStore:
    return make_store(pool=make_pool(), name="Frankfurt database")


@pytest.fixture
def server(store: ConfigStore) -> SipServer:
    """One that was up a minute ago; nothing listens at its address."""
    return SipServer.objects.create(
        name="sip1", pool=store.pool, store=store, sip_host="sip1.example.com",
        rpc_url="http://127.0.0.1:1/RPC", health="up", version="kamailio 5.6.3", latency_ms=3.5,
        registration_count=812, checked_at=timezone.now() - timedelta(minutes=1),
    )  # fmt: skip


def test_the_last_look_is_told_and_nobody_is_asked(server: SipServer) -> None:
    said = run()
    assert "sip1 (Frankfurt): up" in said
    assert "3.5 ms, kamailio 5.6.3, 812 registrations" in said
    told = json.loads(run("--json"))
    assert told["servers"][0]["latency_ms"] == 3.5
    assert told["stores"][0]["store"] == "Frankfurt database"
    server.refresh_from_db()
    assert server.health == "up"


def test_asked_now_a_server_that_is_down_ends_with_1(server: SipServer) -> None:
    said = run("--now", status=1)
    assert "sip1 (Frankfurt): down" in said
    assert "Out of reach: sip1." in said
    assert json.loads(run("--json", status=1).rpartition("}")[0] + "}")["servers"][0]["problem"]


def test_what_needs_a_look_ends_with_2(server: SipServer, store: ConfigStore) -> None:
    SipServer.objects.update(
        certificate_checked_at=timezone.now(),
        certificate_expires_at=timezone.now() + timedelta(days=3),
    )
    assert "It expires on" in run(status=2)
    SipServer.objects.update(certificate_checked_at=None, health="unknown")
    assert "Look at sip1." in run(status=2)
    SipServer.objects.update(health="up")
    for key, dead in (("a", True), ("b", False)):
        PendingChange.objects.create(
            store=store, kind="subscriber", key=key, dead=dead, marked_at=timezone.now()
        )
    said = run(status=2)
    assert "1 pending, 1 given up" in said
    assert "Look at Frankfurt database." in said


def test_a_server_that_is_not_in_use_is_told_of_only_by_name(server: SipServer) -> None:
    SipServer.objects.update(enabled=False, health="down")
    assert run() == ""
    assert "sip1" in run("sip1", status=1)
    assert "no SIP server “sip9”. There are: sip1." in run("sip9", status=3)


def test_the_connections_are_tried_step_by_step(server: SipServer) -> None:
    said = run("--test", status=1)
    assert "FAILED   Connection" in said
    tests = json.loads(run("--test", "--json", status=1).rpartition("}")[0] + "}")["tests"]
    assert [next(iter(test.items())) for test in tests] == [
        ("server", "sip1"), ("store", "Frankfurt database"),
    ]  # fmt: skip
    server.refresh_from_db()
    assert server.health == "up"
