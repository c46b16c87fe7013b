"""How long a sync of 100,000 people takes: against ldapsearch, and against django-python3-ldap.

Both read slapd on this machine, the product and ldapsearch over LDAPS, the peer without TLS. A run
is a process of its own, from its start to the committed outbox, with plan, limits and audit; what
it is compared with, whole processes. BENCH_PEOPLE in the environment makes it a smaller company.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from bench.console import DATABASES, ROOT, BenchConsole, bench_console
from lab import ldif
from lab.authority import Authority
from lab.postgresql import temporary_postgresql
from lab.slapd import Slapd
from lab.slapd_entries import BIND_DN
from lab.slapd_entries import PEOPLE as PEOPLE_BASE

PEOPLE = int(os.environ.get("BENCH_PEOPLE", "100000"))
PEER_PEOPLE = min(PEOPLE, 10_000)
# With the key, the 13 attributes that each of the lab's bulk people has.
MAPPING = {
    "login": "uid", "display_name": "first(displayName, cn)", "given_name": "givenName",
    "surname": "sn", "mail": "mail", "phone": "telephoneNumber", "mobile": "mobile",
    "title": "title", "department": "departmentNumber", "office": "l",
    "employee_id": "employeeNumber",
}  # fmt: skip
ATTRIBUTES = (
    "uid", "cn", "sn", "givenName", "displayName", "mail", "telephoneNumber", "mobile",
    "employeeNumber", "title", "departmentNumber", "l", "entryUUID",
)  # fmt: skip
FILTER = "(objectClass=inetOrgPerson)"


def measure() -> dict[str, float]:
    """Ratios to ldapsearch and to the peer, megabytes, milliseconds: `sync.<name>.<database>`.

    `sync.growth` is the time per person of a first sync, against one of a tenth as many people.
    """
    figures: dict[str, float] = {}
    ours: dict[str, float] = {}
    theirs: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="rtcadmin-bench-") as folder:
        directory = Path(folder)
        authority = Authority(directory / "ca")
        with _slapd(directory / "company", authority, PEOPLE) as slapd:
            # Spread over the run, so that all meet the same weather on the machine.
            searches = [_ldapsearch(slapd)]
            for database in DATABASES:
                ours |= _measure_product(slapd, database, figures)
                searches.append(_ldapsearch(slapd))
        with _slapd(directory / "branch", authority, PEER_PEOPLE) as slapd:
            for database in DATABASES:
                theirs |= _measure_peer(slapd, database)
                small = _measure_first(slapd, database, PEER_PEOPLE)
                per_person = ours[f"first.{database}"] / PEOPLE
                figures[f"sync.growth.{database}"] = per_person / (small / PEER_PEOPLE)
    search = statistics.median(searches)
    _say(f"ldapsearch {', '.join(f'{seconds:.2f}' for seconds in searches)} s")
    for name, seconds in ours.items():
        what, _, database = name.partition(".")
        figures[f"sync.{what}_vs_ldapsearch.{database}"] = seconds / search
        per_person = theirs[name] / PEER_PEOPLE
        figures[f"sync.{what}_vs_peer.{database}"] = per_person / (seconds / PEOPLE)
    return {name: round(value, 2) for name, value in figures.items()}


def _slapd(directory: Path, authority: Authority, people: int) -> Slapd:
    slapd = Slapd(directory, authority, durable=False)
    slapd.load(ldif.bulk_people(people, PEOPLE_BASE))
    return slapd


def _ldapsearch(slapd: Slapd) -> float:
    seconds, _ = _time(
        ["ldapsearch", "-x", "-LLL", "-H", slapd.tls_uri, "-D", BIND_DN, "-w", slapd.bind_password,
         "-b", PEOPLE_BASE, "-E", "pr=1000/noprompt", FILTER, *ATTRIBUTES],
        {"LDAPTLS_CACERT": str(slapd.ca_file)},
    )  # fmt: skip
    return seconds


def _measure_product(slapd: Slapd, database: str, figures: dict[str, float]) -> dict[str, float]:
    """Seconds of `first.<database>` and `unchanged.<database>`; `figures` gets memory and locks."""
    with bench_console(database) as console:
        _configure(console, slapd)
        first, told = _sync(console, people=PEOPLE, changes=2 * PEOPLE)
        unchanged, again = _sync(console, people=PEOPLE, changes=0)
    _say(f"{database} first {first:.2f} s, unchanged {unchanged:.2f} s, {told}, {again}")
    figures[f"sync.peak_mb.{database}"] = max(told["peak_mb"], again["peak_mb"])
    if database == "sqlite":
        longest = max(told["write_lock_ms"], again["write_lock_ms"])
        figures["sync.write_lock_ms.sqlite"] = longest
    return {f"first.{database}": first, f"unchanged.{database}": unchanged}


def _measure_first(slapd: Slapd, database: str, people: int) -> float:
    """Seconds of a first sync."""
    with bench_console(database) as console:
        _configure(console, slapd)
        seconds, _ = _sync(console, people=people, changes=2 * people)
    return seconds


def _configure(console: BenchConsole, slapd: Slapd) -> None:
    """One source, and one rule that gives everybody an account on a managed store."""
    console.call(f"bench.sync_setup.make_source({_source_of(slapd)!r})", "bench.sync_setup")


def _source_of(slapd: Slapd) -> dict[str, object]:
    return {
        "name": "Company", "kind": "openldap", "uris": slapd.tls_uri, "tls": "ldaps",
        "ca_pem": slapd.ca_file.read_text(), "bind_dn": BIND_DN, "secret": slapd.bind_password,
        "person_bases": PEOPLE_BASE, "person_filter": FILTER, "key_attribute": "entryUUID",
        "mapping": MAPPING,
    }  # fmt: skip


def _sync(console: BenchConsole, *, people: int, changes: int) -> tuple[float, dict[str, float]]:
    command = [sys.executable, "-m", "bench.sync_once"]
    began = time.monotonic()
    _, printed = _time(command, {**console.environment, "RTCADMIN_ALLOW_LOOPBACK": "1"})
    told: dict[str, float] = json.loads(printed)
    seconds = told.pop("committed_at") - began
    assert (told["people"], told["changes"]) == (people, changes), told
    return seconds, told


def _measure_peer(slapd: Slapd, database: str) -> dict[str, float]:
    """The peer's seconds, named as the product's."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="rtcadmin-bench-"))
        url = ""
        if database == "postgresql":
            cluster = stack.enter_context(temporary_postgresql(durable=True))
            url = cluster.create_database("peer")
        environment = {
            "DJANGO_SETTINGS_MODULE": "bench.peer_settings",
            "PEER_DATABASE_URL": url,
            "PEER_SQLITE_FILE": f"{folder}/peer.sqlite3",
            "PEER_LDAP_URI": slapd.uri,
            "PEER_BIND_DN": BIND_DN,
            "PEER_BIND_PASSWORD": slapd.bind_password,
            "PEER_BASE": PEOPLE_BASE,
        }
        command = [sys.executable, "-m", "django"]
        _time([*command, "migrate", "--verbosity=0"], environment)
        took = {}
        for what in ("first", "unchanged"):
            took[f"{what}.{database}"], _ = _time([*command, "ldap_sync_users"], environment)
    _say(f"peer, {PEER_PEOPLE:,} people, seconds: {took}")
    return took


def _time(command: Sequence[str], environment: Mapping[str, str]) -> tuple[float, str]:
    """Seconds and output of a process that must succeed."""
    began = time.perf_counter()
    done = subprocess.run(
        command, env={**os.environ, **environment}, cwd=ROOT, check=True, text=True,
        stdout=subprocess.PIPE,
    )  # fmt: skip
    return time.perf_counter() - began, done.stdout


def _say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)
