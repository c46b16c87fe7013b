"""A console that writes to a lab's directory: people are synced, and have accounts and numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import ldap

from lab.directory import DirectoryServer
from provisioning.models import (
    Account,
    AccountRule,
    DirectorySource,
    NumberRange,
    Person,
    PlannedChange,
    Run,
    WriteBack,
)
from provisioning.services.actor import COMMAND_LINE, SYNC, Actor
from provisioning.services.runs import runs
from provisioning.services.write_back.write_back import set_write_back, settings_of
from tests.factories import make_rule, make_site


@dataclass
class Writing:
    """A source whose people have numbers of a range, and the directory behind it."""

    server: DirectoryServer
    source: DirectorySource
    writer: tuple[str, str]
    rule: AccountRule = field(init=False)

    def __post_init__(self) -> None:
        numbers = NumberRange.objects.create(
            name="Berlin", first="+493012340000", last="+493012340999", site=make_site()
        )
        self.rule = make_rule(
            name="Everybody", source=self.source, number_source="range", number_range=numbers
        )
        self.relax()
        self.sync()

    def relax(self, percent: int = 200, ceiling: int = 100_000) -> None:
        """Let everything pass that the test is not about, of the disabled too."""
        for limited in (self.source, self.rule.domain):
            limited.limit_percent, limited.limit_ceiling = percent, ceiling
            limited.save()

    def sync(self) -> Run:
        """One complete sync."""
        run = runs.request_sync(source=self.source, actor=SYNC)
        runs.execute_run(run_id=run.pk)
        run.refresh_from_db()
        assert run.state == Run.State.DONE, run.problem
        self.source.refresh_from_db()
        return run

    def set(self, *, actor: Actor = COMMAND_LINE, **attributes: str) -> WriteBack:
        """Write these attributes, as the account that may."""
        return self.set_all(attributes, actor=actor)

    def set_all(self, attributes: dict[str, str], *, actor: Actor = COMMAND_LINE) -> WriteBack:
        """The same, for names that are known at run time only."""
        found = settings_of(self.source)
        found.enabled, found.bind_dn = True, self.writer[0]
        set_write_back(
            write_back=found, attributes=attributes,
            elsewhere_expression=self.source.elsewhere_expression, secret=self.writer[1],
            actor=actor,
        )  # fmt: skip
        return found

    def run(self, *, reading: Run.Reading = Run.Reading.FULL, dry: bool = False) -> Run:
        """One write-back, carried out here; the run as it ended."""
        run = Run.objects.create(
            kind=Run.Kind.WRITE_BACK, source=self.source, reading=reading, dry=dry
        )
        runs.execute_run(run_id=run.pk)
        return Run.objects.get(pk=run.pk)

    def person(self, login: str) -> Person:
        """Somebody, by user name."""
        return Person.objects.get(source=self.source, login=login)

    def account(self, login: str) -> Account:
        """Their account."""
        return Account.objects.select_related("number").get(person=self.person(login))

    def values(self, login: str, attribute: str) -> list[str]:
        """What the directory itself has."""
        with self.server.administer() as connection:
            rows = connection.search_s(self.person(login).dn, ldap.SCOPE_BASE, attrlist=[attribute])
        return [value.decode() for value in rows[0][1].get(attribute, [])]

    def put(self, login: str, attribute: str, *values: str) -> None:
        """Change the directory behind the console's back."""
        self.server.modify(self.person(login).dn, {attribute: list(values)})


def rows_of(run: Run, **chosen: Any) -> list[PlannedChange]:
    """The rows of a run in their order."""
    return list(run.changes.filter(**chosen).order_by("ordinal"))
