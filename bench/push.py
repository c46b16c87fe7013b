"""How long 100,000 accounts take to Kamailio's PostgreSQL, against a bare COPY of the same rows.

Both with fsync on, on this machine. Each account has a number: 100,000 rows of `subscriber`, as
many of `dbaliases`, and the SIP domains. The product's time goes from the marked outbox to the last
row that was read back; COPY gets the rows ready made, from memory. A push that finds nothing to
change is set against a bare SELECT that fetches the same rows.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg

from bench.console import DATABASES, ROOT, BenchConsole, bench_console
from bench.names import PEOPLE
from lab.kamailio import PostgresqlStore
from lab.ports import HOST
from lab.postgresql import temporary_postgresql
from lab.process import Process
from lab.redis import Redis

ROUNDS = 3
DELTAS = 50
TABLES = {
    "subscriber": "username, domain, password, ha1, ha1b",
    "dbaliases": "alias_username, alias_domain, username, domain",
}
_ONCE = "bench.push_once"


def measure() -> dict[str, float]:
    """Ratio to COPY, seconds, and milliseconds at p50, `push.<name>.<database of the console>`."""
    figures: dict[str, float] = {}
    for database in DATABASES:
        with bench_console(database) as console, temporary_postgresql(durable=True) as cluster:
            console.environment["RTCADMIN_ALLOW_LOOPBACK"] = "1"
            console.fill()
            figures |= _measure_pushes(console, PostgresqlStore(cluster), database)
            figures[f"push.delta_ms.{database}"] = _measure_deltas(console, database)
    return {name: round(value, 2) for name, value in figures.items()}


def _measure_pushes(
    console: BenchConsole, store: PostgresqlStore, database: str
) -> dict[str, float]:
    """The median of first pushes, each beside a COPY of its rows, and of pushes without change."""
    ratios, unchanged, to_read = [], [], []
    for _ in range(ROUNDS):
        store.drop()
        store.create()
        _point(console, store)
        first = _push(console)
        assert first["changed"] > 2 * PEOPLE, first
        copy = _copy(store)
        ratios.append(first["seconds"] / copy)
        again = _push(console)
        assert again["changed"] == 0, again
        unchanged.append(again["seconds"] * 100_000 / PEOPLE)
        read = _read(store)
        to_read.append(again["seconds"] / read)
        _say(
            f"{database}: first {first['seconds']:.2f} s, COPY {copy:.2f} s, "
            f"unchanged {again['seconds']:.2f} s, SELECT {read:.2f} s, {first['peak_mb']:.0f} MB"
        )
    return {
        f"push.first_vs_copy.{database}": statistics.median(ratios),
        f"push.unchanged_seconds_per_100k.{database}": statistics.median(unchanged),
        f"push.unchanged_vs_read.{database}": statistics.median(to_read),
    }


def _point(console: BenchConsole, store: PostgresqlStore) -> None:
    place = {
        "dialect": "postgresql", "host": HOST, "port": store.cluster.port, "tls": False,
        "database": store.name, "user": store.console_role,
    }  # fmt: skip
    password = store.cluster.password(store.console_role)
    console.call(f"{_ONCE}.prepare({place!r}, {password!r})", _ONCE)


def _push(console: BenchConsole) -> dict[str, float]:
    figures: dict[str, float] = json.loads(console.call(f"{_ONCE}.push_everything()", _ONCE))
    return figures


def _copy(store: PostgresqlStore) -> float:
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
        began = time.perf_counter()
        for table, columns in TABLES.items():
            with target.cursor().copy(f"COPY {table} ({columns}) FROM STDIN") as into:
                into.write(rows[table])
        target.commit()
        return time.perf_counter() - began


def _read(store: PostgresqlStore) -> float:
    """Seconds of a SELECT of what was pushed, every row fetched."""
    with psycopg.connect(store.console_url) as connection:
        began = time.perf_counter()
        for table, columns in TABLES.items():
            rows = connection.execute(f"SELECT {columns} FROM {table}".encode()).fetchall()  # noqa: S608
            assert len(rows) == PEOPLE
        return time.perf_counter() - began


def _measure_deltas(console: BenchConsole, database: str) -> float:
    """One account from its commit to read back: message, worker and all."""
    with worker_of(console, database):
        call = f"{_ONCE}.push_single_accounts({DELTAS})"
        milliseconds: list[float] = json.loads(console.call(call, _ONCE))
    return statistics.median(milliseconds)


@contextmanager
def worker_of(console: BenchConsole, database: str) -> Iterator[None]:
    """A Celery worker: with files as messages beside SQLite, with Redis beside PostgreSQL."""
    with ExitStack() as stack:
        broker = "filesystem://"
        if database == "postgresql":
            directory = Path(console.directory / "redis")
            directory.mkdir()
            broker = stack.enter_context(Redis(directory)).url
        console.environment["RTCADMIN_BROKER_URL"] = broker
        worker = Process(
            "worker",
            [sys.executable, "-m", "celery", "--app=rtcadmin", "--quiet", "worker",
             "--without-mingle", "--without-gossip"],
            log=console.directory / "worker.log",
            environment=console.environment,
            directory=ROOT,
        )  # fmt: skip
        stack.callback(worker.stop)
        worker.start(lambda: worker.running)
        yield


def _say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)
