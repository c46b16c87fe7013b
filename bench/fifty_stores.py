"""How long 1,000 new credentials take to 50 Kamailio databases, with 1, 2 and 4 workers.

Each account has its home at one of 50 pools, each with a database of its own, all in one cluster
with fsync on; the console on PostgreSQL, its messages in Redis. `speed_up` is against one worker.
Then one of the databases answers late, through the lab's proxy: `slow_costs_others` is how much
longer the other 49 take, for 4 workers.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from bench.console import BenchConsole, bench_console
from bench.worker import worker_of
from lab.kamailio_store import PostgresqlStore
from lab.ports import HOST
from lab.postgresql import temporary_postgresql
from lab.proxy import Delay, Proxy

STORES, CHANGES = 50, 1000
WORKERS = (1, 2, 4)
# Each piece that the slow one answers comes so late.
SLOW_SECONDS = 0.3
_ONCE = "bench.fifty_stores_once"


def measure() -> dict[str, float]:
    """`push.fifty_stores.<seconds|speed_up>.<workers>` and `.slow_costs_others`, a ratio."""
    figures: dict[str, float] = {}
    with _fifty() as (console, proxy):
        seconds = {}
        for workers in WORKERS:
            with _ready_worker(console, workers):
                seconds[workers] = _change(console)["all"]
            figures[f"push.fifty_stores.seconds.{workers}"] = seconds[workers]
            figures[f"push.fifty_stores.speed_up.{workers}"] = seconds[1] / seconds[workers]
        with _ready_worker(console, max(WORKERS)):
            quick = _change(console)
            proxy.set(Delay(SLOW_SECONDS))
            slow = _change(console, "others_only=True")
        _say(f"the others {quick['others']:.2f} s, beside a slow one {slow['others']:.2f} s")
        figures["push.fifty_stores.slow_costs_others"] = slow["others"] / quick["others"]
    return {name: round(value, 2) for name, value in figures.items()}


@contextmanager
def _fifty() -> Iterator[tuple[BenchConsole, Proxy]]:
    """A console whose accounts stand in 50 databases, the first of them behind a proxy."""
    with ExitStack() as stack:
        console = stack.enter_context(bench_console("postgresql"))
        cluster = stack.enter_context(temporary_postgresql(durable=True))
        proxy = stack.enter_context(Proxy(cluster.port))
        console.environment["RTCADMIN_ALLOW_LOOPBACK"] = "1"
        console.fill(CHANGES)
        stores = [PostgresqlStore(cluster, f"kamailio_{n}") for n in range(STORES)]
        for store in stores:
            store.create()
        places = [_place(store, proxy.port if n == 0 else cluster.port)
                  for n, store in enumerate(stores)]  # fmt: skip
        password = cluster.password(stores[0].console_role)
        console.call(f"{_ONCE}.prepare({places!r}, {password!r})", _ONCE)
        yield console, proxy


@contextmanager
def _ready_worker(console: BenchConsole, slots: int) -> Iterator[None]:
    """A worker that has done it once: to start takes longer than what is measured."""
    with worker_of(console, "postgresql", slots=slots):
        _change(console)
        yield


def _place(store: PostgresqlStore, port: int) -> dict[str, Any]:
    return {
        "dialect": "postgresql", "host": HOST, "port": port, "tls": False,
        "database": store.name, "user": store.console_role,
    }  # fmt: skip


def _change(console: BenchConsole, how: str = "") -> dict[str, float]:
    told: dict[str, float] = json.loads(console.call(f"{_ONCE}.change({how})", _ONCE))
    return told


def _say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)
