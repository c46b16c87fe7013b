"""How long one change in a directory takes: to the console's row, and to the SIP server's.

`sync.delta_ms.<way>.<database>`: from the moment the directory has the change to the committed row,
the reading itself included. `sync.change_to_server_seconds.<database>`: somebody is locked in
OpenLDAP until the credential in Kamailio's database is another one, with a follower and a worker as
they run everywhere. OpenLDAP and the console have 100,000 people, BENCH_PEOPLE makes it fewer;
Active Directory is the lab's, with 60.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from bench.console import DATABASES, ROOT, BenchConsole, bench_console
from bench.sync import FILTER, MAPPING, PEOPLE
from bench.worker import worker_of
from lab import ldif
from lab.authority import Authority
from lab.kamailio_store import PostgresqlStore
from lab.ports import HOST
from lab.postgresql import temporary_postgresql
from lab.process import Process
from lab.samba import DomainController
from lab.samba_entries import STAFF
from lab.slapd import Slapd
from lab.slapd_entries import BIND_DN, ROOT_DN
from lab.slapd_entries import PEOPLE as PEOPLE_BASE
from provisioning.directory.presets import DEFAULT_MAPPINGS

DELTAS = 30
LOCKED = 20
_ONCE = "bench.delta_once"


def measure() -> dict[str, float]:
    """Medians by the names above."""
    figures: dict[str, float] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rtcadmin-bench-")))
        slapd = Slapd(folder / "slapd", Authority(folder / "ca"), durable=False)
        slapd.load(ldif.bulk_people(PEOPLE, PEOPLE_BASE))
        stack.enter_context(slapd)
        samba = stack.enter_context(DomainController())
        cluster = stack.enter_context(temporary_postgresql(durable=True))
        for database in DATABASES:
            with bench_console(database) as console:
                figures |= _measure(console, slapd, samba, PostgresqlStore(cluster), database)
    return {name: round(value, 2) for name, value in figures.items()}


def _measure(
    console: BenchConsole, slapd: Slapd, samba: DomainController, store: PostgresqlStore,
    database: str,
) -> dict[str, float]:  # fmt: skip
    console.environment["RTCADMIN_ALLOW_LOOPBACK"] = "1"
    store.drop()
    store.create()
    console.call(f"bench.sync_setup.make_source({_openldap(slapd)!r})", "bench.sync_setup")
    _call(console, f"read_everything('Company', {PEOPLE})")
    _call(console, f"add_source({_active_directory(samba)!r})")
    _call(console, "read_everything('Active Directory', 60)")
    root = (slapd.tls_uri, str(slapd.ca_file), ROOT_DN, slapd.root_password)
    administrator = samba.administrator
    figures = {}
    for way, name, who in (
        ("syncrepl", "Company", root),
        ("dirsync", "Active Directory", (samba.tls_uri, str(samba.ca_file), *administrator)),
    ):
        found = _call(console, f"change_people({name!r}, {who!r}, {DELTAS})")
        _say(f"{database} {way}: {min(found):.0f} to {max(found):.0f} ms")
        figures[f"sync.delta_ms.{way}.{database}"] = statistics.median(found)
    place = {
        "dialect": "postgresql", "host": HOST, "port": store.cluster.port, "tls": False,
        "database": store.name, "user": store.console_role,
    }  # fmt: skip
    password = store.cluster.password(store.console_role)
    console.call(f"bench.push_once.prepare({place!r}, {password!r})", "bench.push_once")
    console.call("bench.push_once.push_everything()", "bench.push_once")
    url = store.cluster.url(store.name)
    with worker_of(console, database), _follower(console):
        found = _call(console, f"lock_people('Company', {root!r}, {url!r}, {LOCKED})")
    _say(f"{database} to the server: {min(found):.2f} to {max(found):.2f} s")
    figures[f"sync.change_to_server_seconds.{database}"] = statistics.median(found)
    return figures


def _call(console: BenchConsole, call: str) -> Any:
    return json.loads(console.call(f"{_ONCE}.{call}", _ONCE))


@contextmanager
def _follower(console: BenchConsole) -> Iterator[None]:
    process = Process(
        "follower",
        [sys.executable, str(ROOT / "manage.py"), "follow_directory"],
        log=console.directory / "follower.log",
        environment=console.environment,
        directory=ROOT,
    )
    try:
        process.start(lambda: process.running)
        yield
    finally:
        process.stop()


def _openldap(slapd: Slapd) -> dict[str, object]:
    return {
        "name": "Company", "kind": "openldap", "uris": slapd.tls_uri, "tls": "ldaps",
        "ca_pem": slapd.ca_file.read_text(), "bind_dn": BIND_DN, "secret": slapd.bind_password,
        "person_bases": PEOPLE_BASE, "person_filter": FILTER, "key_attribute": "entryUUID",
        "mapping": MAPPING, "mode": "syncrepl", "interval_seconds": 3600,
        "disabled_expression": DEFAULT_MAPPINGS["openldap"].disabled,
    }  # fmt: skip


def _active_directory(samba: DomainController) -> dict[str, object]:
    preset = DEFAULT_MAPPINGS["active_directory"]
    return {
        "name": "Active Directory", "kind": "active_directory", "uris": samba.tls_uri,
        "tls": "ldaps", "ca_pem": samba.ca_file.read_text(), "bind_dn": samba.bind_name,
        "secret": samba.bind_password, "person_bases": STAFF, "mode": "dirsync",
        "person_filter": preset.person_filter, "key_attribute": preset.key_attribute,
        "mapping": {"login": "sAMAccountName", "title": "title"}, "interval_seconds": 3600,
        "enabled": False,
    }  # fmt: skip


def _say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)
