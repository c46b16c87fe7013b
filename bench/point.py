"""Where a benchmark's console pushes to."""

from __future__ import annotations

from bench.console import BenchConsole
from lab.asterisk import AsteriskStore
from lab.kamailio_store import PostgresqlStore
from lab.ports import HOST

_ONCE = "bench.push_once"


def point(console: BenchConsole, store: PostgresqlStore | AsteriskStore) -> None:
    """Give the console the store as the only one, with nothing pushed to it."""
    place = {
        "driver": "asterisk" if isinstance(store, AsteriskStore) else "kamailio",
        "dialect": "postgresql", "host": HOST, "port": store.cluster.port, "tls": False,
        "database": store.name, "user": store.console_role,
    }  # fmt: skip
    password = store.cluster.password(store.console_role)
    console.call(f"{_ONCE}.prepare({place!r}, {password!r})", _ONCE)
