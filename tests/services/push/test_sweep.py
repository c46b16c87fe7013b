"""The sweeper: whoever was forgotten gets a worker, and nobody else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from provisioning.drivers.base import Kind
from provisioning.models import ConfigStore, PendingChange, PushPause, Run, SipServer
from provisioning.services import leases
from provisioning.services.console.sweep import sweep
from provisioning.services.push import outbox
from tests.factories import make_store

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def store() -> ConfigStore:
    store = make_store()
    outbox.mark(store_ids=[store.pk], kind=Kind.ALIAS, keys=["1@x"])
    return store


def make_server(store: ConfigStore, **values: Any) -> SipServer:
    return SipServer.objects.create(
        **{"name": "one", "pool": store.pool, "store": store, "sip_host": "sip.example.com",
           "rpc_url": "http://sip.example.com/RPC", "reload_pending": ["sip_domain"], **values}
    )  # fmt: skip


def test_a_store_with_something_pending_gets_a_worker(
    store: ConfigStore, messages: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    make_store()
    with django_capture_on_commit_callbacks(execute=True):
        assert sweep().stores == [store.pk]
    assert messages == [("provisioning.tasks.push_store", (store.pk,))]


@pytest.mark.parametrize(
    "values",
    [
        {"mode": "observe"},
        {"lease_owner": "another", "lease_until": leases.until(60)},
        {"not_before": leases.until(60)},
    ],
)
def test_a_store_that_nobody_may_push_to_now_is_left_alone(
    store: ConfigStore, values: dict[str, Any]
) -> None:
    ConfigStore.objects.update(**values)
    assert sweep().stores == []


@pytest.mark.parametrize("values", [{"dead": True}, {"not_before": leases.until(60)}])
def test_a_change_that_was_given_up_or_waits_needs_no_worker(
    store: ConfigStore, values: dict[str, Any]
) -> None:
    PendingChange.objects.update(**values)
    assert sweep().stores == []


def test_nothing_is_pushed_during_a_pause(store: ConfigStore) -> None:
    PushPause.objects.create(paused=True)
    assert sweep().stores == []


def test_the_store_of_a_worker_that_died_is_found_once_its_lease_is_over(
    store: ConfigStore,
) -> None:
    ConfigStore.objects.update(lease_owner="dead worker", lease_until=leases.until(-1))
    assert sweep().stores == [store.pk]


def test_a_reload_that_is_pending_needs_a_worker_unless_its_server_is_down() -> None:
    store = make_store()
    server = make_server(store)
    assert sweep().stores == [store.pk]
    now = timezone.now()
    SipServer.objects.update(health=SipServer.Health.DOWN, checked_at=now)
    assert sweep().stores == []
    # Nobody looked for long: what was known does not count any more.
    SipServer.objects.update(checked_at=now - timedelta(hours=1))
    assert sweep().stores == [store.pk]
    SipServer.objects.filter(pk=server.pk).update(enabled=False)
    assert sweep().stores == []


def test_a_run_whose_worker_died_is_found_and_one_that_is_carried_out_is_not() -> None:
    forgotten = Run.objects.create(
        kind="rules", state="running", lease_owner="dead", lease_until=timezone.now()
    )
    Run.objects.update(lease_until=leases.until(-1))
    busy = Run.objects.create(kind="rules", state="running", lease_owner="alive")
    Run.objects.filter(pk=busy.pk).update(lease_until=leases.until(60))
    Run.objects.create(kind="rules", state="done")
    assert sweep().runs == [forgotten.pk]
