"""Two database connections side by side: work begins early, and ends in its order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from django.db import connection, connections

# As many as the processors that a small machine has for its database.
_LANES = 2

R = TypeVar("R")
# Returns when all work before it has ended; raises when that failed.
Turn = Callable[[], None]


def has_lanes() -> bool:
    """Whether work can go side by side here: not on SQLite, and not in a caller's transaction."""
    return connection.vendor == "postgresql" and not connection.in_atomic_block


def side_by_side(works: Sequence[Callable[[Turn], R]]) -> Iterator[R]:
    """Do all `works`, up to two at a time in threads of their own; their results in order.

    Each is handed its turn, to be called in its transaction before it touches what others touch as
    well: what it commits then is committed after everything before it, or not at all. The first
    error is raised here, when nothing is under way any more.
    """
    lanes = [ThreadPoolExecutor(1, thread_name_prefix="lane") for _ in range(_LANES)]
    under_way: list[Future[R]] = []
    try:
        for place, work in enumerate(works):
            turn = _after(under_way[-1] if under_way else None)
            under_way.append(lanes[place % _LANES].submit(work, turn))
        for each in under_way:
            yield each.result()
    finally:
        for each in under_way:
            each.cancel()
        for lane in lanes:
            lane.submit(connections.close_all)
            lane.shutdown()


def _after(before: Future[R] | None) -> Turn:
    def turn() -> None:
        if before is not None:
            before.result()

    return turn
