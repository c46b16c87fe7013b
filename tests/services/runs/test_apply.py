"""Applying: what else follows for links, sessions and the outbox; and two workers at one time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from provisioning.core.errors import Busy
from provisioning.core.roles import Role
from provisioning.models import (
    Account,
    ConsoleUser,
    Credential,
    PendingChange,
    Person,
    PlannedChange,
    ProvisioningLink,
    Run,
)
from provisioning.services.actor import SYNC
from provisioning.services.push import outbox
from provisioning.services.runs import apply, check_limits, runs
from provisioning.services.runs.plan import UNAPPLIED
from tests.factories import make_pool, make_store
from tests.services.company import Company, company, rows_of

__all__ = ["company"]

pytestmark = [pytest.mark.database, pytest.mark.django_db]


def _link(account: Account) -> ProvisioningLink:
    return ProvisioningLink.objects.create(
        account=account, format="rtc", token_hash=f"hash of {account.pk}",
        expires_at=timezone.now() + timedelta(days=1),
    )  # fmt: skip


@pytest.mark.parametrize("change", ["locked", "login", "title"])
def test_links_end_with_the_service_and_with_the_sip_uri(company: Company, change: str) -> None:
    company.relax()
    company.rule.follow_user = True
    company.rule.save()
    ann, bob = company.directory.add("ann"), company.directory.add("bob")
    company.sync()
    mine, other = _link(company.account(ann)), _link(company.account(bob))
    ann.set(**{change: "yes"})
    company.sync()
    mine.refresh_from_db()
    other.refresh_from_db()
    assert (mine.revoked_at is None) is (change == "title")
    assert other.revoked_at is None


def test_whoever_leaves_or_is_disabled_is_signed_out_of_the_console(company: Company) -> None:
    company.relax()
    people = company.directory.add_many(6)
    company.sync()
    users = [
        ConsoleUser.objects.create_user(
            f"u{n}", None, role=Role.VIEWER, source=company.source, guid=one.guid
        )
        for n, one in enumerate(people[:3])
    ]
    company.directory.remove(people[0])
    people[1].set(locked="yes")
    people[2].set(title="Director")
    company.sync()
    versions = []
    for user in users:
        before = user.session_version
        user.refresh_from_db()
        versions.append(user.session_version - before)
    assert versions == [1, 1, 0]


def test_every_managed_store_of_its_pool_hears_of_an_account_others_do_not(
    company: Company,
) -> None:
    second = make_store(pool=company.store.pool)
    elsewhere = make_store(pool=make_pool("Berlin"))
    observed = make_store(mode="observe")
    company.directory.add("ann")
    company.sync()
    stores = set(PendingChange.objects.values_list("store", flat=True))
    assert stores == {company.store.pk, second.pk}
    assert not stores & {observed.pk, elsewhere.pk}


def test_many_changes_become_one_mark_for_all(
    company: Company, monkeypatch: pytest.MonkeyPatch, messages: list[tuple[str, tuple[int, ...]]]
) -> None:
    company.directory.add_many(outbox.BULK + 1)
    company.sync()
    marks = PendingChange.objects.values_list("kind", "key")
    assert set(marks) == {("subscriber", "*"), ("alias", "*")}


def test_a_changed_name_needs_no_push(company: Company) -> None:
    ann = company.directory.add("ann")
    company.sync()
    PendingChange.objects.all().delete()
    ann.set(display_name="Ann Other", title="Director")
    company.sync()
    assert company.account(ann).name == "Ann Other"
    assert not PendingChange.objects.exists()


def test_a_person_whom_another_run_changed_meanwhile_is_left_with_all_that_follows(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    company.relax()
    ann, bob = company.directory.add("ann"), company.directory.add("bob")
    company.sync()
    ann.set(display_name="Ann Other")
    bob.set(display_name="Bob Other")
    check = check_limits.hold_breaches

    def meanwhile(**given: Any) -> Any:
        Person.objects.filter(guid=ann.guid).update(version=7)
        return check(**given)

    monkeypatch.setattr(runs, "hold_breaches", meanwhile)
    run = company.sync()
    assert PlannedChange.objects.filter(run=run, status="stale").count() == 2
    assert company.account(ann).name == "Ann"
    assert company.account(bob).name == "Bob Other"
    monkeypatch.undo()


def test_a_plan_that_takes_several_transactions_takes_smaller_ones(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apply, "WINDOW", 20)
    monkeypatch.setattr(apply, "_PART", 8)
    windows: list[tuple[int, int]] = []
    once = apply._apply_once

    def noted(run: Run, window: apply.Window, *rest: Any, **more: Any) -> Any:
        windows.append((window.first, window.last))
        return once(run, window, *rest, **more)

    monkeypatch.setattr(apply, "_apply_once", noted)
    company.directory.add_many(10)
    company.sync()
    assert windows == [(1, 20)]
    windows.clear()
    company.directory.add_many(21)
    company.sync()
    # 21 people, and accounts for 11 of them: the others' SIP URIs are taken.
    assert [last - first + 1 for first, last in windows] == [8, 8, 5, 8, 3]


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_carry_a_run_out_once(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apply, "WINDOW", 10)
    company.directory.add_many(40)
    run = runs.request_sync(source=company.source, actor=SYNC)
    outcomes: list[str] = []
    start = threading.Barrier(3)

    def work() -> None:
        start.wait()
        try:
            runs.execute_run(run_id=run.pk)
            outcomes.append("done")
        except Busy:
            outcomes.append("busy")
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert outcomes.count("done") >= 1
    run.refresh_from_db()
    assert run.state == Run.State.DONE
    assert len(rows_of(run)) == 80
    assert Account.objects.count() == Credential.objects.count() == 40


@pytest.fixture(autouse=True)
def _nothing_left_open() -> Iterator[None]:
    yield
    assert not PlannedChange.objects.filter(UNAPPLIED).exists()
