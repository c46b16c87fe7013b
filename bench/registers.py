"""How much longer Kamailio waits for its database while 100,000 accounts are pushed into it.

Phones register all the time, and each REGISTER asks the database for a credential and writes a
contact. Kamailio itself logs how long it waits for each statement (its `latency_limit_db`). The
push and the phones share one core, so that they take nothing from Kamailio and the database but
what those do for them.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path

import psycopg

from bench.console import BenchConsole, bench_console
from bench.names import PEOPLE
from bench.point import point
from lab.authority import Authority
from lab.kamailio import Kamailio
from lab.kamailio_store import PostgresqlStore
from lab.postgresql import temporary_postgresql
from lab.sip import Login, SipClient

# Accounts that register, REGISTERs a second, and seconds of the phase without a push.
PHONES, RATE, IDLE_SECONDS = 200, 40, 15.0
_WAITED = re.compile(r"query execution too long \[(\d+) us\]")
_ONCE = "bench.push_once"


def measure() -> dict[str, float]:
    """`push.register_db_wait_ratio`, with the means in microseconds that it compares."""
    with (
        bench_console("sqlite") as console,
        temporary_postgresql(durable=True) as cluster,
        tempfile.TemporaryDirectory(prefix="rtcadmin-bench-") as folder,
    ):
        console.environment["RTCADMIN_ALLOW_LOOPBACK"] = "1"
        console.fill()
        store = PostgresqlStore(cluster)
        store.create()
        point(console, store)
        console.call(f"{_ONCE}.push_everything()", _ONCE)
        directory = Path(folder)
        authority = Authority(directory / "ca")
        with Kamailio(directory / "kamailio", authority, store, times_database=True) as kamailio:
            phones = _phones(store)
            idle = _waits(kamailio, phones, lambda: time.sleep(IDLE_SECONDS))
            _forget_others(store, phones)
            point(console, store)
            pushed = _waits(kamailio, phones, lambda: _push(console))
    _say(f"{len(idle)} statements without a push, {len(pushed)} beside it")
    means = statistics.mean(pushed), statistics.mean(idle)
    return {
        "push.register_db_wait_us.beside_push": round(means[0]),
        "push.register_db_wait_us.idle": round(means[1]),
        "push.register_db_wait_ratio": round(means[0] / means[1], 2),
    }


def _phones(store: PostgresqlStore) -> list[Login]:
    """Logins of the first accounts, by what stands at the store."""
    query = "SELECT username, domain, ha1 FROM subscriber ORDER BY id LIMIT %s"
    with psycopg.connect(store.console_url) as connection:
        rows = connection.execute(query, [PHONES]).fetchall()
    return [Login(user, domain, ha1=ha1) for user, domain, ha1 in rows]


def _forget_others(store: PostgresqlStore, phones: Sequence[Login]) -> None:
    """Leave the rows of the phones alone at the store."""
    users = ", ".join(f"'{phone.user}'" for phone in phones)
    store.execute(f"DELETE FROM subscriber WHERE username NOT IN ({users})")  # noqa: S608
    store.execute("DELETE FROM dbaliases")


def _push(console: BenchConsole) -> None:
    pushed: dict[str, float] = json.loads(console.call(f"{_ONCE}.push_everything()", _ONCE))
    assert pushed["changed"] >= 2 * PEOPLE - PHONES, pushed


def _waits(kamailio: Kamailio, phones: Sequence[Login], act: Callable[[], None]) -> list[int]:
    """Microseconds that each statement took Kamailio while `act` went on and phones registered."""
    log = kamailio.process.log
    start = log.stat().st_size
    with _on_one_core(), _registering(kamailio, phones):
        act()
    with log.open(errors="replace") as lines:
        lines.seek(start)
        return [int(found[1]) for line in lines if (found := _WAITED.search(line))]


@contextmanager
def _on_one_core() -> Iterator[None]:
    """Keeps this process, and those that it starts, on one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def _registering(kamailio: Kamailio, phones: Sequence[Login]) -> Iterator[None]:
    """Phones register one after the other, RATE a second, until the block ends."""
    over = threading.Event()

    def register() -> None:
        due = time.monotonic()
        with SipClient(kamailio.sip_port) as client:
            for phone in cycle(phones):
                if over.wait(max(0.0, due - time.monotonic())):
                    return
                due += 1 / RATE
                response = client.register(phone)
                assert response.status == 200, response

    thread = threading.Thread(target=register)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)
