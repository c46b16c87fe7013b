"""Where a plan homes accounts: whom the new pool would not serve is held, with the reason."""

from __future__ import annotations

import pytest

from provisioning.core.states import State
from provisioning.drivers.kamailio.store import KamailioStore
from provisioning.models import Account, ConfigStore, Run
from tests.factories import make_domain, make_pool, make_rule, make_store
from tests.services.company import Company, company

__all__ = ["company"]

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def berlin() -> ConfigStore:
    """A managed store of a pool to which a rule moves everybody, narrowed to another SIP domain."""
    store = make_store(name="berlin", pool=make_pool("Berlin"))
    store.scope_domains.set([make_domain("desk.example.com")])
    return store


def to_berlin(company: Company) -> None:
    company.relax()
    company.rule.pool = make_pool("Berlin")
    company.rule.save()


def test_moves_to_where_nobody_would_serve_them_are_held_until_the_scope_is_wider(
    company: Company, berlin: ConfigStore
) -> None:
    company.directory.add_many(3)
    company.sync()
    to_berlin(company)
    run = company.apply_rules()
    assert run.state == Run.State.WAITING
    assert len(run.breaches) == 1
    assert "3 accounts would move to Berlin. Nobody at Berlin would serve" in run.breaches[0]
    assert not Account.objects.filter(pool__name="Berlin").exists()
    held = run.changes.filter(status="held")
    assert {change.message for change in held} == {run.breaches[0].split(". ", 1)[1]}
    berlin.scope_domains.clear()
    assert company.apply_rules().state == Run.State.DONE
    assert Account.objects.filter(pool__name="Berlin").count() == 3


def test_newcomers_and_leavers_are_not_held_outside_of_a_scope(
    company: Company, berlin: ConfigStore
) -> None:
    ann = company.directory.add("ann")
    company.sync()
    to_berlin(company)
    company.directory.add("bob")
    company.directory.remove(ann)
    run = company.sync()
    assert (run.state, run.breaches) == (Run.State.DONE, [])
    assert Account.objects.get(name="Bob").pool.name == "Berlin"
    assert Account.objects.get(name="Ann").state == State.GRACE


def test_who_comes_into_the_scopes_group_by_the_same_run_moves(
    company: Company, berlin: ConfigStore
) -> None:
    ann, bob = company.directory.add("ann"), company.directory.add("bob")
    team = company.directory.group("Berlin", bob)
    company.sync()
    group = company.group(team)
    berlin.scope_domains.clear()
    berlin.scope_groups.set([group])
    company.relax()
    company.rule.position = 2
    company.rule.save()
    make_rule(name="Berlin", position=1, group=group, pool=berlin.pool)
    team.members.append(ann)
    assert company.sync().breaches == []
    assert company.account(ann).pool == berlin.pool


def test_a_pool_takes_no_more_than_its_servers_can_do_with(
    company: Company, berlin: ConfigStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    berlin.scope_domains.clear()
    company.directory.add("ann")
    company.sync()
    to_berlin(company)
    monkeypatch.setattr(KamailioStore, "capacity", 1)
    company.directory.add_many(2)
    run = company.sync()
    assert (
        "The servers of berlin can do with 1 accounts. At home there: 0; they would come on top: 2"
        in run.breaches[0]
    )
    assert run.changes.filter(status="held", kind="account").count() == 2
    run = company.apply_rules()
    assert "they would come on top: 3" in run.breaches[0]
    assert Account.objects.count() == 1
