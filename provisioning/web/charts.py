"""Lines over time as SVG made on the server: what the template draws, and the same as a table."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.utils import timezone

Points = Sequence[tuple[datetime, float | None]]

WIDTH, HEIGHT = 640, 180
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 10, 12, 24
_ROWS = 24
_STEPS = (1, 2, 5, 10)
# Marks of the time axis stand this far apart, and at most so many of them.
_TIMES = tuple(timedelta(hours=hours) for hours in (1, 2, 4, 6, 12, 24, 48, 120))
_MOST_TIMES = 7
# Half the width of a mark's words.
_HALF_LABEL = 20


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark at an axis: where, in the units of the drawing, and its words."""

    place: float
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """One drawing. `lines` and `areas` are SVG path data, parted where nothing is known."""

    name: str
    title: str
    summary: str
    lines: list[str] = field(default_factory=list)
    areas: list[str] = field(default_factory=list)
    across: list[Tick] = field(default_factory=list)
    up: list[Tick] = field(default_factory=list)
    rows: list[tuple[str, str]] = field(default_factory=list)
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def bottom(self) -> int:
        """Where the time axis is."""
        return self.height - _BOTTOM

    @property
    def left(self) -> int:
        """Where the value axis is."""
        return _LEFT


def draw(
    *, name: str, title: str, points: Points, since: datetime, until: datetime,
    say: Callable[[float], str] = lambda value: f"{value:,.0f}",
) -> Chart:  # fmt: skip
    """A line over time from `since` to `until`; `say` puts a value into words.

    `name` is unique on the page and fit for an id. A value of None leaves a gap.
    """
    known = [value for _, value in points if value is not None]
    if not known:
        return Chart(name, title, f"{title}: nothing is known of this time.")
    highest, step = _scale(max(known))
    frame = _Frame(since, until, highest)
    runs = list(_runs(points))
    summary = (
        f"{title}: from {say(min(known))} to {say(max(known))}, at last {say(known[-1])}"
        f"{'' if points[-1][1] is not None else '; now it is not known'}."
    )
    return Chart(
        name=name,
        title=title,
        summary=summary,
        lines=[frame.line(run) for run in runs],
        areas=[frame.area(run) for run in runs],
        across=list(_times(frame)),
        up=[
            Tick(frame.y(step * n), say(step * n)) for n in range(1 + round(highest / step))
        ],
        rows=_rows(points, say),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Frame:
    since: datetime
    until: datetime
    highest: float

    def x(self, at: datetime) -> float:
        share = (at - self.since) / (self.until - self.since)
        return round(_LEFT + share * (WIDTH - _LEFT - _RIGHT), 1)

    def y(self, value: float) -> float:
        share = value / self.highest
        return round(HEIGHT - _BOTTOM - share * (HEIGHT - _BOTTOM - _TOP), 1)

    def line(self, run: Sequence[tuple[datetime, float]]) -> str:
        places = [f"{self.x(at):g} {self.y(value):g}" for at, value in run]
        # A single point would not be seen.
        return f"M{' L'.join(places)}" + (" h1.5" if len(places) == 1 else "")

    def area(self, run: Sequence[tuple[datetime, float]]) -> str:
        first, last, ground = self.x(run[0][0]), self.x(run[-1][0]), HEIGHT - _BOTTOM
        return f"{self.line(run)} L{last:g} {ground} L{first:g} {ground} Z"


def _runs(points: Points) -> Iterator[list[tuple[datetime, float]]]:
    run: list[tuple[datetime, float]] = []
    for at, value in points:
        if value is not None:
            run.append((at, value))
        elif run:
            yield run
            run = []
    if run:
        yield run


def _scale(most: float) -> tuple[float, float]:
    """The top of the axis and the step of its marks: a few round numbers, each another one."""
    if most <= 1:
        return 1.0, 1.0
    rough = max(1.0, most / 3)
    magnitude = 10 ** math.floor(math.log10(rough))
    step = next(s * magnitude for s in _STEPS if s * magnitude >= rough)
    return step * math.ceil(most / step), step


def _times(frame: _Frame) -> Iterator[Tick]:
    """Round hours within two days, days beyond, of the time zone that the pages speak of."""
    length = frame.until - frame.since
    step = next((step for step in _TIMES if length / step <= _MOST_TIMES), _TIMES[-1])
    form = "%H:%M" if length.days < 2 else "%-d %b"
    at = timezone.localtime(frame.since).replace(hour=0, minute=0, second=0, microsecond=0)
    while at < frame.until:
        place = frame.x(at)
        if _LEFT <= place <= WIDTH - _HALF_LABEL:
            yield Tick(place, at.strftime(form))
        at += step


def _rows(points: Points, say: Callable[[float], str]) -> list[tuple[str, str]]:
    every = max(1, math.ceil(len(points) / _ROWS))
    return [
        (
            timezone.localtime(at).strftime("%-d %b, %H:%M"),
            "not known" if value is None else say(value),
        )
        for at, value in points[::-1][::every]
    ]
