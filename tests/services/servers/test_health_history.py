"""The history of health: one row for each interval, gaps that stay gaps, and an end."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from provisioning.core.errors import Unreachable
from provisioning.core.records import ServerHealth
from provisioning.models import HealthSample, SipServer
from provisioning.services.servers.health_history import (
    Length,
    forget_old,
    history_of,
    note,
    reach_of,
    registrations_since,
    without_gaps,
)
from tests.factories import make_pool, make_store

pytestmark = [pytest.mark.django_db, pytest.mark.database]

DAY = timedelta(days=1)


def make_server(name: str = "sip1", **values: Any) -> SipServer:
    return SipServer.objects.create(
        name=name, pool=make_pool(), store=make_store(), sip_host="sip.example.com",
        rpc_url="https://sip.example.com/RPC", **values,
    )  # fmt: skip


def up(latency: float = 2.0, registrations: int | None = 10, **values: Any) -> ServerHealth:
    return ServerHealth("kamailio 6", 60, latency, registrations, **values)


def add(server: SipServer, at: datetime, registrations: int | None, length: int = 300) -> None:
    HealthSample.objects.create(
        server=server, seconds=length, at=at, checks=10, failures=0, latency_total=20,
        latency_most=4, registrations=registrations,
    )  # fmt: skip


def test_checks_of_one_interval_are_one_row_of_each_length() -> None:
    server = make_server()
    note(servers=[server], answers=[up(2.0, 10, memory_percent=8.5, connections=7)])
    note(servers=[server], answers=[up(6.0, None, memory_percent=7.0, connections=9)])
    note(servers=[server], answers=[Unreachable("No answer.")])
    for length in Length:
        # Two where the tests run at the turn of an interval.
        samples = list(HealthSample.objects.filter(server=server, seconds=length).order_by("at"))
        assert len(samples) in (1, 2)
        assert sum(each.checks for each in samples) == 3
        assert sum(each.failures for each in samples) == 1
        if len(samples) == 1:
            [only] = samples
            assert (only.latency_ms, only.latency_most) == (4.0, 6.0)
            assert (only.registrations, only.memory_percent, only.connections) == (10, 8.5, 9)


def test_a_server_that_never_answered_has_no_latency_and_no_registrations() -> None:
    server = make_server()
    note(servers=[server], answers=[Unreachable("No answer.")])
    [only] = HealthSample.objects.filter(seconds=Length.SHORT)
    assert (only.latency_ms, only.registrations, only.memory_percent) == (None, None, None)
    assert reach_of(samples=[only]).percent == 0
    assert reach_of(samples=[]).percent is None


def test_what_is_near_is_shown_in_short_intervals_and_what_is_far_in_long_ones() -> None:
    server, now = make_server(), timezone.now()
    add(server, now - timedelta(minutes=10), 5)
    add(server, now - timedelta(hours=1), 5, Length.LONG)
    add(server, now - 3 * DAY, 4, Length.LONG)
    assert [each.seconds for each in history_of(server=server, since=now - DAY)] == [300]
    assert [each.seconds for each in history_of(server=server, since=now - 7 * DAY)] == [3600, 3600]


def test_a_sum_over_servers_is_unknown_where_one_did_not_say() -> None:
    one, two, switched_off = make_server("a"), make_server("b"), make_server("c", enabled=False)
    now = timezone.now()
    early, late = now - timedelta(minutes=20), now - timedelta(minutes=10)
    for server in (one, two, switched_off):
        add(server, early, 10)
    add(one, late, 10)
    add(two, late, None)
    assert registrations_since(since=now - DAY) == [(early, 20), (late, None)]


def test_an_interval_without_a_check_is_a_gap() -> None:
    at = timezone.now()
    later = at + timedelta(seconds=1200)
    points = list(without_gaps([(at, 1), (later, 2)], 300))
    assert points == [(at, 1), (at + timedelta(seconds=300), None), (later, 2)]


def test_old_samples_are_forgotten_each_in_its_time() -> None:
    server, now = make_server(), timezone.now()
    add(server, now - 3 * DAY, 1)
    add(server, now - 1 * DAY, 2)
    add(server, now - 29 * DAY, 3, Length.LONG)
    add(server, now - 31 * DAY, 4, Length.LONG)
    assert forget_old() == 2
    assert set(HealthSample.objects.values_list("registrations", flat=True)) == {2, 3}
