"""Maintenance: nothing is pushed, nobody is alarmed, and it ends by itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from provisioning.core.errors import InvalidInput
from provisioning.drivers.base import Kind
from provisioning.models import AuditEvent, ConsoleUser, ServerPool, SipServer
from provisioning.services.actor import Actor
from provisioning.services.alerts.conditions import find_conditions
from provisioning.services.alerts.watch import watch
from provisioning.services.console.sweep import sweep
from provisioning.services.push import activation, outbox
from provisioning.services.servers.maintenance import begin_maintenance, end_maintenance
from tests.factories import make_account
from tests.push_site import Site

pytestmark = [pytest.mark.django_db, pytest.mark.database]

ANN = "ann@voice.example.com"


@pytest.fixture
def actor(administrator: ConsoleUser) -> Actor:
    return Actor.of(administrator)


def add_server(site: Site, **values: Any) -> SipServer:
    return SipServer.objects.create(
        name="sip1", pool=site.store.pool, store=site.store, sip_host="192.0.2.10",
        rpc_url="http://192.0.2.10:8080/RPC", **values,
    )  # fmt: skip


def begin(place: ServerPool | SipServer, actor: Actor, hours: int = 2) -> None:
    begin_maintenance(place=place, reason="Upgrade", hours=hours, actor=actor)


def end_by_clock() -> None:
    over = timezone.now() - timedelta(seconds=1)
    ServerPool.objects.update(maintenance_until=over)
    SipServer.objects.update(maintenance_until=over)


def test_what_is_to_be_pushed_waits_until_the_pool_s_maintenance_is_over(
    site: Site, actor: Actor
) -> None:
    account = make_account(user_part="ann")
    outbox.mark_account(account)
    begin(site.store.pool, actor)
    assert site.push().changed == 0
    assert sweep().stores == []
    assert (site.subscribers(), site.pending()) == ({}, {ANN})
    end_by_clock()
    assert sweep().stores == [site.store.pk]
    site.push()
    assert set(site.subscribers()) == {ANN}


def test_ended_before_its_time_workers_are_woken(
    site: Site, actor: Actor, messages: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    server = add_server(site)
    for place in (site.store.pool, server):
        begin(place, actor)
        with django_capture_on_commit_callbacks(execute=True):
            end_maintenance(place=place, actor=actor)
        assert messages.pop() == ("provisioning.tasks.push_store", (site.store.pk,))
        assert not place.in_maintenance
        with django_capture_on_commit_callbacks(execute=True):
            end_maintenance(place=place, actor=actor)
        assert messages == []
    actions = AuditEvent.objects.filter(action__contains="maintenance").order_by("id")
    assert list(actions.values_list("action", flat=True)) == [
        "began maintenance of", "ended maintenance of",
    ] * 2  # fmt: skip


def test_one_server_in_maintenance_is_not_asked_and_its_store_is_still_written(
    site: Site, actor: Actor
) -> None:
    server = add_server(site)
    begin(server, actor)
    make_account(user_part="ann")
    outbox.mark_store(site.store)
    site.push()
    assert set(site.subscribers()) == {ANN}
    server.refresh_from_db()
    assert Kind.SIP_DOMAIN in server.reload_pending
    assert not activation.reloads_pending().exists()
    left = activation.end_registrations(store=site.store, aors=[ANN], seconds=1)
    assert "in maintenance" in left.waiting[ANN]
    assert left.refused == {}
    end_by_clock()
    assert activation.reloads_pending().exists()


def test_what_is_in_maintenance_is_no_alert(site: Site, actor: Actor) -> None:
    server = add_server(site, health="down", health_problem="Silence")
    site.store.problem = "Refused."
    site.store.save()

    def kinds() -> set[str]:
        return {each.kind for each in find_conditions(watch())}

    assert kinds() == {"server-down", "store-unwritable"}
    begin(server, actor)
    assert kinds() == {"store-unwritable"}
    begin(site.store.pool, actor)
    assert kinds() == set()
    end_by_clock()
    assert kinds() == {"server-down", "store-unwritable"}


@pytest.mark.parametrize(("reason", "hours"), [("", 2), (" ", 2), ("x" * 201, 2), ("x", 0)])
def test_maintenance_needs_a_reason_and_an_end(
    site: Site, actor: Actor, reason: str, hours: int
) -> None:
    with pytest.raises(InvalidInput, match="Nothing was changed"):
        begin_maintenance(place=site.store.pool, reason=reason, hours=hours, actor=actor)
    with pytest.raises(InvalidInput):
        begin_maintenance(place=site.store.pool, reason="x", hours=169, actor=actor)
    assert not ServerPool.objects.exclude(maintenance_until=None).exists()
