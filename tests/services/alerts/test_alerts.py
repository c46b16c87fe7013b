"""Alerts: opened once, brought up to date, ended, calm about what comes and goes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from provisioning.core.errors import InvalidInput
from provisioning.core.severity import Severity
from provisioning.models import (
    Alert,
    AuditEvent,
    ConfigStore,
    ConsoleUser,
    ContactList,
    HealthSample,
    ProbeResult,
    Rollout,
    Run,
    SipServer,
)
from provisioning.services.actor import Actor
from provisioning.services.alerts.alerts import (
    acknowledge,
    acknowledged,
    forget_old,
    look,
    settle_alerts,
)
from provisioning.services.alerts.conditions import KINDS, Condition, find_conditions
from provisioning.services.alerts.watch import watch
from provisioning.services.clients.refused_fetches import count_refused
from tests.factories import make_person, make_source, make_store

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def make_server(name: str = "sip1", **values: Any) -> SipServer:
    store = values.pop("store", None) or make_store()
    return SipServer.objects.create(
        name=name, pool=store.pool, store=store, sip_host=f"{name}.example.com",
        rpc_url=f"https://{name}.example.com/RPC", **values,
    )  # fmt: skip


def condition(pk: int = 1, title: str = "sip1 does not answer.", **values: Any) -> Condition:
    given = {"kind": "server-down", "severity": Severity.CRITICAL, "text": "", **values}
    return Condition(title=title, noun="server", pk=pk, **given)


def kinds() -> set[str]:
    return {each.kind for each in find_conditions(watch())}


def test_everything_that_can_be_wrong_is_found_and_has_a_name() -> None:
    now = timezone.now()
    long_ago = now - timedelta(days=1)
    down = make_server(health="down", health_problem="Silence", down_since=now)
    SipServer.objects.filter(pk=down.pk).update(
        tls_port=5061, certificate_checked_at=now, certificate_expires_at=now
    )
    lost = make_server("sip2", health="up", registration_count=10, store=down.store)
    HealthSample.objects.create(
        server=lost, seconds=300, at=now - timedelta(minutes=30), checks=1, failures=0,
        latency_total=1, latency_most=1, registrations=1000,
    )  # fmt: skip
    make_server("sip3", health="refused", down_since=now, store=down.store)
    make_server("sip4", reload_pending=["gateway"], reload_problem="No.", store=down.store)
    ConfigStore.objects.update(problem="Refused.", drift_count=3)
    ContactList.objects.create(store=down.store, read_at=long_ago, problem="Refused.")
    failed = make_source(name="failed")
    Run.objects.create(kind="sync", source=failed, state="failed", problem="Time-out")
    make_source(name="stale", groups_stale_since=now, last_complete_at=now)
    make_source(name="late", last_complete_at=long_ago, interval_seconds=60)
    Run.objects.create(kind="sync", source=failed, state="waiting")
    Run.objects.create(kind="sync", source=failed, state="failed", problem="Time-out")
    make_person("Torn", source=failed, problem="The number is taken.")
    ProbeResult.objects.create(
        server=lost, kind="alias", outcome="ineffective", got="404 Not Found", at=now
    )
    for state in ("paused", "rolling back"):
        Rollout.objects.create(
            pool=down.pool, what="configuration", state=state, created_at=now, digest=state
        )
    for _ in range(30):
        count_refused(address="192.0.2.1")
    assert kinds() == set(KINDS) - {"changes-given-up", "channel-failing"}


def test_a_server_of_its_usual_size_is_no_alert_nor_one_that_is_new() -> None:
    server = make_server(health="up", registration_count=70)
    assert kinds() == set()
    HealthSample.objects.create(
        server=server, seconds=300, at=timezone.now() - timedelta(minutes=30), checks=1,
        failures=0, latency_total=1, latency_most=1, registrations=100,
    )  # fmt: skip
    assert kinds() == set()
    SipServer.objects.update(registration_count=50)
    assert kinds() == {"registrations-dropped"}
    SipServer.objects.update(registration_count=None)
    assert kinds() == set()


def test_an_alert_opens_once_is_brought_up_to_date_and_ends() -> None:
    settle_alerts(conditions=[condition()])
    settle_alerts(conditions=[condition(title="sip1 is silent.", severity=Severity.WARNING)])
    [alert] = Alert.objects.all()
    assert (alert.title, alert.severity, alert.ended_at) == ("sip1 is silent.", "warning", None)
    settle_alerts(conditions=[condition(pk=2)])
    alert.refresh_from_db()
    assert alert.ended_at is not None
    assert Alert.objects.filter(ended_at=None).get().object_id == 2


def test_what_comes_and_goes_within_five_minutes_is_one_alert(administrator: ConsoleUser) -> None:
    settle_alerts(conditions=[condition()])
    first = Alert.objects.get()
    acknowledge(alert_ids=[first.pk], note="On it", actor=Actor.of(administrator))
    settle_alerts(conditions=[])
    settle_alerts(conditions=[condition()])
    again = Alert.objects.get()
    assert (again.pk, again.ended_at, again.note) == (first.pk, None, "On it")
    settle_alerts(conditions=[])
    Alert.objects.update(ended_at=timezone.now() - timedelta(minutes=6))
    settle_alerts(conditions=[condition()])
    assert Alert.objects.count() == 2
    assert acknowledged([condition().key]) == {}


def test_who_acknowledged_what_and_why_is_kept(administrator: ConsoleUser) -> None:
    settle_alerts(conditions=[condition(1), condition(2)])
    one, two = Alert.objects.order_by("pk")
    actor = Actor.of(administrator)
    assert acknowledge(alert_ids=[one.pk], note=" Cable is \n cut ", actor=actor) == 1
    assert acknowledge(alert_ids=[one.pk], note="again", actor=actor) == 0
    one.refresh_from_db()
    assert (one.acknowledged_by, one.note) == (administrator, "Cable is cut")
    assert set(acknowledged([one.key, two.key])) == {one.key}
    assert AuditEvent.objects.get(action="acknowledged").detail == {"note": "Cable is cut"}
    with pytest.raises(InvalidInput, match="Nothing was acknowledged"):
        acknowledge(alert_ids=[two.pk], note="x" * 201, actor=actor)


def test_a_look_finds_what_is_wrong_and_ends_what_is_not() -> None:
    make_server(health="down", health_problem="Silence")
    look()
    assert Alert.objects.get().title == "sip1 does not answer."
    SipServer.objects.update(health="up")
    look()
    assert Alert.objects.get().ended_at is not None


def test_alerts_are_kept_for_90_days_after_their_end() -> None:
    settle_alerts(conditions=[condition(1), condition(2)])
    Alert.objects.filter(object_id=1).update(ended_at=timezone.now() - timedelta(days=91))
    Alert.objects.update(since=timezone.now() - timedelta(days=200))
    assert forget_old() == 1
    assert Alert.objects.get().object_id == 2
