"""A directory in memory and a console that reads it: the sync engine without a server."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from provisioning.core.errors import ProvisioningError
from provisioning.core.records import PERSON_FIELDS, Entry, SourceRecord
from provisioning.directory.reader import Problem
from provisioning.models import (
    Account,
    AccountRule,
    ConfigStore,
    DirectoryGroup,
    DirectorySource,
    Person,
    PlannedChange,
    Run,
)
from provisioning.services.actor import SYNC
from provisioning.services.directory.nesting import find_members
from provisioning.services.runs import runs
from tests.factories import make_pool, make_rule, make_source, make_store

PAGE = 7


@dataclass(eq=False)
class Somebody:
    """An entry of a person; attributes are named like the fields of a person."""

    guid: str
    dn: str
    values: dict[str, str]

    def set(self, **values: str) -> None:
        """Change attributes."""
        self.values.update(values)


@dataclass(eq=False)
class Team:
    """An entry of a group; members are people, groups, or DNs that lead elsewhere."""

    guid: str
    dn: str
    name: str
    members: list[Somebody | Team | str]


@dataclass
class Directory:
    """What a server would answer, and how it fails."""

    people: list[Somebody] = field(default_factory=list)
    groups: list[Team] = field(default_factory=list)
    refuses: ProvisioningError | None = None
    breaks_after_page: int | None = None
    groups_fail: ProvisioningError | None = None
    unusable: list[Problem] = field(default_factory=list)

    def add(self, login: str, **values: str) -> Somebody:
        """A new person, with a display name unless one is given."""
        values = {"login": login, "display_name": login.title(), **values}
        one = Somebody(str(uuid.uuid4()), f"uid={login},ou=people,dc=example", values)
        self.people.append(one)
        return one

    def add_many(self, count: int) -> list[Somebody]:
        """So many new people, with numbers of their own."""
        return [self.add(f"p{n:04d}", phone=f"+4420{7_000_0000 + n}") for n in range(count)]

    def remove(self, *people: Somebody) -> None:
        """Delete entries."""
        for one in people:
            self.people.remove(one)

    def group(self, name: str, *members: Somebody | Team | str) -> Team:
        """A new group."""
        team = Team(str(uuid.uuid4()), f"cn={name},ou=groups,dc=example", name, list(members))
        self.groups.append(team)
        return team


class FakeReader:
    """Reads a `Directory` as provisioning.directory.reader.Reader reads a server."""

    def __init__(self, directory: Directory, source: SourceRecord) -> None:
        self._directory = directory
        self.source = source
        self.problems = directory.unusable
        self.left_out = len(directory.unusable)
        self.server = ""
        self.passed_over: list[str] = []

    def __enter__(self) -> FakeReader:
        if self._directory.refuses is not None:
            raise self._directory.refuses
        return self

    def __exit__(self, *_: object) -> None: ...

    def select(self, guids: Iterable[str]) -> list[str]:
        return list(guids)

    def naming(self, dn: str) -> list[str]:
        return [
            team.guid
            for team in self._directory.groups
            if dn in [one if isinstance(one, str) else one.dn for one in team.members]
        ]

    def people(
        self, attributes: Collection[str], only: Sequence[str] | None = None
    ) -> Iterator[list[Entry]]:
        entries = [
            Entry(one.guid, one.dn, {n: [v.encode()] for n, v in one.values.items() if v})
            for one in self._directory.people
            if _is_chosen(one.guid, only)
        ]
        for number, start in enumerate(range(0, len(entries), PAGE)):
            if number == self._directory.breaks_after_page:
                raise ProvisioningError("The connection broke. Nothing was changed.")
            yield entries[start : start + PAGE]

    def groups(
        self, attributes: Collection[str], only: Sequence[str] | None = None
    ) -> Iterator[list[Entry]]:
        chosen = [team for team in self._directory.groups if _is_chosen(team.guid, only)]
        for number, team in enumerate(chosen):
            if self._directory.groups_fail is not None and number == 1:
                raise self._directory.groups_fail
            dns = [one if isinstance(one, str) else one.dn for one in team.members]
            values = {"cn": [team.name.encode()], "member": [dn.encode() for dn in dns]}
            yield [Entry(team.guid, team.dn, values)]
        if self._directory.groups_fail is not None:
            raise self._directory.groups_fail


def _is_chosen(guid: str, only: Sequence[str] | None) -> bool:
    return only is None or guid in only


@dataclass
class Company:
    """A console with one source, one rule for everybody and one store that it manages."""

    directory: Directory
    source: DirectorySource
    rule: AccountRule
    store: ConfigStore

    def sync(self, *, dry: bool = False, source: DirectorySource | None = None) -> Run:
        """One sync, carried out here; the run as it ended."""
        run = runs.request_sync(source=source or self.source, actor=SYNC, dry=dry)
        runs.execute_run(run_id=run.pk)
        run.refresh_from_db()
        return run

    def apply_rules(self, *, dry: bool = False) -> Run:
        """One run of the account rules, carried out here."""
        run = runs.request_rules_run(actor=SYNC, dry=dry)
        runs.execute_run(run_id=run.pk)
        run.refresh_from_db()
        return run

    def person(self, one: Somebody) -> Person:
        """What is kept of somebody."""
        return Person.objects.get(source=self.source, guid=one.guid)

    def account(self, one: Somebody) -> Account:
        """Somebody's account."""
        return Account.objects.get(person__source=self.source, person__guid=one.guid)

    def group(self, team: Team) -> DirectoryGroup:
        """What is kept of a group."""
        return DirectoryGroup.objects.get(source=self.source, guid=team.guid)

    def members(self, team: Team) -> dict[str, bool]:
        """User names of the effective members; whether the group names them itself."""
        rows = find_members(group=self.group(team)).values_list("login", "direct")
        return dict(rows)

    def relax(self, **limits: int) -> None:
        """Let everything pass that the test is not about."""
        for limited in (self.source, self.rule.domain, self.store):
            limited.limit_percent = limits.get("percent", 100)
            limited.limit_ceiling = limits.get("ceiling", 100_000)
            limited.limit_membership_percent = limits.get("membership", 100)
            limited.save()


