"""Runs over many accounts in stages, and leavers who never wait for them; real stores."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from provisioning.drivers.base import Kind
from provisioning.models import PendingChange, Rollout, ServerPool
from provisioning.services.actor import Actor
from provisioning.services.push import outbox
from provisioning.services.push.at_stores import find_at_stores
from provisioning.services.push.reconcile import reconcile
from provisioning.services.rollouts import actions
from provisioning.services.rollouts.advance import advance
from tests.push_site import Site
from tests.services.company import Company, company

__all__ = ["company"]

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def site(company: Company, new_site: Callable[..., Site]) -> Site:
    """The company's store on a real database, of a pool with stages for more than ten accounts."""
    company.store.delete()
    site = new_site(name="store a")
    company.store = site.store
    company.relax()
    outbox.mark_store(site.store)
    site.push()
    terms(site, staged=True, gate_seconds=0, stage_from=10, batch_size=5)
    return site


def terms(site: Site, **values: object) -> None:
    ServerPool.objects.filter(pk=site.store.pool_id).update(**values)


def step(rollout: Rollout, *sites: Site, times: int = 1) -> Rollout:
    for _ in range(times):
        Rollout.objects.filter(pk=rollout.pk).update(not_before=None)
        advance(rollout_id=rollout.pk)
        for site in sites:
            site.push()
    rollout.refresh_from_db()
    return rollout


def test_one_account_then_a_batch_then_the_rest(company: Company, site: Site) -> None:
    company.directory.add_many(20)
    run = company.sync()
    site.push()
    assert site.subscribers() == {}
    rollout = Rollout.objects.get()
    assert (rollout.run, rollout.what) == (run, "accounts")
    account = company.account(company.directory.people[0])
    (standing,) = find_at_stores(account=account, number=None)
    assert f"{rollout} holds it back until its stage opens" in standing.because
    seen = [len(site.subscribers())]
    numbers = []
    for _ in range(12):
        rollout = step(rollout, site)
        if len(site.subscribers()) != seen[-1]:
            seen.append(len(site.subscribers()))
            numbers.append(len(site.aliases()))
    assert seen == [0, 1, 6, 20]
    assert numbers == [1, 6, 20]
    assert (rollout.state, site.pending()) == ("done", set())
    assert reconcile(store=site.store).total == 0


def test_a_run_over_fewer_accounts_goes_at_once(company: Company, site: Site) -> None:
    company.directory.add_many(10)
    company.sync()
    site.push()
    assert len(site.subscribers()) == 10
    assert not Rollout.objects.exists()


def test_leavers_of_a_large_run_lose_their_service_at_once(company: Company, site: Site) -> None:
    terms(site, staged=False)
    people = company.directory.add_many(30)
    company.sync()
    site.push()
    terms(site, staged=True)
    leaver, locked, *others = people
    company.directory.remove(leaver)
    locked.set(locked="yes")
    for one in others[:20]:
        one.set(phone="")
    for number in range(12):
        company.directory.add(f"new{number}", phone=f"+4420794607{number:02}")
    gone = {company.account(leaver).aor, company.account(locked).aor}
    company.sync()
    site.push()
    found = site.subscribers()
    assert {aor for aor, ha1 in found.items() if ha1 == "!"} == gone
    assert len(found) == 30
    assert len(site.aliases()) == 30
    rollout = step(Rollout.objects.get(), site, times=12)
    assert rollout.state == "done"
    assert len(site.subscribers()) == 42


def test_whoever_is_renamed_is_served_at_the_old_address_until_the_new_one_comes(
    company: Company, site: Site
) -> None:
    terms(site, staged=False)
    company.rule.follow_user = True
    company.rule.save()
    people = company.directory.add_many(12)
    company.sync()
    site.push()
    before = set(site.subscribers())
    terms(site, staged=True)
    for one in people:
        one.set(login=f"new{one.values['login']}")
    company.sync()
    site.push()
    assert set(site.subscribers()) == before
    rollout = step(Rollout.objects.get(), site, times=12)
    assert rollout.state == "done"
    assert not before & set(site.subscribers())


def test_more_accounts_than_the_outbox_names_are_compared_in_the_last_stage(
    company: Company, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "BULK", 15)
    company.directory.add_many(20)
    company.sync()
    whole = PendingChange.objects.filter(key=PendingChange.ALL, kind=Kind.SUBSCRIBER)
    assert whole.get().stage is not None
    rollout = Rollout.objects.get()
    step(rollout, site)
    assert len(site.subscribers()) == 1
    rollout = step(rollout, site, times=12)
    assert (rollout.state, len(site.subscribers()), site.pending()) == ("done", 20, set())
    # Fourteen accounts and their numbers: counted by what was written.
    assert rollout.stages.last().total == 28  # type: ignore[union-attr]


def test_a_store_that_refuses_too_many_gets_back_what_it_had(company: Company, site: Site) -> None:
    company.directory.add_many(20)
    company.sync()
    rollout = step(Rollout.objects.get(), site)
    (first,) = site.subscribers()
    others = [key for key in site.pending() if "@" in key and not key.startswith("+")]
    site.refuse(sorted(others)[0].partition("@")[0])
    rollout = step(rollout, site, times=12)
    assert rollout.state == "rolled back"
    assert "were refused; at most 5 % may be." in rollout.problem
    assert site.subscribers() == {}
    assert PendingChange.objects.filter(stage__open=False, kind="subscriber").count() == 20
    assert reconcile(store=site.store).total == 0
    assert first in site.pending()


def test_stores_of_their_own_get_everything_one_after_the_other(
    company: Company, site: Site, new_site: Callable[..., Site], actor: Actor
) -> None:
    second = new_site(name="store b")
    company.directory.add_many(20)
    company.sync()
    rollout = step(Rollout.objects.get(), site, second)
    assert (len(site.subscribers()), len(second.subscribers())) == (20, 0)
    actions.pause(rollout=rollout, reason="look", actor=actor)
    actions.resume(rollout=rollout, actor=actor)
    rollout = step(rollout, site, second, times=9)
    assert rollout.state == "done"
    assert (len(site.subscribers()), len(second.subscribers())) == (20, 20)
