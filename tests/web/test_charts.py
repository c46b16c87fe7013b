"""Charts: gaps stay gaps, the axis is round, and whoever cannot see them reads a table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from provisioning.models import HealthSample, SipServer
from provisioning.web.charts import draw
from tests.factories import make_pool, make_store
from tests.web.pages import queries_of, text_of

START = datetime(2026, 11, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def points(*values: float | None) -> list[tuple[datetime, float | None]]:
    return [(START + n * HOUR, value) for n, value in enumerate(values)]


def test_what_is_not_known_parts_the_line() -> None:
    chart = draw(
        name="x", title="Answers", points=points(1, 2, None, 3), since=START, until=START + 4 * HOUR
    )
    assert len(chart.lines) == len(chart.areas) == 2
    assert chart.summary == "Answers: from 1 to 3, at last 3."
    assert [value for _, value in chart.rows] == ["3", "not known", "2", "1"]


def test_a_chart_of_nothing_says_so_and_draws_no_zero() -> None:
    chart = draw(name="x", title="Answers", points=points(None), since=START, until=START + HOUR)
    assert chart.lines == []
    assert "nothing is known" in chart.summary
    gone = draw(name="x", title="A", points=points(5, None), since=START, until=START + 2 * HOUR)
    assert "now it is not known" in gone.summary


@pytest.mark.parametrize(
    ("most", "marks"),
    [
        (0, ["0", "1"]),
        (9, ["0", "5", "10"]),
        (1, ["0", "1"]),
        (4, ["0", "2", "4"]),
        (97_000, ["0", "50,000", "100,000"]),
        (18_000, ["0", "10,000", "20,000"]),
        (300, ["0", "100", "200", "300"]),
    ],
)
def test_the_axis_has_round_numbers(most: float, marks: list[str]) -> None:
    chart = draw(name="x", title="A", points=points(most), since=START, until=START + HOUR)
    assert [tick.label for tick in chart.up] == marks


@pytest.mark.parametrize(
    ("hours", "marks"),
    [
        (24, ["08:00", "12:00", "16:00", "20:00", "00:00", "04:00"]),
        (24 * 7, ["2 Nov", "3 Nov", "4 Nov", "5 Nov", "6 Nov", "7 Nov", "8 Nov"]),
        (24 * 30, ["6 Nov", "11 Nov", "16 Nov", "21 Nov", "26 Nov"]),
    ],
)
def test_times_are_marked_at_round_hours_and_days(hours: int, marks: list[str]) -> None:
    since = START + timedelta(hours=5, minutes=17)
    until = since + hours * HOUR
    chart = draw(name="x", title="A", points=points(1), since=since, until=until)
    assert [tick.label for tick in chart.across] == marks


def test_a_table_has_at_most_a_row_an_hour_for_a_day() -> None:
    many = [(START + n * timedelta(minutes=5), float(n)) for n in range(288)]
    chart = draw(name="x", title="A", points=many, since=START, until=START + 24 * HOUR)
    assert len(chart.rows) == 24
    assert chart.rows[0][1] == "287"


@pytest.mark.django_db
def test_the_history_of_a_server_is_drawn_for_a_day_a_week_or_a_month(as_viewer: Client) -> None:
    server = SipServer.objects.create(
        name="sip1", pool=make_pool(), store=make_store(), sip_host="sip1.example.com",
        rpc_url="https://sip1.example.com/RPC",
    )  # fmt: skip
    address = reverse("server-health", args=[server.pk])
    assert "was not asked" in text_of(as_viewer.get(address))
    now = timezone.now()
    for minutes, failures in ((20, 0), (10, 5)):
        for length in (300, 3600):
            HealthSample.objects.create(
                server=server, seconds=length, at=now - timedelta(minutes=minutes), checks=10,
                failures=failures, latency_total=20, latency_most=4, registrations=1200,
            )  # fmt: skip
    for name in ("day", "week", "month"):
        page = as_viewer.get(address, {"range": name})
        assert "75.00 % of 20 checks" in text_of(page)
        assert "Registrations: from 1,200 to 1,200, at last 1,200." in text_of(page)
        assert page.content.count(b"<svg") == 2
        assert b"style=" not in page.content
    assert as_viewer.get(address, {"range": "year"}).status_code == 400
    assert Client().get(address).status_code == 302
    assert queries_of(as_viewer, address) <= 10
    assert "Registered: from 1,200" in text_of(as_viewer.get("/"))
