"""The outbox: marks, versions, and what happens to a mark that comes during a push."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from provisioning.core.errors import Busy
from provisioning.drivers.base import Kind, Outcome, RowChange
from provisioning.drivers.kamailio.store import KamailioStore
from provisioning.models import (
    Account,
    Alias,
    ConfigStore,
    Number,
    OwnedRow,
    PendingChange,
)
from provisioning.services import leases
from provisioning.services.push import outbox
from tests.factories import make_account, make_pool, make_store
from tests.push_site import Site

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def during_apply(monkeypatch: pytest.MonkeyPatch, act: Any) -> None:
    """Calls `act` once, after the rows were computed and before they are written."""
    original = KamailioStore.apply
    left = [act]

    def apply(self: KamailioStore, changes: Sequence[RowChange]) -> list[Outcome]:
        if left:
            left.pop()()
        return original(self, changes)

    monkeypatch.setattr(KamailioStore, "apply", apply)


def test_marking_again_raises_the_version_and_revives_what_was_given_up() -> None:
    store = make_store()
    for _ in range(2):
        outbox.mark(store_ids=[store.pk], kind=Kind.ALIAS, keys=["1@x"])
    PendingChange.objects.update(dead=True, attempts=3, problem="refused")
    outbox.mark(store_ids=[store.pk], kind=Kind.ALIAS, keys=["1@x"])
    change = PendingChange.objects.get()
    assert (change.version, change.attempts, change.dead, change.problem) == (3, 0, False, "")


def test_many_keys_become_one_full_comparison() -> None:
    store = make_store()
    few = [str(number) for number in range(outbox.BULK)]
    outbox.mark(store_ids=[store.pk], kind=Kind.ALIAS, keys=few)
    assert PendingChange.objects.count() == outbox.BULK
    PendingChange.objects.all().delete()
    outbox.mark(store_ids=[store.pk], kind=Kind.ALIAS, keys=[*few, "one more"])
    assert PendingChange.objects.get().key == "*"


def test_only_what_waited_for_a_server_is_due_when_the_server_is_up_again(
    messages: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    store = make_store()
    outbox.mark(store_ids=[store.pk], kind=Kind.ALIAS, keys=["waited@x", "refused@x", "dead@x"])
    PendingChange.objects.update(not_before=leases.until(300), problem="why")
    PendingChange.objects.filter(key="refused@x").update(attempts=1)
    PendingChange.objects.filter(key="dead@x").update(dead=True)
    messages.clear()
    with django_capture_on_commit_callbacks(execute=True):
        outbox.end_waiting(store_id=store.pk)
    assert [change.key for change in outbox.pending(store_id=store.pk)] == ["waited@x"]
    assert messages == [("provisioning.tasks.push_store", (store.pk,))]


def test_a_mark_goes_to_every_managed_store_of_the_pool_and_to_no_other() -> None:
    managed = [make_store().pk, make_store().pk]
    make_store(mode=ConfigStore.Mode.OBSERVE)
    make_store(pool=make_pool("Berlin"))
    account = make_account(user_part="ann")
    Number.objects.create(e164="+441", state="assigned", account=account)
    outbox.mark_account(account, numbers=["+441"])
    marked = PendingChange.objects.values_list("store_id", "kind", "key").order_by("kind", "store")
    assert list(marked) == [
        (store, kind, key)
        for kind, key in (
            ("alias", "+441@voice.example.com"),
            ("subscriber", "ann@voice.example.com"),
        )
        for store in managed
    ]


def test_a_single_store_gets_every_mark() -> None:
    store = make_store()
    outbox.mark_account(make_account(user_part="ann"), former_aor="old@x", numbers=["+441"])
    marked = PendingChange.objects.values_list("store_id", "key").order_by("key", "kind")
    assert list(marked) == [
        (store.pk, "+441@voice.example.com"),
        (store.pk, "+441@x"),
        (store.pk, "ann@voice.example.com"),
        (store.pk, "ann@voice.example.com"),
        (store.pk, "old@x"),
        (store.pk, "old@x"),
    ]


@pytest.mark.parametrize("kind", [Kind.SUBSCRIBER, Kind.ALIAS])
def test_stores_elsewhere_that_have_the_row_or_may_be_getting_it_are_marked_too(kind: Kind) -> None:
    account = make_account(user_part="ann")
    Number.objects.create(e164="+441", state="assigned", account=account)
    key = {Kind.SUBSCRIBER: account.aor, Kind.ALIAS: "+441@voice.example.com"}[kind]
    pool = make_pool("Berlin")
    home, has, gets, compares, other, without = (
        make_store(**values) for values in [{}, *({"pool": pool} for _ in range(5))]
    )
    OwnedRow.objects.create(store=has, kind=kind, key=key)
    OwnedRow.objects.create(store=without, kind=kind, key="else@voice.example.com")
    outbox.mark(store_ids=[gets.pk], kind=kind, keys=[key])
    outbox.mark(store_ids=[compares.pk], kind=kind, keys=[PendingChange.ALL])
    outbox.mark(store_ids=[other.pk], kind=kind, keys=["else@voice.example.com"])
    outbox.mark_concerned(kind=kind, keys=[key])
    marked = PendingChange.objects.filter(kind=kind, key=key).values_list("store_id", flat=True)
    assert set(marked) == {home.pk, has.pk, gets.pk, compares.pk}
    assert PendingChange.objects.get(store=gets, key=key).version == 2


def test_everything_is_marked_at_every_managed_store() -> None:
    stores = [make_store(), make_store(pool=make_pool("Berlin"))]
    outbox.mark_concerned(kind=Kind.SUBSCRIBER, keys=[PendingChange.ALL])
    outbox.mark_concerned(kind=Kind.ALIAS, keys=[f"{n}@x" for n in range(outbox.BULK + 1)])
    marked = PendingChange.objects.values_list("store_id", "kind", "key")
    assert set(marked) == {(s.pk, kind, "*") for s in stores for kind in ("subscriber", "alias")}


def test_an_old_address_is_marked_where_its_account_has_its_home() -> None:
    home = make_store()
    make_store(pool=make_pool("Berlin"))
    account = make_account(user_part="ann")
    Alias.objects.create(
        account=account, domain=account.domain, user_part="old", aor="old@voice.example.com",
        ends_at=timezone.now(), created_at=timezone.now(),
    )  # fmt: skip
    outbox.mark_concerned(kind=Kind.ALIAS, keys=["old@voice.example.com"])
    assert PendingChange.objects.get().store == home


def test_a_change_that_is_rolled_back_leaves_no_mark_and_wakes_nobody(
    messages: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    make_store()
    account = make_account()
    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        outbox.mark_account(account)
        transaction.set_rollback(True)
    assert not PendingChange.objects.exists()
    assert messages == []


def test_a_change_that_comes_during_a_push_is_not_forgotten_with_the_older_one(
    either_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = make_account(user_part="ann")
    outbox.mark_account(account)

    def disable() -> None:
        Account.objects.update(state="disabled")
        outbox.mark_account(account)

    during_apply(monkeypatch, disable)
    either_site.push()
    assert either_site.subscribers() == {"ann@voice.example.com": "!"}
    assert not either_site.pending()


def test_a_worker_that_lost_the_store_forgets_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox.mark_account(make_account(user_part="ann"))
    during_apply(monkeypatch, lambda: ConfigStore.objects.update(lease_owner="another"))
    with pytest.raises(Busy):
        site.push()
    assert site.pending() == {"ann@voice.example.com"}
    site.store.refresh_from_db()
    assert site.store.lease_owner == "another"


def test_an_older_row_that_arrives_after_a_newer_one_is_put_right(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = make_account(user_part="ann")
    outbox.mark_account(account)

    def another_worker() -> None:
        """Takes the store over while the first one hangs, and pushes something newer."""
        this = ConfigStore.objects.filter(pk=site.store.pk)
        this.update(lease_until=leases.until(-1))
        Account.objects.update(state="disabled")
        outbox.mark_account(account)
        site.push()
        assert site.subscribers() == {"ann@voice.example.com": "!"}
        assert not site.pending()

    during_apply(monkeypatch, another_worker)
    with pytest.raises(Busy):
        site.push()
    # The first one's row got through after all, and somebody will look at it again.
    assert site.subscribers() != {"ann@voice.example.com": "!"}
    assert site.pending() == {"ann@voice.example.com"}
    site.push()
    assert site.subscribers() == {"ann@voice.example.com": "!"}


def test_a_store_that_somebody_pushes_to_is_busy(site: Site) -> None:
    outbox.mark_account(make_account(user_part="ann"))
    this = ConfigStore.objects.filter(pk=site.store.pk)
    assert leases.claim(this, "another", 5)
    with pytest.raises(Busy):
        site.push()
    leases.release(this, "another")
    assert site.push().changed == 1


@pytest.mark.parametrize("hours", [-2, 2])
def test_a_worker_with_a_wrong_clock_neither_steals_a_store_nor_waits_for_hours(
    site: Site, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    now, seconds = timezone.now(), time.time()
    monkeypatch.setattr(timezone, "now", lambda: now + timedelta(hours=hours))
    monkeypatch.setattr(time, "time", lambda: seconds + 3600 * hours)
    outbox.mark_account(make_account(user_part="ann"))
    this = ConfigStore.objects.filter(pk=site.store.pk)
    assert leases.claim(this, "another", 5)
    with pytest.raises(Busy):
        site.push()
    this.update(lease_until=leases.until(-1))
    assert site.push().changed == 1


def test_what_was_marked_while_a_worker_held_the_store_wakes_another_one(
    site: Site,
    messages: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any,
) -> None:
    outbox.mark_account(make_account(user_part="ann"))
    release = leases.release

    def at_the_last_moment(rows: Any, owner: str) -> None:
        PendingChange.objects.create(
            store=site.store, kind="subscriber", key="late@x", marked_at="2026-01-01T00:00Z"
        )
        release(rows, owner)

    monkeypatch.setattr(leases, "release", at_the_last_moment)
    messages.clear()
    with django_capture_on_commit_callbacks(execute=True):
        assert site.push().left == 1
    assert messages == [("provisioning.tasks.push_store", (site.store.pk,))]


def test_a_row_that_is_being_deleted_stays_ours_until_it_is_gone(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = make_account(user_part="ann")
    outbox.mark_account(account)
    site.push()
    Account.objects.update(state="removed")
    outbox.mark_account(account)

    def crash() -> None:
        raise SystemExit

    during_apply(monkeypatch, crash)
    with pytest.raises(SystemExit):
        site.push()
    assert OwnedRow.objects.filter(key=account.aor).exists()
    assert site.push().changed == 1
    assert site.subscribers() == {}