MAPPING = {name: name for name in PERSON_FIELDS} | {
    "locked_out": "locked_out",
    "must_change_password": "must_change",
}
DISABLED = "equals(locked, 'yes')"


def read_from(monkeypatch: pytest.MonkeyPatch, directories: dict[str, Directory]) -> None:
    """Let the sync read these directories, by the name of the source."""

    def open_reader(record: SourceRecord) -> FakeReader:
        return FakeReader(directories[record.name], record)

    monkeypatch.setattr("provisioning.services.directory.readers.Reader", open_reader)


def memory_source(**values: Any) -> DirectorySource:
    """A source whose mapping reads a `Directory`."""
    given = {
        "uris": "ldaps://127.0.0.1", "person_bases": "dc=example", "group_bases": "dc=example",
        "person_filter": "(objectClass=person)", "group_filter": "(objectClass=group)",
        "mapping": dict(MAPPING), "disabled_expression": DISABLED,
    }  # fmt: skip
    return make_source(**{**given, **values})


@pytest.fixture
def company(db: None, monkeypatch: pytest.MonkeyPatch) -> Company:
    """An empty directory, and everything that is needed to sync it."""
    directory = Directory()
    source = memory_source(name="Head office")
    read_from(monkeypatch, {source.name: directory})
    store = make_store(pool=make_pool())
    return Company(directory, source, make_rule(name="Everybody"), store)


def rows_of(run: Run, kind: str = "", status: str = "") -> list[tuple[str, str, str]]:
    """(kind, action, name) of a run's rows, in their order."""
    rows = PlannedChange.objects.filter(run=run).order_by("ordinal")
    rows = rows.filter(kind=kind) if kind else rows
    rows = rows.filter(status=status) if status else rows
    return list(rows.values_list("kind", "action", "name"))
