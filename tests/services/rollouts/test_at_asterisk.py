"""Routes in stages to real Asterisks that read one database: reloaded and watched one by one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from pytest_django import Settings

from lab.asterisk import TABLES, Asterisk, AsteriskStore
from lab.authority import Authority
from lab.gateway import Gateway as Carrier
from lab.ports import HOST
from lab.postgresql import Postgresql
from lab.sip import Login, SipClient
from provisioning.drivers.asterisk.own_tables import OWN_TABLES
from provisioning.models import (
    Account,
    ConfigStore,
    Gateway,
    PendingChange,
    Rollout,
    Route,
    ServerPool,
    SipServer,
)
from provisioning.services.accounts.blocks import block_account
from provisioning.services.actor import COMMAND_LINE, Actor
from provisioning.services.push import outbox
from provisioning.services.push.push import push_store
from provisioning.services.push.reconcile import reconcile
from provisioning.services.rollouts import actions
from provisioning.services.rollouts.advance import advance
from provisioning.services.rollouts.order import choose_first
from provisioning.services.routing.routes import save_route
from tests.factories import make_account, make_domain, make_gateway, make_route, make_store

pytestmark = pytest.mark.django_db(transaction=True)

DOMAIN = "voice.example.com"
NEW = "+33140000000"
State = Rollout.State


@dataclass
class Exchange:
    """Two Asterisks of a pool in stages, and an account that calls through them."""

    store: ConfigStore
    asterisks: list[Asterisk]
    account: Account
    line: Gateway

    def push(self) -> None:
        assert push_store(store_id=self.store.pk).problem == ""

    def add_route(self) -> Rollout:
        """France, through the gateway that is there already; the rollout that it is part of."""
        route = Route(name="France", prefix="+33", category="national", first_gateway=self.line)
        save_route(route=route, actor=COMMAND_LINE)
        return Rollout.objects.latest("pk")

    def step(self, rollout: Rollout, times: int = 1) -> Rollout:
        """Let what is due of a rollout be done, and a worker push."""
        for _ in range(times):
            Rollout.objects.filter(pk=rollout.pk).update(not_before=None)
            advance(rollout_id=rollout.pk)
            push_store(store_id=self.store.pk)
        return Rollout.objects.select_related("pool").get(pk=rollout.pk)

    def call(self, index: int, number: str = NEW) -> int:
        login = Login(
            self.account.user_part, DOMAIN, self.account.credential.secret() or "",
            algorithm="MD5",
        )  # fmt: skip
        with SipClient(self.asterisks[index].sip_port) as phone:
            return phone.invite(f"sip:{number}@{DOMAIN}", login).status

    def check(self) -> None:
        """Nothing is drift, and only what is held back waits."""
        report = reconcile(store=self.store)
        assert (report.problem, report.total) == ("", 0)
        assert not outbox.pending(store_id=self.store.pk).exists()


@pytest.fixture(scope="module")
def running(
    cluster: Postgresql, authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Asterisk]]:
    lab = AsteriskStore(cluster, "staged_asterisk")
    with ExitStack() as both:
        yield [
            both.enter_context(
                Asterisk(tmp_path_factory.mktemp("asterisk"), authority, lab, domains=(DOMAIN,))
            )
            for _ in range(2)
        ]


@pytest.fixture
def exchange(running: list[Asterisk], db: None, settings: Settings) -> Iterator[Exchange]:
    """Both know the gateway and an emergency number; what follows comes in stages."""
    lab = running[0].store
    store = make_store(
        driver="asterisk", host=HOST, port=lab.cluster.port, tls=False, database=lab.name,
        user=lab.console_role, algorithm="MD5+SHA-256",
    )  # fmt: skip
    store.set_secret(lab.cluster.password(lab.console_role))
    store.save()
    for number, asterisk in enumerate(running, 1):
        server = SipServer.objects.create(
            name=f"pbx{number}", pool=store.pool, store=store, sip_host=HOST, tls_port=None,
            udp_port=asterisk.sip_port, rpc_url=asterisk.control_url,
        )  # fmt: skip
        server.set_rpc_secret(asterisk.control_secret)
        server.save()
    make_domain()
    with Carrier() as carrier:
        line = make_gateway("Near", host=HOST, port=carrier.port)
        make_route("112", line, category="emergency")
        exchange = Exchange(store, running, make_account("Ann", user_part="ann"), line)
        outbox.mark_store(store)
        exchange.push()
        ServerPool.objects.update(staged=True, gate_seconds=0)
        yield exchange
    tables = (*TABLES, *(target.table.name for target in OWN_TABLES.values()))
    lab.execute(f"TRUNCATE {', '.join(tables)} RESTART IDENTITY")
    for asterisk in running:
        for module in ("res_pjsip.so", "pbx_config.so"):
            asterisk.command(f"module reload {module}")
        for name in ("auth", "aor", "endpoint"):
            asterisk.command(f"sorcery memory cache expire res_pjsip/{name}")


def test_a_route_comes_to_the_second_asterisk_only_when_the_first_was_watched(
    exchange: Exchange, actor: Actor
) -> None:
    assert [exchange.call(index) for index in (0, 1)] == [404, 404]
    choose_first(pool=exchange.store.pool, names=["pbx2"], actor=actor)
    rollout = exchange.step(exchange.add_route())
    assert [stage.name for stage in rollout.stages.all()] == ["pbx2", "pbx1"]
    assert [exchange.call(index) for index in (0, 1)] == [404, 200]
    rollout = exchange.step(rollout, 2)
    assert (rollout.state, exchange.call(0)) == (State.RUNNING, 404)
    rollout = exchange.step(rollout, 4)
    assert (rollout.state, rollout.problem) == (State.DONE, "")
    assert [exchange.call(index) for index in (0, 1)] == [200, 200]
    exchange.check()


def test_when_the_first_asterisk_dies_its_route_is_put_back_and_the_second_never_had_it(
    exchange: Exchange,
) -> None:
    rollout = exchange.step(exchange.add_route())
    assert [exchange.call(index) for index in (0, 1)] == [200, 404]
    exchange.asterisks[0].stop()
    try:
        rollout = exchange.step(rollout, 2)
    finally:
        exchange.asterisks[0].start()
    assert rollout.state == State.ROLLED_BACK
    assert "pbx1 does not answer OPTIONS" in rollout.problem
    assert "Not touched: pbx2" in rollout.problem
    assert [exchange.call(index) for index in (0, 1)] == [404, 404]
    assert [exchange.call(index, "112") for index in (0, 1)] == [200, 200]
    assert PendingChange.objects.filter(stage__open=False).count() == 1
    exchange.check()


def test_paused_nothing_more_is_reloaded_and_a_leaver_is_blocked_at_both_all_the_same(
    exchange: Exchange, actor: Actor
) -> None:
    rollout = exchange.step(exchange.add_route())
    actions.pause(rollout=rollout, reason="look first", actor=actor)
    assert exchange.step(rollout, 3).state == State.PAUSED
    assert [exchange.call(index) for index in (0, 1)] == [200, 404]
    block_account(account=exchange.account, reason="left", actor=actor)
    exchange.push()
    assert [exchange.call(index) for index in (0, 1)] == [401, 401]
    actions.roll_back(rollout=rollout, reason="not wanted", actor=actor)
    rollout = exchange.step(rollout)
    assert (rollout.state, exchange.store.pending.count()) == (State.ROLLED_BACK, 1)
    for asterisk in exchange.asterisks:
        assert "+33" not in asterisk.command("dialplan show rtcadmin-routes")
    exchange.check()
    actions.start_again(rollout=rollout, actor=actor)
    assert exchange.step(rollout, 7).state == State.DONE
    for asterisk in exchange.asterisks:
        assert "+33" in asterisk.command("dialplan show rtcadmin-routes")
