"""SIP servers that are down, slow, silent or refuse: faults 25 to 27, on real Kamailios."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from django.utils import timezone
from pytest_django import Settings

from lab.kamailio import Kamailio, RpcError
from lab.proxy import BlackHole, CutAfter, Delay, Pass, Proxy, Refuse
from lab.sip import Login, SipClient
from provisioning.core.sip import ha1
from provisioning.drivers.base import Kind
from provisioning.models import Account, SipServer
from provisioning.services.console.sweep import sweep
from provisioning.services.push import activation, outbox
from provisioning.services.servers.servers import check_server_health
from tests.factories import make_account, make_domain
from tests.push_site import Site, make_server

pytestmark = pytest.mark.django_db

ANN = "ann@voice.example.com"
THEIRS = "(username, domain, ha1) VALUES ('ann', 'voice.example.com', '{}')"


@pytest.fixture
def impatient(settings: Settings) -> None:
    """For what never answers, while the others on a busy machine still do."""
    settings.SERVER_CONNECT_TIMEOUT = settings.SERVER_TOTAL_TIMEOUT = 3


@pytest.fixture
def kamailio(site: Site, new_kamailio: Callable[..., Kamailio]) -> Kamailio:
    return new_kamailio(site)


@pytest.fixture
def proxy(kamailio: Kamailio) -> Iterator[Proxy]:
    """Before the server's control address."""
    with Proxy(kamailio.rpc_port) as proxy:
        yield proxy


@pytest.fixture
def server(site: Site, kamailio: Kamailio, proxy: Proxy) -> SipServer:
    return make_server(site, kamailio, port=proxy.port)


@pytest.fixture
def ann(site: Site, server: SipServer) -> Account:
    account = make_account(user_part="ann")
    outbox.mark_store(site.store)
    site.push()
    return account


def login(account: Account) -> Login:
    secret = account.credential.secret()
    assert secret is not None
    return Login(account.user_part, account.domain.domain, secret)


def register(kamailio: Kamailio, account: Account) -> int:
    with SipClient(kamailio.sip_port) as client:
        return client.register(login(account)).status


def is_registered(kamailio: Kamailio, aor: str) -> bool:
    try:
        kamailio.rpc("ul.lookup", ["location", aor])
    except RpcError as error:
        if "not found" not in str(error):
            raise
        return False
    return True


def push_often(site: Site) -> None:
    """As the sweeper would, several times."""
    for _ in range(4):
        site.push()
        site.end_backoff()


def disable(account: Account) -> None:
    Account.objects.filter(pk=account.pk).update(state="disabled")
    outbox.mark_account(account)


@pytest.mark.database
def test_a_disabled_account_loses_its_registration_and_cannot_register_again(
    site: Site, kamailio: Kamailio, ann: Account
) -> None:
    assert register(kamailio, ann) == 200
    assert is_registered(kamailio, ANN)
    disable(ann)
    report = site.push()
    assert (report.changed, report.left) == (1, 0)
    assert not is_registered(kamailio, ANN)
    assert register(kamailio, ann) == 401


def test_a_full_pass_ends_the_registrations_of_leavers_too(
    site: Site, kamailio: Kamailio, ann: Account
) -> None:
    register(kamailio, ann)
    Account.objects.update(state="removed")
    outbox.mark_store(site.store)
    site.push()
    assert not is_registered(kamailio, ANN)
    assert not site.pending()


@pytest.mark.parametrize("fault", [Refuse(), BlackHole(), CutAfter(20)])
def test_a_registration_is_ended_once_the_server_answers_again(
    site: Site,
    kamailio: Kamailio,
    ann: Account,
    proxy: Proxy,
    server: SipServer,
    settings: Settings,
    fault: BlackHole,
) -> None:
    register(kamailio, ann)
    proxy.set(fault)
    disable(ann)
    settings.SERVER_TOTAL_TIMEOUT = 0.8
    push_often(site)
    settings.SERVER_TOTAL_TIMEOUT = 10
    assert site.subscribers() == {ANN: "!"}, "the row does not wait for the server"
    change = site.change(ANN)
    assert (change.dead, change.attempts) == (False, 0), "waiting is no failed attempt"
    assert "may still be alive" in change.problem
    proxy.set(Pass())
    check_server_health(server=server)
    site.push()
    assert not is_registered(kamailio, ANN)
    assert not site.pending()


def test_the_registration_of_somebody_else_s_account_is_not_ended(
    site: Site, kamailio: Kamailio, server: SipServer
) -> None:
    theirs = ha1("ann", "voice.example.com", "their secret")
    site.execute(f"INSERT INTO subscriber {THEIRS.format(theirs)}")
    account = make_account(user_part="ann")
    outbox.mark_store(site.store)
    site.push()
    with SipClient(kamailio.sip_port) as client:
        assert client.register(Login("ann", "voice.example.com", "their secret")).status == 200
    disable(account)
    site.push()
    Account.objects.update(state="removed")
    outbox.mark_account(account)
    site.push()
    assert is_registered(kamailio, ANN)


