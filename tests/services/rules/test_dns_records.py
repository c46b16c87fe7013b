"""The DNS records of a SIP domain: what to publish, and what a real DNS server says of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from lab.dns import DnsServer
from lab.ports import free_port
from provisioning.models import SipServer
from provisioning.services.rules.dns_records import (
    State,
    check_records,
    servers_without_name,
    wanted_records,
)
from tests.factories import make_domain, make_store
from tests.web.pages import text_of

pytestmark = pytest.mark.django_db

DOMAIN = "voice.example.com"
ZONE = """
$TTL 3600
voice.example.com. NAPTR 1 1 "s" "SIPS+D2T" "" _sips._tcp.voice.example.com.
voice.example.com. NAPTR 9 9 "s" "SIP+D2U" "" _sip._udp.voice.example.com.
_sips._tcp.voice.example.com. SRV 0 5 5061 SIP1.example.com.
_sips._tcp.voice.example.com. SRV 0 5 5061 sip2.example.com.
_sip._udp.voice.example.com. SRV 0 5 5060 old.example.com.
"""
HOSTS = "sip1.example.com. A 192.0.2.1\nsip2.example.com. AAAA 2001:db8::2\n"


@pytest.fixture(autouse=True)
def servers(settings: Any) -> None:
    settings.DNS_TIMEOUT = 15
    settings.DNS_SERVERS = [f"127.0.0.1:{free_port()}"]
    store = make_store()
    for name, host, udp in (
        ("sip1", "sip1.example.com", None),
        ("sip2", "sip2.example.com", 5060),
        ("by address", "192.0.2.9", 5060),
    ):
        SipServer.objects.create(
            name=name, pool=store.pool, store=store, sip_host=host, udp_port=udp,
            rpc_url="http://127.0.0.1:1/RPC",
        )  # fmt: skip


def test_records_lead_to_every_server_that_has_a_name() -> None:
    assert [str(record) for record in wanted_records(domain=make_domain(DOMAIN))] == [
        'voice.example.com. 3600 IN NAPTR 10 50 "s" "SIPS+D2T" "" _sips._tcp.voice.example.com.',
        'voice.example.com. 3600 IN NAPTR 30 50 "s" "SIP+D2U" "" _sip._udp.voice.example.com.',
        "_sips._tcp.voice.example.com. 3600 IN SRV 10 10 5061 sip1.example.com.",
        "_sips._tcp.voice.example.com. 3600 IN SRV 10 10 5061 sip2.example.com.",
        "_sip._udp.voice.example.com. 3600 IN SRV 10 10 5060 sip2.example.com.",
    ]
    assert [server.name for server in servers_without_name()] == ["by address"]
    SipServer.objects.update(enabled=False)
    assert wanted_records(domain=make_domain(DOMAIN)) == []


def test_what_is_published_is_told_from_what_is_missing_or_leads_elsewhere(settings: Any) -> None:
    with DnsServer("example.com.", ZONE + HOSTS) as server:
        settings.DNS_SERVERS = [server.address]
        checked = check_records(domain=make_domain(DOMAIN))
        states = {(each.name, each.type): each.state for each in checked}
        assert states == {
            (DOMAIN, "NAPTR"): State.PUBLISHED,
            (f"_sips._tcp.{DOMAIN}", "SRV"): State.PUBLISHED,
            (f"_sip._udp.{DOMAIN}", "SRV"): State.MISSING,
            ("sip1.example.com", "A or AAAA"): State.PUBLISHED,
            ("sip2.example.com", "A or AAAA"): State.PUBLISHED,
        }
        udp = next(each for each in checked if each.name.startswith("_sip._udp"))
        assert udp.missing == ("10 10 5060 sip2.example.com.",)
        assert udp.others == ("0 5 5060 old.example.com.",)

        SipServer.objects.filter(name="sip2").update(enabled=False)
        tls = next(c for c in check_records(domain=make_domain(DOMAIN)) if "_sips" in c.name)
        assert (tls.state, tls.others) == (State.DIFFERENT, ("0 5 5061 sip2.example.com.",))


def test_a_name_without_an_address_is_missing(settings: Any) -> None:
    with DnsServer("example.com.", ZONE) as server:
        settings.DNS_SERVERS = [server.address]
        checked = check_records(domain=make_domain(DOMAIN))
    assert {each.state for each in checked if each.type == "A or AAAA"} == {State.MISSING}


@pytest.mark.parametrize("silent", [True, False])
def test_a_dns_server_that_does_not_answer_says_nothing_of_the_records(
    settings: Any, *, silent: bool
) -> None:
    settings.DNS_TIMEOUT = 1
    with DnsServer("example.com.", ZONE, silent=True) as server:
        if silent:
            settings.DNS_SERVERS = [server.address]
        checked = check_records(domain=make_domain(DOMAIN))
    assert {each.state for each in checked} == {State.UNKNOWN}
    assert all(each.problem for each in checked)


def test_the_page_shows_what_to_publish_and_asks_only_when_told(
    as_viewer: Client, settings: Any
) -> None:
    domain = make_domain(DOMAIN)
    page = text_of(as_viewer.get(reverse("domain-dns", args=[domain.pk])))
    assert "_sips._tcp.voice.example.com. 3600 IN SRV 10 10 5061 sip1.example.com." in page
    assert "by address is known by an address only" in page
    with DnsServer("example.com.", ZONE + HOSTS) as server:
        settings.DNS_SERVERS = [server.address]
        answer = text_of(as_viewer.get(reverse("domain-dns-check", args=[domain.pk])))
    assert "Missing: 10 10 5060 sip2.example.com." in answer
    assert "Leads to no server here: 0 5 5060 old.example.com." in answer


def test_the_command_says_by_its_status_how_it_is(
    settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    make_domain(DOMAIN)
    call_command("check_dns", "--records")
    assert "IN SRV 10 10 5061 sip1.example.com." in capsys.readouterr().out
    complete = ZONE.replace("old.example.com", "sip2.example.com") + HOSTS
    for zone, status in ((complete, 0), (ZONE, 1)):
        with DnsServer("example.com.", zone) as server:
            settings.DNS_SERVERS = [server.address]
            if status:
                with pytest.raises(CommandError) as caught:
                    call_command("check_dns", DOMAIN, "--json")
                assert caught.value.returncode == status
            else:
                call_command("check_dns", DOMAIN, "--json")
        said = json.loads(capsys.readouterr().out)
        assert {each["state"] for each in said["domains"][DOMAIN]} >= {"published"}
    with pytest.raises(CommandError) as caught:
        call_command("check_dns", "elsewhere.example")
    assert caught.value.returncode == 3
