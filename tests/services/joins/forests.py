"""A company with two forests: whoever works in both has an entry in each."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from provisioning.models import Account, DirectorySource, Joining, Person, Run
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.joins import joins
from provisioning.services.runs import runs
from tests.factories import make_pool, make_rule, make_store
from tests.services.company import Company, Directory, Somebody, memory_source, read_from

PHONE, OTHER_PHONE = "+442079460001", "+442079460002"


@dataclass
class Forests(Company):
    """The company's own forest is `source`, the one that it bought is `bought`."""

    second: Directory
    bought: DirectorySource

    def sync_both(self) -> None:
        """One sync of each."""
        self.sync()
        self.sync(source=self.bought)

    def add_pair(self, login: str) -> tuple[Somebody, Somebody]:
        """Somebody with an entry, and an account, in each of both."""
        pair = (
            self.directory.add(login, employee_id=f"E-{login}"),
            self.second.add(f"{login}2", employee_id=f"e-{login}"),
        )
        self.sync_both()
        return pair

    def entry(self, one: Somebody) -> Person:
        """What is kept of an entry of either forest."""
        return Person.objects.get(guid=one.guid)

    def account_of(self, one: Somebody) -> Account | None:
        """The account that an entry has itself."""
        return Account.objects.filter(person__guid=one.guid).first()

    def join(self, by: str = "employee_id", *, dry: bool = False) -> Run:
        """Join the two forests here."""
        return joins.join_here(
            one=self.source, other=self.bought, by=by, actor=COMMAND_LINE, dry=dry
        )

    def carry_out(self, run: Run) -> Run:
        """Carry out what was asked for."""
        runs.execute_run(run_id=run.pk)
        run.refresh_from_db()
        return run

    def prefer(self, *sources: DirectorySource, **values: object) -> None:
        """Set the order of the sources, and whatever else is given."""
        Joining.objects.all().delete()
        Joining.objects.create(order=[source.pk for source in sources], **values)


@pytest.fixture
def forests(db: None, monkeypatch: pytest.MonkeyPatch) -> Forests:
    """Two empty forests, a rule for everybody, and no limits."""
    first, second = Directory(), Directory()
    source = memory_source(name="Head office")
    bought = memory_source(name="Bought")
    read_from(monkeypatch, {source.name: first, bought.name: second})
    found = Forests(
        first, source, make_rule(name="Everybody"), make_store(pool=make_pool()), second, bought
    )
    found.relax()
    bought.limit_percent, bought.limit_ceiling = 100, 100_000
    bought.save()
    # Nobody is ever all of a directory.
    for n in range(5):
        first.add(f"first{n}")
        second.add(f"second{n}")
    return found
