"""Change windows: weekly times at which something may be changed, as the clock on the wall says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from provisioning.core.errors import InvalidInput

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_LINE = re.compile(
    r"(?P<first>[A-Za-z]{3})(?:\s*-\s*(?P<last>[A-Za-z]{3}))?\s+"
    r"(?P<start>\d\d?:\d\d)\s*-\s*(?P<end>\d\d?:\d\d)"
)
_DAY = 24 * 60
_WEEK = 7 * _DAY
_MINUTE = timedelta(minutes=1)
_MOST = 20


@dataclass(frozen=True, slots=True)
class Window:
    """From `start` to `end`, minutes of a day, on `days` (Monday is 0).

    One that ends before it begins ends on the next day.
    """

    first: int
    last: int
    start: int
    end: int

    def __str__(self) -> str:
        days = _DAYS[self.first]
        if self.last != self.first:
            days = f"{days}-{_DAYS[self.last]}"
        return f"{days} {_clock(self.start)}-{_clock(self.end)}"

    def holds(self, at: datetime) -> bool:
        """Whether it is open at a local time."""
        day, minute = at.weekday(), at.hour * 60 + at.minute
        if self.start < self.end:
            return self._begins_on(day) and self.start <= minute < self.end
        if self._begins_on(day) and minute >= self.start:
            return True
        return self._begins_on((day - 1) % 7) and minute < self.end

    def _begins_on(self, day: int) -> bool:
        return (day - self.first) % 7 <= (self.last - self.first) % 7


def read_windows(text: str) -> tuple[Window, ...]:
    """The windows of a text such as "Mon-Fri 22:00-05:00", one a line; raises InvalidInput."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) > _MOST:
        raise InvalidInput(f"At most {_MOST} windows.")
    return tuple(_read(line) for line in lines)


def is_open(windows: Sequence[Window], zone: ZoneInfo, now: datetime) -> bool:
    """Whether one of `windows` is open; without any it always is."""
    local = now.astimezone(zone)
    return not windows or any(window.holds(local) for window in windows)


def next_change(windows: Sequence[Window], zone: ZoneInfo, now: datetime) -> datetime | None:
    """When the first window opens, or the last of those that are open closes; None for never.

    Looked for minute by minute: where a clock is put forward or back, nothing has to be reckoned.
    """
    before = is_open(windows, zone, now)
    at = now.astimezone(UTC).replace(second=0, microsecond=0)
    for _ in range(_WEEK + _DAY):
        at += _MINUTE
        if is_open(windows, zone, at) != before:
            return at
    return None


def _read(line: str) -> Window:
    found = _LINE.fullmatch(line)
    if found is None:
        raise InvalidInput(
            f"“{line[:60]}” is no change window. Write days and times, such as Mon-Fri 22:00-05:00."
        )
    first, last = _day(found["first"]), _day(found["last"] or found["first"])
    start, end = _minutes(found["start"]), _minutes(found["end"])
    if start in (_DAY, end):
        raise InvalidInput(f"“{line[:60]}”: the end is the beginning. A day is 00:00-24:00.")
    return Window(first, last, start, end)


def _day(name: str) -> int:
    try:
        return _DAYS.index(name.capitalize())
    except ValueError as error:
        raise InvalidInput(f"“{name}” is no day; days are {', '.join(_DAYS)}.") from error


def _minutes(text: str) -> int:
    hours, minutes = map(int, text.split(":"))
    if minutes > 59 or hours * 60 + minutes > _DAY:
        raise InvalidInput(f"“{text}” is no time of a day; times are 00:00 to 24:00.")
    return hours * 60 + minutes


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"
