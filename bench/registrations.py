"""How long it takes to keep up with 100,000 live registrations in Kamailio's PostgreSQL.

`first` fills the console's list. In a minute about 3,300 of 100,000 phones refresh theirs, where
they do so twice an hour: that is the poll that runs every minute.
"""

from __future__ import annotations

import json
import statistics
import sys
from typing import Any

import psycopg

from bench.console import DATABASES, BenchConsole, bench_console
from bench.names import DOMAINS, PEOPLE, user_part_of
from bench.point import point
from lab.kamailio_store import PostgresqlStore
from lab.postgresql import temporary_postgresql

POLLS = 3
REFRESHED_ONE_IN = 30
_COLUMNS = "ruid, username, domain, contact, expires, callid, user_agent, socket, last_modified"
_ONCE = "bench.registrations_once"


def measure() -> dict[str, float]:
    """`registrations.<name>.<database of the console>`: seconds, of a processor too; megabytes."""
    figures: dict[str, float] = {}
    for database in DATABASES:
        with bench_console(database) as console, temporary_postgresql(durable=True) as cluster:
            console.environment["RTCADMIN_ALLOW_LOOPBACK"] = "1"
            console.work.append(cluster.process.pid)
            console.fill()
            store = PostgresqlStore(cluster)
            store.create()
            point(console, store)
            with psycopg.connect(cluster.url(store.name), autocommit=True) as phones:
                figures |= _measure(console, phones, database)
    return figures


def _measure(
    console: BenchConsole, phones: psycopg.Connection[Any], database: str
) -> dict[str, float]:
    _register(phones)
    first = _poll(console)
    polls = []
    for turn in range(POLLS):
        refreshed = f"id % {REFRESHED_ONE_IN} = {turn}"
        phones.execute(
            "UPDATE location SET expires = expires + interval '30 minutes', "  # noqa: S608
            f"last_modified = last_modified + interval '30 minutes' WHERE {refreshed}".encode()
        )
        polls.append(_poll(console))
    _say(f"{database}: first {first}, then {polls[-1]}")
    return {
        f"registrations.first_poll_seconds.{database}": round(first["seconds"], 2),
        f"registrations.poll_seconds.{database}": _median(polls, "seconds"),
        f"registrations.poll_cpu_seconds.{database}": _median(polls, "cpu"),
        f"registrations.peak_mb.{database}": round(first["peak_mb"]),
    }


def _median(polls: list[dict[str, float]], name: str) -> float:
    return round(statistics.median(poll[name] for poll in polls), 2)


def _register(phones: psycopg.Connection[Any]) -> None:
    """A contact of each account, as Kamailio writes them."""
    with phones.cursor().copy(f"COPY location ({_COLUMNS}) FROM STDIN") as copy:
        for n in range(1, PEOPLE + 1):
            user, domain = user_part_of(n), DOMAINS[n % 2]
            address = f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}:5060"
            copy.write_row(
                (f"uloc-{n:x}", user, domain, f"sip:{user}@{address};transport=tls",
                 "2099-01-01 00:00:00", f"call-{n:x}", f"Yealink SIP-T46S {n % 7}",
                 "tls:192.0.2.1:5061", "2026-01-01 00:00:00")
            )  # fmt: skip


def _poll(console: BenchConsole) -> dict[str, float]:
    told: dict[str, float] = json.loads(console.call(f"{_ONCE}.poll({console.work!r})", _ONCE))
    assert told["count"] == PEOPLE, told
    return told


def _say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)