def test_why_a_server_refuses_a_reload_stays_until_it_does_it(
    site: Site, server: SipServer
) -> None:
    outbox.mark_store(site.store)
    site.push()
    site.execute("ALTER TABLE dispatcher RENAME TO gone")
    activation.note_reloads(store=site.store, kinds={Kind.GATEWAY, Kind.SIP_DOMAIN})
    activation.activate_servers(store=site.store)
    server.refresh_from_db()
    assert server.reload_pending == ["gateway"]
    assert "refused dispatcher.reload: Reload Failed. Kamailio says so" in server.reload_problem
    site.execute("ALTER TABLE gone RENAME TO dispatcher")
    activation.activate_servers(store=site.store)
    server.refresh_from_db()
    assert (server.reload_pending, server.reload_problem) == ([], "")


def test_a_reload_that_fails_is_tried_again_alone(
    site: Site, kamailio: Kamailio, proxy: Proxy, server: SipServer
) -> None:
    proxy.set(Refuse())
    domain = make_domain("new.example.com")
    outbox.mark_domain(domain)
    report = site.push()
    assert (report.changed, report.left, report.problem) == (1, 0, "")
    server.refresh_from_db()
    assert server.reload_pending == ["sip_domain"]
    assert "new.example.com" not in str(kamailio.rpc("domain.dump"))
    proxy.set(Pass())
    check_server_health(server=server)
    assert sweep().stores == [site.store.pk]
    assert site.push().changed == 0
    server.refresh_from_db()
    assert server.reload_pending == []
    assert "new.example.com" in str(kamailio.rpc("domain.dump"))
    assert sweep().stores == []


def test_a_reload_is_not_forgotten_when_the_worker_dies_before_it(
    site: Site, kamailio: Kamailio, server: SipServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox.mark_domain(make_domain("new.example.com"))
    with monkeypatch.context() as patch:
        patch.setattr(activation, "_ask_all", lambda servers, works: exit_now())
        with pytest.raises(SystemExit):
            site.push()
    assert not site.pending()
    assert sweep().stores == [site.store.pk]
    site.push()
    assert "new.example.com" in str(kamailio.rpc("domain.dump"))


def exit_now() -> None:
    raise SystemExit


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("fault", [BlackHole(), Delay(30)])
def test_a_silent_server_costs_the_others_and_the_next_push_nothing(
    site: Site,
    new_kamailio: Callable[..., Kamailio],
    kamailio: Kamailio,
    ann: Account,
    proxy: Proxy,
    server: SipServer,
    fault: BlackHole,
) -> None:
    other = new_kamailio(site)
    make_server(site, other)
    for each in (kamailio, other):
        assert register(each, ann) == 200
    proxy.set(fault)
    disable(ann)
    began = time.monotonic()
    site.push()
    assert time.monotonic() - began < 20
    assert not is_registered(other, ANN)
    server.refresh_from_db()
    assert server.health == SipServer.Health.DOWN
    # As long as it counts as down, nobody waits for it.
    outbox.mark_account(make_account(user_part="bob"))
    asked = proxy.connections
    site.push()
    assert proxy.connections == asked
    assert "bob@voice.example.com" in site.subscribers()
    assert site.pending() == {ANN}


def test_a_server_that_answers_slowly_ends_as_many_as_it_can_and_keeps_the_rest_pending(
    site: Site, ann: Account, proxy: Proxy, settings: Settings, server: SipServer
) -> None:
    settings.PUSH_SLICE = 0.6
    accounts = [make_account(user_part=f"user{number}") for number in range(8)]
    outbox.mark_store(site.store)
    site.push()
    proxy.set(Delay(0.2))
    for account in accounts:
        disable(account)
    site.push()
    left = len(site.pending())
    assert 0 < left < 8
    proxy.set(Pass())
    settings.PUSH_SLICE = 30
    check_server_health(server=server)
    site.push()
    assert not site.pending()


def test_a_server_that_refuses_the_console_is_told_and_does_not_hold_up_rows(
    site: Site, kamailio: Kamailio, ann: Account, server: SipServer
) -> None:
    server.set_rpc_secret("wrong")
    server.save()
    disable(ann)
    push_often(site)
    assert site.subscribers() == {ANN: "!"}
    change = site.change(ANN)
    assert (change.dead, change.attempts) == (False, 0)
    assert server.name in change.problem
    check_server_health(server=server)
    assert server.health == SipServer.Health.REFUSED
    assert "answers and refuses the control secret" in server.health_problem
    assert "Nothing was changed there. Set the same secret on both sides" in server.health_problem
    assert "wrong" not in server.health_problem
    server.set_rpc_secret(kamailio.rpc_secret)
    server.save()
    check_server_health(server=server)
    assert (server.health, server.down_since) == (SipServer.Health.UP, None)
    site.push()
    assert not site.pending()


def test_a_server_in_maintenance_is_left_alone(
    site: Site, kamailio: Kamailio, ann: Account, proxy: Proxy, server: SipServer
) -> None:
    proxy.set(Pass())
    SipServer.objects.update(enabled=False, checked_at=timezone.now())
    disable(ann)
    assert site.push().left == 0
    assert not site.pending()
    assert proxy.connections == 0
