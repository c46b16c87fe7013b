"""Seconds of processor that processes and all below them have used.

Where a machine does much else they say more than the clock. Reads proc(5); a process that ended
counts from the moment that its parent took note.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def processor_seconds(roots: Iterable[int]) -> float:
    """User and system time of the processes `roots`, and of everybody whom they started."""
    stats = dict(_stats())
    wanted, found = list(roots), set[int]()
    while wanted:
        pid = wanted.pop()
        if pid in stats and pid not in found:
            found.add(pid)
            wanted += [child for child, (parent, _) in stats.items() if parent == pid]
    return sum(stats[pid][1] for pid in found) / _TICKS


def _stats() -> Iterable[tuple[int, tuple[int, int]]]:
    """Of every process its parent, and the ticks of itself and of its children that ended."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(errors="replace").rpartition(")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        # Fields 4 and 14 to 17 of stat, counted behind the name.
        yield int(stat.parent.name), (int(fields[1]), sum(map(int, fields[11:15])))
