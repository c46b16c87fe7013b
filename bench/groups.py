"""How long the closure of 10,000 groups with 1,000,000 memberships takes, and what a sync costs.

The closure is the product's own code from entries as they are read to the number of everybody in
each group, in processor seconds of one process. The sync reads the same groups and 100,000 people
from slapd over LDAPS, a process each for the first one and for one without changes. BENCH_PEOPLE in
the environment makes it a smaller company.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

from bench.console import DATABASES, ROOT, BenchConsole, bench_console
from bench.sync import FILTER, MAPPING, PEOPLE
from lab import ldif
from lab.authority import Authority
from lab.slapd import Slapd
from lab.slapd_entries import BIND_DN, ROOT_DN
from lab.slapd_entries import GROUPS as GROUPS_BASE
from lab.slapd_entries import PEOPLE as PEOPLE_BASE
from provisioning.core.records import Entry
from provisioning.directory.groups import Membership

GROUPS = PEOPLE // 10
SIZE = 100
DELTAS = 5
# A group holds up to two of so many groups before it, and each hundredth one that comes later, so
# that there are circles.
_NEAR = 40
_CIRCLE = 30


def measure() -> dict[str, float]:
    """`groups.closure_seconds`, and megabytes, seconds and milliseconds of the syncs."""
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="rtcadmin-bench-") as folder:
        directory = Path(folder)
        slapd = Slapd(directory / "company", Authority(directory / "ca"), durable=False)
        slapd.load(_records())
        with slapd:
            for database in DATABASES:
                figures |= _sync_figures(slapd, database)
    # Last: what this process takes would count as the least that its children take.
    figures["groups.closure_seconds"] = _closure_seconds()
    return {name: round(value, 2) for name, value in figures.items()}


def _members() -> Iterator[tuple[str, list[str]]]:
    """The DN of each group and of its members."""
    random = Random(1)  # noqa: S311 - the same groups in every run
    groups = [f"cn=g{number:05d},{GROUPS_BASE}" for number in range(GROUPS)]
    for number, dn in enumerate(groups):
        people = random.sample(range(PEOPLE), SIZE)
        inside = {
            random.randrange(max(0, number - _NEAR), number)
            for _ in range(random.randrange(3))
            if number
        }
        if number % 100 == 0:
            inside.add(min(number + _CIRCLE, GROUPS - 1))
        yield dn, [_person(place) for place in people] + [groups[each] for each in sorted(inside)]


def _person(place: int) -> str:
    return f"uid=u{place:06d},{PEOPLE_BASE}"


def _records() -> Iterator[str]:
    yield from ldif.bulk_people(PEOPLE, PEOPLE_BASE)
    for dn, members in _members():
        name = dn.partition(",")[0].removeprefix("cn=")
        yield ldif.record(dn, {"objectClass": ["groupOfNames"], "cn": [name], "member": members})


def _closure_seconds() -> float:
    people = [Entry(f"{place:036d}", _person(place), {}) for place in range(PEOPLE)]
    groups = [
        Entry(dn, dn, {"member": [member.encode() for member in members]})
        for dn, members in _members()
    ]
    began = time.process_time()
    membership = Membership()
    for entry in people:
        membership.add_person(entry)
    for entry in groups:
        membership.add_group(entry)
    counts = [(len(group.direct), group.count) for group in membership.resolve()]
    took = time.process_time() - began
    direct, effective = (sum(column) for column in zip(*counts, strict=True))
    assert direct == GROUPS * SIZE
    _say(f"closure {took:.2f} s: {direct:,} direct memberships, {effective:,} in all")
    return took


def _sync_figures(slapd: Slapd, database: str) -> dict[str, float]:
    with bench_console(database) as console:
        source = {
            "name": "Company", "kind": "openldap", "uris": slapd.tls_uri, "tls": "ldaps",
            "ca_pem": slapd.ca_file.read_text(), "bind_dn": BIND_DN,
            "secret": slapd.bind_password, "person_bases": PEOPLE_BASE, "person_filter": FILTER,
            "group_bases": GROUPS_BASE, "group_filter": "(objectClass=groupOfNames)",
            "key_attribute": "entryUUID", "mapping": MAPPING, "mode": "syncrepl",
        }  # fmt: skip
        console.call(f"bench.sync_setup.make_source({source!r})", "bench.sync_setup")
        first, told = _sync(console, changes=2 * PEOPLE + GROUPS)
        unchanged, again = _sync(console, changes=0)
        deltas = _change_groups(console, slapd)
    _say(f"{database} first {first:.2f} s, unchanged {unchanged:.2f} s, {told}, {again}")
    figures = {
        f"groups.sync_peak_mb.{database}": max(told["peak_mb"], again["peak_mb"]),
        f"groups.sync_first_seconds.{database}": first,
        f"groups.sync_unchanged_seconds.{database}": unchanged,
        f"groups.delta_seconds.{database}": statistics.median(deltas),
    }
    if database == "sqlite":
        figures["groups.write_lock_ms.sqlite"] = max(told["write_lock_ms"], again["write_lock_ms"])
    return figures


def _change_groups(console: BenchConsole, slapd: Slapd) -> list[float]:
    """Seconds until a changed group is read, each time another one."""
    console.environment["RTCADMIN_ALLOW_LOOPBACK"] = "1"
    root = (slapd.tls_uri, str(slapd.ca_file), ROOT_DN, slapd.root_password)
    change = f"bench.delta_once.change_groups('Company', {root!r}, {DELTAS})"
    found: list[float] = json.loads(console.call(change, "bench.delta_once"))
    return found


def _sync(console: BenchConsole, *, changes: int) -> tuple[float, dict[str, float]]:
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "bench.sync_once"], cwd=ROOT, check=True, text=True,
        stdout=subprocess.PIPE,
        env={**os.environ, **console.environment, "RTCADMIN_ALLOW_LOOPBACK": "1"},
    )  # fmt: skip
    told: dict[str, float] = json.loads(done.stdout)
    assert (told["people"], told["changes"]) == (PEOPLE, changes), told
    return time.perf_counter() - began, told


def _say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)
