"""Accounts pushed for a FreeSWITCH that asks this console: from a push to a phone, and back."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from lab.freeswitch import FreeSwitch, prefix
from lab.freeswitch_stand_in import StandIn
from lab.ports import HOST
from lab.sip import Login, SipClient
from provisioning.drivers.base import Kind
from provisioning.drivers.freeswitch.tables import schema
from provisioning.models import ConfigStore, ProbeResult, SipServer
from provisioning.services.accounts.standing import settle
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.probes import probe
from provisioning.services.probes.accounts import set_up_probes
from provisioning.services.push import outbox
from provisioning.services.push.push import push_store
from provisioning.services.push.reconcile import reconcile
from provisioning.services.servers.connection_test import StepState, probe_server, probe_store
from provisioning.services.servers.registrations import list_registrations
from provisioning.services.servers.servers import check_server_health
from provisioning.services.servers.stores import set_store_mode
from tests.factories import make_account, make_domain, make_pool, make_store

pytestmark = pytest.mark.django_db(transaction=True)

DOMAIN = "voice.example.com"


@dataclass(frozen=True)
class Place:
    """A FreeSWITCH that asks the console under test, and its store."""

    store: ConfigStore
    server: SipServer
    freeswitch: FreeSwitch | StandIn
    file: Path

    def status(self, user: str, password: str) -> int:
        with SipClient(self.freeswitch.sip_port) as client:
            return client.register(Login(user, DOMAIN, password)).status


@pytest.fixture
def place(tmp_path: Path, live_server: LiveServer, settings: Settings) -> Iterator[Place]:
    settings.SQLITE_STORES = tmp_path
    file = tmp_path / "store.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(schema("sqlite"))
    store = make_store(
        driver="freeswitch", dialect="sqlite", database=str(file), served=True, mode="observe"
    )
    server = SipServer.objects.create(
        name="fs1", pool=make_pool(), store=store, sip_host=HOST, tls_port=None, rpc_url="esl://"
    )
    family = FreeSwitch if prefix() else StandIn
    ask = f"{live_server.url}/served/{server.pk}/directory"
    with family(tmp_path / "freeswitch", ask) as freeswitch:
        server.rpc_url = freeswitch.control_url
        server.set_rpc_secret(freeswitch.control_secret)
        server.save()
        make_domain()
        yield Place(store, server, freeswitch, file)


def test_what_is_pushed_registers_and_who_is_blocked_loses_the_registration(place: Place) -> None:
    account = make_account("Ann", user_part="ann")
    secret = account.credential.secret() or ""
    assert place.status("ann", secret) == 403
    set_store_mode(store=place.store, mode="manage", actor=COMMAND_LINE)
    assert place.status("ann", secret) == 403

    report = push_store(store_id=place.store.pk)

    assert (report.failed, report.left, report.problem) == (0, 0, "")
    assert place.status("ann", secret) == 200
    assert place.status("ann", "guess") == 403
    (live,) = list_registrations(account=account).registrations
    assert live.aor == account.aor
    place.server.refresh_from_db()
    assert place.server.reload_pending == []

    account.blocked, account.blocked_reason = True, "test"
    settle([account])
    assert push_store(store_id=place.store.pk).failed == 0

    found = list_registrations(account=account)
    assert (found.registrations, found.known) == ([], True)
    assert place.status("ann", secret) == 403
    outbox.mark_store(place.store)
    assert push_store(store_id=place.store.pk).changed == 0


def test_the_connection_test_says_what_it_found(place: Place) -> None:
    steps = probe_store(record=place.store.as_record())
    steps += probe_server(record=place.server.as_record())
    assert {step.state for step in steps} == {StepState.OK}
    assert "FreeSWITCH 1.11.2" in steps[-1].detail
    check_server_health(server=place.server)
    place.server.refresh_from_db()
    assert place.server.health == SipServer.Health.UP


def test_probe_accounts_prove_what_was_pushed(place: Place) -> None:
    SipServer.objects.filter(pk=place.server.pk).update(udp_port=place.freeswitch.sip_port)
    set_store_mode(store=place.store, mode="manage", actor=COMMAND_LINE)
    set_up_probes(pool=place.store.pool, actor=COMMAND_LINE)
    # Routes of the probes are asked of every store, and this one has no place for them.
    report = push_store(store_id=place.store.pk)
    assert (report.failed, report.left, report.problem) == (0, 0, "")
    check_server_health(server=place.server)
    found = {each.kind: each.verdict for each in probe.probe_server(server=place.server).findings}
    assert {kind: verdict.outcome for kind, verdict in found.items()} == {
        Kind.SUBSCRIBER: ProbeResult.Outcome.EFFECTIVE,
        Kind.ALIAS: ProbeResult.Outcome.EFFECTIVE,
    }, found


def test_drift_in_the_consoles_own_tables_is_found(place: Place) -> None:
    make_account("Ann", user_part="ann")
    set_store_mode(store=place.store, mode="manage", actor=COMMAND_LINE)
    push_store(store_id=place.store.pk)
    assert reconcile(store=place.store).total == 0
    with closing(sqlite3.connect(place.file, isolation_level=None)) as connection:
        connection.execute("UPDATE freeswitch_users SET a1_hash = ?", ["f" * 32])
    assert reconcile(store=place.store).total == 1


def test_a_console_that_cannot_be_asked_refuses_everybody(place: Place) -> None:
    account = make_account("Ann", user_part="ann")
    secret = account.credential.secret() or ""
    set_store_mode(store=place.store, mode="manage", actor=COMMAND_LINE)
    push_store(store_id=place.store.pk)
    SipServer.objects.filter(pk=place.server.pk).update(enabled=False)
    assert place.status("ann", secret) == 403
