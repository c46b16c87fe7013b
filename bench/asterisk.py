"""How long 10,000 accounts with their numbers take to an Asterisk's PostgreSQL, fsync on.

From the marked outbox to the last row that was read back, and a look at every row that finds
nothing. The console is on PostgreSQL too.
"""

from __future__ import annotations

import json
import statistics

from bench.console import bench_console
from bench.point import point
from lab.asterisk import AsteriskStore
from lab.postgresql import temporary_postgresql

ACCOUNTS = 10_000
ROUNDS = 3
_ONCE = "bench.push_once"


def measure() -> dict[str, float]:
    """`push.asterisk_10k_seconds`, and `push.asterisk_10k_compared_seconds`; medians."""
    pushed, compared = [], []
    with (
        bench_console("postgresql") as console,
        temporary_postgresql(durable=True) as cluster,
    ):
        console.environment["RTCADMIN_ALLOW_LOOPBACK"] = "1"
        console.fill(ACCOUNTS)
        store = AsteriskStore(cluster)
        for _ in range(ROUNDS):
            store.drop()
            store.create()
            point(console, store)
            first = json.loads(console.call(f"{_ONCE}.push_everything()", _ONCE))
            assert first["changed"] >= 2 * ACCOUNTS, first
            pushed.append(first["seconds"])
            look = json.loads(console.call(f"{_ONCE}.look([], everything=True)", _ONCE))
            compared.append(look["seconds"])
    return {
        "push.asterisk_10k_seconds": round(statistics.median(pushed), 2),
        "push.asterisk_10k_compared_seconds": round(statistics.median(compared), 2),
    }
