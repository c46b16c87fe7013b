"""The single changes that are measured, each from the moment the directory has it; prints figures.

Import it where Django is set up.
"""

from __future__ import annotations

import json
import time
from typing import Any

import ldap
import psycopg
from django.utils import timezone

from lab.slapd_entries import LOCKED
from provisioning.models import DirectoryGroup, DirectorySource, GroupMember, Person, Run
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.directory import poll
from provisioning.services.runs import runs

_LONGEST_WAIT = 30.0
Who = tuple[str, str, str, str]


def add_source(columns: dict[str, Any]) -> None:
    """One more source; its people get no accounts of their own, for their SIP URIs are taken."""
    secret = columns.pop("secret")
    source = DirectorySource.objects.create(**columns)
    source.set_bind_secret(secret)
    source.save()
    print("null")


def read_everything(name: str, people: int) -> None:
    """The first read, which all later ones go on from."""
    source = DirectorySource.objects.get(name=name)
    run = runs.sync_here(source=source, actor=COMMAND_LINE, dry=False)
    assert run.state == Run.State.DONE, run.problem
    assert run.counts["read.people"] >= people, run.counts
    source.refresh_from_db()
    assert source.cookie is not None, source.fell_back
    print("null")


def change_people(name: str, who: Who, count: int) -> None:
    """Change somebody's title and read it, `count` times; prints milliseconds."""
    source = DirectorySource.objects.get(name=name)
    people = list(Person.objects.filter(source=source).order_by("id")[:count])
    connection = _connect(who)
    milliseconds = []
    for number, person in enumerate(people):
        title = f"Director {number} {time.time_ns()}"
        connection.modify_s(person.dn, [(ldap.MOD_REPLACE, "title", [title.encode()])])
        began = time.perf_counter()
        source.refresh_from_db()
        poll.read_changes(source=source)
        milliseconds.append((time.perf_counter() - began) * 1000)
        person.refresh_from_db()
        assert person.title == title
    print(json.dumps(milliseconds))


def change_groups(name: str, who: Who, count: int) -> None:
    """Take a member out of one of `count` groups within others and read it; prints seconds."""
    source = DirectorySource.objects.get(name=name)
    groups = DirectoryGroup.objects.filter(source=source, parents__isnull=False)
    connection = _connect(who)
    seconds = []
    for group in groups.distinct().order_by("id")[:count]:
        members = GroupMember.objects.filter(group=group, direct=True).select_related("person")
        gone = members.latest("id").person
        change = [(ldap.MOD_DELETE, "member", [gone.dn.encode()])]
        connection.modify_s(group.dn, change)
        began = time.perf_counter()
        source.refresh_from_db()
        poll.read_changes(source=source)
        seconds.append(time.perf_counter() - began)
        assert not members.filter(person=gone).exists()
    print(json.dumps(seconds))


def lock_people(name: str, who: Who, url: str, count: int) -> None:
    """Lock people one by one until no telephone of theirs can register; prints seconds."""
    source = DirectorySource.objects.get(name=name)
    _await_follower(source)
    people = Person.objects.filter(source=source, disabled=False).order_by("-id")
    connection = _connect(who)
    seconds = []
    with psycopg.connect(url, autocommit=True) as server:
        for person in people.select_related().prefetch_related("accounts")[:count]:
            account = person.accounts.get()
            before = _credential(server, account.user_part)
            change = [(ldap.MOD_REPLACE, "pwdAccountLockedTime", [LOCKED.encode()])]
            connection.modify_s(person.dn, change)
            began = time.perf_counter()
            while _credential(server, account.user_part) == before:
                assert time.perf_counter() - began < _LONGEST_WAIT, "the change did not arrive"
                time.sleep(0.005)
            seconds.append(time.perf_counter() - began)
    print(json.dumps(seconds))


def _await_follower(source: DirectorySource) -> None:
    began = timezone.now()
    while source.last_changes_at is None or source.last_changes_at < began:
        assert (timezone.now() - began).total_seconds() < _LONGEST_WAIT, "nobody follows"
        time.sleep(0.05)
        source.refresh_from_db()


def _credential(server: psycopg.Connection[Any], user: str) -> Any:
    """What a locked account's telephone cannot register with any more."""
    return server.execute("SELECT ha1 FROM subscriber WHERE username = %s", [user]).fetchone()


def _connect(who: Who) -> Any:
    uri, ca_file, name, password = who
    connection = ldap.initialize(uri)
    connection.set_option(ldap.OPT_REFERRALS, 0)
    connection.set_option(ldap.OPT_X_TLS_CACERTFILE, ca_file)
    connection.set_option(ldap.OPT_X_TLS_REQUIRE_CERT, ldap.OPT_X_TLS_DEMAND)
    connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
    connection.simple_bind_s(name, password)
    return connection
