"""When servers are probed, by whom, and what becomes of the answers."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from lab.kamailio import Kamailio
from lab.ports import HOST
from provisioning import tasks
from provisioning.core.errors import Busy, InvalidInput
from provisioning.core.settings.catalogue import CATALOGUE
from provisioning.models import (
    Account,
    AuditEvent,
    ConfigStore,
    Credential,
    Gateway,
    ProbeAccount,
    ProbeResult,
    Route,
    ServerProbe,
    SettingValue,
    SipServer,
)
from provisioning.services import leases
from provisioning.services.accounts.blocks import block_account, unblock_account
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.probes.accounts import (
    missing_domains,
    set_up_probes,
    take_probes_away,
)
from provisioning.services.probes.probe import due_servers, probe_server, request_probe
from provisioning.services.probes.standing import standing_at
from provisioning.services.push import outbox
from provisioning.services.servers.servers import save_server
from provisioning.services.settings.change import set_value
from provisioning.services.settings.places import EVERYWHERE
from tests.factories import make_account, make_domain
from tests.push_site import Site
from tests.services.probes.conftest import Probed

pytestmark = pytest.mark.django_db


def word(probed: Probed, kind: str) -> str:
    server = SipServer.objects.select_related("store").get(pk=probed.server.pk)
    return next(each.word for each in standing_at(server) if each.kind.value == kind)


def rest(probed: Probed, **since: float) -> None:
    """As when so much time has passed since the last probe."""
    ServerProbe.objects.filter(server=probed.server).update(at=timezone.now() - timedelta(**since))


@pytest.fixture
def probed(probed: Probed) -> Probed:
    """Without the account for which telephones ring: that takes two seconds each time."""
    Account.objects.filter(probe__role="away").update(state="removed")
    return probed


@pytest.mark.database
def test_probe_accounts_are_made_once_marked_and_taken_away_again(site: Site) -> None:
    make_domain()
    pool = site.store.pool
    assert set_up_probes(pool=pool, actor=COMMAND_LINE) == 3
    assert set_up_probes(pool=pool, actor=COMMAND_LINE) == 0
    make_domain("other.example.com")
    assert [str(each) for each in missing_domains(pool)] == ["other.example.com"]
    assert set_up_probes(pool=pool, actor=COMMAND_LINE) == 3
    assert missing_domains(pool) == []
    site.push()
    assert len(site.subscribers()) == 6
    assert [ha1 for aor, ha1 in site.subscribers().items() if "blocked" in aor] == ["!", "!"]
    assert {alias[:5] for alias in site.aliases()} == {"+9992"}
    assert site.rows("SELECT tprefix FROM mtree ORDER BY tprefix") == [("+9990",), ("+9991",)]
    assert site.rows("SELECT match_exp, repl_exp FROM dialplan") == [("^(?:0(999[0-9]+))$", r"+\1")]
    assert site.rows("SELECT destination FROM dispatcher") == [
        ("sip:192.0.2.1:5060;transport=udp",)
    ]
    # Neither is a route that anybody here made.
    assert not Gateway.objects.exists()
    assert not Route.objects.exists()
    told = str(list(AuditEvent.objects.values_list("detail", flat=True)))
    assert not any(str(each.secret()) in told for each in Credential.objects.all())

    assert take_probes_away(pool=pool, actor=COMMAND_LINE) == 6
    site.push()
    assert site.subscribers() == site.aliases() == {}
    for table in ("mtree", "dispatcher", "dialplan", "usr_preferences"):
        assert site.rows(f"SELECT * FROM {table}") == []  # noqa: S608
    assert not ProbeAccount.objects.exists()
    assert set_up_probes(pool=pool, actor=COMMAND_LINE) == 6


def test_an_address_that_is_somebody_s_is_left_to_him(site: Site) -> None:
    make_domain()
    make_account(user_part=f"rtcadmin-probe-{site.store.pool.pk}")
    with pytest.raises(InvalidInput, match="is taken"):
        set_up_probes(pool=site.store.pool, actor=COMMAND_LINE)
    assert not ProbeAccount.objects.exists()
    assert not SettingValue.objects.exists()


def test_what_is_pushed_again_is_unproven_until_the_next_probe(probed: Probed) -> None:
    probed.probe()
    assert word(probed, "subscriber") == word(probed, "sip_domain") == "effective"
    assert due_servers() == []
    make_account(user_part="amy")
    outbox.mark_store(probed.site.store)
    assert word(probed, "subscriber") == "pending"
    probed.push()
    assert word(probed, "subscriber") == "unproven"
    assert word(probed, "sip_domain") == "effective"
    assert due_servers() == []
    rest(probed, minutes=11)
    assert due_servers() == [probed.server]
    tasks.probe_server(probed.server.pk)
    assert word(probed, "subscriber") == "effective"
    assert due_servers() == []
    rest(probed, hours=25)
    assert due_servers() == [probed.server]


def test_what_is_on_its_way_is_not_judged(probed: Probed) -> None:
    set_value(place=EVERYWHERE, setting=CATALOGUE["min_expires"], value=90, actor=COMMAND_LINE)
    found = probed.probe()
    assert not any(each.startswith("setting") for each in found)
    probed.push()
    assert probed.probe()["setting min_expires"] == "effective"


def test_a_failure_stays_red_until_a_probe_disproves_it(probed: Probed) -> None:
    probed.probe()
    ProbeResult.objects.filter(kind="subscriber").update(outcome="ineffective")
    make_account(user_part="amy")
    outbox.mark_store(probed.site.store)
    probed.push()
    assert word(probed, "subscriber") == "ineffective"
    probed.probe()
    assert word(probed, "subscriber") == "effective"


def test_a_server_that_is_set_up_anew_has_nothing_proved(probed: Probed) -> None:
    probed.probe()
    server = SipServer.objects.get(pk=probed.server.pk)
    server.udp_port = None
    save_server(server=server, actor=COMMAND_LINE)
    assert probed.outcomes() == {}
    assert word(probed, "subscriber") == "unproven"
    assert due_servers() == [probed.server]


def test_only_managed_servers_in_use_with_probe_accounts_are_probed(
    site: Site, probed: Probed
) -> None:
    assert due_servers() == [probed.server]
    row = SipServer.objects.filter(pk=probed.server.pk)
    row.update(maintenance_until=timezone.now() + timedelta(hours=1))
    assert due_servers() == []
    row.update(maintenance_until=None, enabled=False)
    assert due_servers() == []
    with pytest.raises(InvalidInput, match="not in use"):
        probe_server(server=row.get())
    row.update(enabled=True)
    ConfigStore.objects.update(mode="observe")
    with pytest.raises(InvalidInput, match="observed"):
        request_probe(server=row.get(), actor=COMMAND_LINE)
    ConfigStore.objects.update(mode="manage")
    take_probes_away(pool=site.store.pool, actor=COMMAND_LINE)
    assert due_servers() == []
    with pytest.raises(InvalidInput, match="no probe account"):
        request_probe(server=row.get(), actor=COMMAND_LINE)


def test_one_probe_at_a_time_and_asked_for_it_comes_at_once(
    probed: Probed, messages: list[Any]
) -> None:
    probed.probe()
    request_probe(server=probed.server, actor=COMMAND_LINE)
    assert due_servers() == [probed.server]
    rows = ServerProbe.objects.filter(server=probed.server)
    assert leases.claim(rows, "somebody", 60)
    with pytest.raises(Busy):
        probe_server(server=probed.server)
    assert due_servers() == []
    tasks.probe_server(probed.server.pk)
    leases.release(rows, "somebody")
    tasks.probe_server(probed.server.pk)
    assert not rows.get().wanted


def test_an_account_that_is_no_probe_any_more_is_not_believed(probed: Probed) -> None:
    blocked = Account.objects.get(probe__role="blocked")
    unblock_account(account=blocked, actor=COMMAND_LINE)
    probed.push()
    found = probed.probe()
    assert found["subscriber voice.example.com"] == "effective"
    assert "blocked" not in probed.result("subscriber", "voice.example.com").sent
    assert not {"preference messaging", "preference forward_always"} & set(found)
    opened = Account.objects.get(probe__role="open")
    block_account(account=opened, reason="x", actor=COMMAND_LINE)
    probed.push()
    with pytest.raises(InvalidInput, match="no probe account"):
        probe_server(server=probed.server)


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and datagrams, and answers nothing."""
    with socket.socket() as silent, socket.socket(type=socket.SOCK_DGRAM) as deaf:
        silent.bind((HOST, 0))
        silent.listen()
        deaf.bind(silent.getsockname())
        yield int(silent.getsockname()[1])


