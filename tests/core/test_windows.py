"""Change windows: when they are open, by the clock on the wall, over the change of the clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from provisioning.core.errors import InvalidInput
from provisioning.core.windows import is_open, next_change, read_windows

BERLIN = ZoneInfo("Europe/Berlin")
NIGHTS = read_windows("Mon-Fri 22:00-05:00")


def at(text: str, zone: ZoneInfo = BERLIN) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


@pytest.mark.parametrize(
    ("moment", "opened"),
    [
        ("2026-11-30 21:59", False),  # a Monday
        ("2026-11-30 22:00", True),
        ("2026-12-01 04:59", True),
        ("2026-12-01 05:00", False),
        ("2026-12-05 04:59", True),  # the night after Friday
        ("2026-12-05 22:00", False),
        ("2026-11-30 04:00", False),  # the night after Sunday
    ],
)
def test_a_window_over_midnight_belongs_to_the_day_on_which_it_begins(
    moment: str, opened: bool
) -> None:
    assert is_open(NIGHTS, BERLIN, at(moment)) is opened


@pytest.mark.parametrize(
    ("text", "moment", "opened"),
    [
        ("Sun 00:00-24:00", "2026-11-29 23:59", True),
        ("Sat-Mon 10:00-11:00", "2026-11-29 10:30", True),
        ("Sat-Mon 10:00-11:00", "2026-12-01 10:30", False),
        ("tue 9:00-10:00", "2026-12-01 09:00", True),
    ],
)
def test_days_may_go_over_the_end_of_the_week(text: str, moment: str, opened: bool) -> None:
    assert is_open(read_windows(text), BERLIN, at(moment)) is opened


def test_without_windows_it_is_always_open_and_never_changes() -> None:
    now = at("2026-11-29 12:00")
    assert is_open((), BERLIN, now)
    assert next_change((), BERLIN, now) is None


def test_the_next_opening_and_the_end_are_told_to_the_minute() -> None:
    assert next_change(NIGHTS, BERLIN, at("2026-11-29 12:00:30")) == at("2026-11-30 22:00")
    assert next_change(NIGHTS, BERLIN, at("2026-11-30 23:00")) == at("2026-12-01 05:00")


def test_a_window_keeps_the_time_on_the_wall_when_the_clocks_change() -> None:
    window = read_windows("Sun 01:00-04:00")
    spring, autumn = at("2026-03-29 00:00"), at("2026-10-25 00:00")
    lengths = []
    for day in (spring, autumn):
        opens = next_change(window, BERLIN, day)
        assert opens is not None
        closes = next_change(window, BERLIN, opens)
        assert closes is not None
        assert (opens.astimezone(BERLIN).hour, closes.astimezone(BERLIN).hour) == (1, 4)
        lengths.append(closes.astimezone(UTC) - opens.astimezone(UTC))
    assert lengths == [timedelta(hours=2), timedelta(hours=4)]


def test_a_window_whose_beginning_the_clock_leaps_over_opens_after_the_leap() -> None:
    window = read_windows("Sun 02:30-05:00")
    opens = next_change(window, BERLIN, at("2026-03-29 00:00"))
    assert opens is not None
    assert opens.astimezone(UTC) == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    ["night", "Mon-Fri", "Mon 25:00-26:00", "Mon 22:00-22:00", "Mon 22:61-23:00", "Xyz 1:00-2:00",
     "Mon 24:00-05:00", "Mon 22:00-05:00\n" * 21],
)  # fmt: skip
def test_what_is_no_window_is_refused_with_words(text: str) -> None:
    with pytest.raises(InvalidInput):
        read_windows(text)


def test_a_window_reads_back_as_it_was_written() -> None:
    text = "Mon-Fri 22:00-05:00\nSun 00:00-24:00"
    assert "\n".join(map(str, read_windows(text))) == text
