"""How long 100,000 accounts take to Kamailio's PostgreSQL, against a bare COPY of the same rows.

Both with fsync on, on this machine. Each account has a number: 100,000 rows of `subscriber`, as
many of `dbaliases`, and the SIP domains. The product's time goes from the marked outbox to the last
row that was read back; COPY gets the rows ready made, from memory. A look for drift that finds
nothing, as the schedule takes it, is set against a bare SELECT that fetches the same rows.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from bench import asterisk, fifty_stores, registers
from bench.console import DATABASES, BenchConsole, bench_console
from bench.names import PEOPLE
from bench.point import point
from bench.processor import processor_seconds
from bench.worker import worker_of
from lab.kamailio_store import PostgresqlStore
from lab.postgresql import temporary_postgresql

ROUNDS = 3
LOOKS = 3
DELTAS = 50
TABLES = {
    "subscriber": "username, domain, password, ha1, ha1b",
    "dbaliases": "alias_username, alias_domain, username, domain",
}
_ONCE = "bench.push_once"


def measure() -> dict[str, float]:
    """`push.<name>.<database of the console>`, with the parts that have modules of their own.

    Ratios to COPY and to SELECT, by the clock and (`_cpu`) by what all processors spent; seconds
    for 100,000 accounts; milliseconds at p50.
    """
    figures: dict[str, float] = {}
    for database in DATABASES:
        with bench_console(database) as console, temporary_postgresql(durable=True) as cluster:
            console.environment["RTCADMIN_ALLOW_LOOPBACK"] = "1"
            console.work.append(cluster.process.pid)
            console.fill()
            figures |= _measure_pushes(console, PostgresqlStore(cluster), database)
            figures[f"push.delta_ms.{database}"] = _measure_deltas(console, database)
    figures = {name: round(value, 2) for name, value in figures.items()}
    return figures | asterisk.measure() | fifty_stores.measure() | registers.measure()


def _measure_pushes(
    console: BenchConsole, store: PostgresqlStore, database: str
) -> dict[str, float]:
    """Medians of first pushes, each beside a COPY of its rows, and of looks beside a SELECT."""
    found: dict[str, list[float]] = {}

    def note(name: str, value: float) -> None:
        found.setdefault(f"push.{name}.{database}", []).append(value)

    for _ in range(ROUNDS):
        store.drop()
        store.create()
        point(console, store)
        first = _call(console, f"push_everything({console.work!r})")
        assert first["changed"] > 2 * PEOPLE, first
        copy = _copy(store)
        note("first_vs_copy", first["seconds"] / copy["seconds"])
        note("first_vs_copy_cpu", first["cpu"] / copy["cpu"])
        compared = _call(console, f"look({console.work!r}, everything=True)")
        note("compared_seconds_per_100k", compared["seconds"] * 100_000 / PEOPLE)
        for _ in range(LOOKS):
            unchanged = _call(console, f"look({console.work!r}, everything=False)")
            read = _read(store)
            note("unchanged_seconds_per_100k", unchanged["seconds"] * 100_000 / PEOPLE)
            note("unchanged_vs_read", unchanged["seconds"] / read["seconds"])
            note("unchanged_vs_read_cpu", unchanged["cpu"] / read["cpu"])
        _say(
            f"{database}, seconds and of a processor: {_pair('first', first)}, "
            f"{_pair('COPY', copy)}, {_pair('compared', compared)}, "
            f"{_pair('unchanged', unchanged)}, {_pair('SELECT', read)}; {first['peak_mb']:.0f} MB"
        )
    return {name: statistics.median(values) for name, values in found.items()}


def _call(console: BenchConsole, call: str) -> dict[str, float]:
    figures: dict[str, float] = json.loads(console.call(f"{_ONCE}.{call}", _ONCE))
    return {**figures, "cpu": max(figures["cpu"], 0.01)}


def _pair(name: str, figures: dict[str, float]) -> str:
    return f"{name} {figures['seconds']:.2f} ({figures['cpu']:.2f})"


@contextmanager
def _timing(store: PostgresqlStore) -> Iterator[dict[str, float]]:
    """Fills in the seconds of the block, and what this process and the store's spent in it."""
    figures: dict[str, float] = {}
    processes = [os.getpid(), store.cluster.process.pid]
    began, spent = time.perf_counter(), processor_seconds(processes)
    yield figures
    figures["seconds"] = time.perf_counter() - began
    figures["cpu"] = max(processor_seconds(processes) - spent, 0.01)


def _copy(store: PostgresqlStore) -> dict[str, float]:
    """Seconds of a COPY of what was pushed, into an empty database of the same schema."""
    empty = PostgresqlStore(store.cluster, "copied")
    empty.drop()
    empty.create()
    with (
        psycopg.connect(store.cluster.url(store.name)) as source,
        psycopg.connect(empty.cluster.url(empty.name)) as target,
    ):
        rows = {}
        for table, columns in TABLES.items():
            with source.cursor().copy(f"COPY {table} ({columns}) TO STDOUT") as out:
                rows[table] = b"".join(bytes(piece) for piece in out)
        with _timing(store) as figures:
            for table, columns in TABLES.items():
                with target.cursor().copy(f"COPY {table} ({columns}) FROM STDIN") as into:
                    into.write(rows[table])
            target.commit()
    return figures


def _read(store: PostgresqlStore) -> dict[str, float]:
    """Seconds of a SELECT of what was pushed, every row fetched."""
    with psycopg.connect(store.console_url) as connection, _timing(store) as figures:
        for table, columns in TABLES.items():
            rows = connection.execute(f"SELECT {columns} FROM {table}".encode()).fetchall()  # noqa: S608
            assert len(rows) == PEOPLE
    return figures


def _measure_deltas(console: BenchConsole, database: str) -> float:
    """One account from its commit to read back: message, worker and all."""
    with worker_of(console, database):
        call = f"{_ONCE}.push_single_accounts({DELTAS})"
        milliseconds: list[float] = json.loads(console.call(call, _ONCE))
    return statistics.median(milliseconds)


def _say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)
