"""Two real OpenLDAP servers with the same company in both: joined, changed in each, and parted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.authority import Authority
from lab.people import Company as People
from lab.slapd import Slapd
from provisioning.core.states import State
from provisioning.models import Account, DirectorySource, Person, Run
from provisioning.services.actor import COMMAND_LINE, SYNC
from provisioning.services.joins.joins import join_here
from provisioning.services.runs import runs
from provisioning.services.runs.undo import undo_here
from tests.factories import make_rule
from tests.lab.fixtures import authority, people, slapd
from tests.sources import saved_source

__all__ = ["authority", "people", "slapd"]

pytestmark = [pytest.mark.database, pytest.mark.django_db]


@pytest.fixture
def second(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority, people: People
) -> Iterator[Slapd]:
    """Another server with the same people."""
    server = Slapd(tmp_path_factory.mktemp("second"), authority, durable=False)
    server.populate(people)
    with server:
        yield server


@pytest.fixture
def sources(slapd: Slapd, second: Slapd) -> tuple[DirectorySource, DirectorySource]:
    """Both, read in turn; only people of the first have accounts so far."""
    first = saved_source(slapd, limit_percent=100, mode=DirectorySource.Mode.SYNCREPL)
    other = saved_source(
        second, name="Bought", limit_percent=100, mode=DirectorySource.Mode.SYNCREPL
    )
    make_rule(name="Everybody")
    _sync(first)
    _sync(other)
    return first, other


def _sync(source: DirectorySource, **values: object) -> Run:
    run = runs.request(Run(kind=Run.Kind.SYNC, source=source, **values), SYNC)
    runs.execute_run(run_id=run.pk)
    run.refresh_from_db()
    assert run.state == Run.State.DONE, run.problem or run.breaches
    return run


def test_a_company_in_two_servers_is_joined_read_on_by_changes_and_parted(
    sources: tuple[DirectorySource, DirectorySource], slapd: Slapd, second: Slapd, people: People
) -> None:
    first, other = sources
    # The second server's people want the SIP URIs that those of the first have.
    assert Person.objects.filter(source=other).exclude(problem="").count() > 50
    assert not Account.objects.filter(person__source=other).exists()
    run = join_here(one=first, other=other, by="mail", actor=COMMAND_LINE, dry=False)
    assert run.state == Run.State.DONE, run.breaches
    assert run.counts["person.join"] == len(people.people)
    assert not Person.objects.filter(source=other, same_as=None).exists()
    assert not Person.objects.filter(source=other).exclude(problem="").exists()
    entry = Person.objects.filter(source=other, same_as__accounts__state=State.ACTIVE).earliest(
        "pk"
    )
    account = Account.objects.get(person=entry.same_as)
    own = account.person
    assert own is not None
    slapd.delete(own.dn)
    _sync(first, reading=Run.Reading.CHANGES)
    account.refresh_from_db()
    assert account.state == State.ACTIVE, "gone from one of two"
    second.delete(entry.dn)
    _sync(other, reading=Run.Reading.CHANGES)
    account.refresh_from_db()
    assert account.state == State.GRACE, "gone from both"
    undone = undo_here(run=run, actor=COMMAND_LINE, dry=False)
    assert undone.state == Run.State.DONE, undone.problem or undone.breaches
    assert not Person.objects.filter(same_as__isnull=False).exists()