def test_a_server_that_is_silent_costs_seconds_and_takes_no_proof_away(
    probed: Probed, silent_port: int, settings: Any
) -> None:
    probed.probe()
    before = probed.outcomes()
    settings.SERVER_CONNECT_TIMEOUT = 0.5
    ports = {"tls_port": silent_port, "tcp_port": silent_port, "udp_port": silent_port}
    SipServer.objects.filter(pk=probed.server.pk).update(**ports)
    started = time.monotonic()
    assert probed.probe() == before
    assert time.monotonic() - started < 20
    row = ServerProbe.objects.get(server=probed.server)
    assert row.transport == ""
    for transport in ("TLS", "TCP", "UDP"):
        assert row.problem.count(f"{silent_port} ({transport})") == 1


def test_a_server_whose_certificate_is_refused_is_probed_over_the_next_transport_and_says_so(
    probed: Probed,
) -> None:
    SipServer.objects.filter(pk=probed.server.pk).update(ca_pem="")
    found = probed.probe()
    assert found["subscriber voice.example.com"] == "effective"
    row = ServerProbe.objects.get(server=probed.server)
    assert row.transport == "tcp"
    assert "no trusted authority" in row.problem


def test_a_host_that_must_not_be_asked_is_not_asked(probed: Probed) -> None:
    SipServer.objects.filter(pk=probed.server.pk).update(sip_host="169.254.169.254")
    probed.probe()
    assert "metadata" in ServerProbe.objects.get(server=probed.server).problem


def test_no_text_that_is_kept_holds_a_secret(probed: Probed) -> None:
    probed.probe()
    kept = str(list(ProbeResult.objects.values())) + str(list(ServerProbe.objects.values()))
    secrets = [str(each.secret()) for each in Credential.objects.all()]
    assert secrets
    assert not any(secret in kept for secret in secrets)


def test_two_servers_of_a_store_are_judged_each_by_itself(
    probed: Probed, new_kamailio: Callable[[Site], Kamailio], server_of: Callable[..., SipServer]
) -> None:
    other = server_of(probed.site, new_kamailio(probed.site))
    probed.probe()
    assert word(probed, "subscriber") == "effective"
    assert {each.word for each in standing_at(other)} <= {"unproven", "nothing"}
    assert due_servers() == [other]
