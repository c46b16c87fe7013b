"""Probes at a real Asterisk: what it does as intended, and what it is found not to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lab.authority import Authority
from lab.ports import HOST, free_port
from provisioning.core.settings.catalogue import CATALOGUE
from provisioning.models import ProbeResult, SipServer
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.probes.accounts import set_up_probes
from provisioning.services.probes.probe import probe_server
from provisioning.services.probes.standing import standing_at
from provisioning.services.push import outbox
from provisioning.services.push.push import push_store
from provisioning.services.settings.change import set_value
from provisioning.services.settings.places import EVERYWHERE
from tests.lab.fixtures import authority
from tests.push_site import cluster
from tests.services.push.test_asterisk import DOMAIN, Place, place, running

__all__ = ["authority", "cluster", "place", "running"]
pytestmark = pytest.mark.django_db(transaction=True)

_GIVEN = {"min_expires": 90, "default_expires": 1200, "max_expires": 2000}


@pytest.fixture
def console_gateway(settings: Any) -> int:
    """Where the console takes calls itself."""
    port = free_port()
    settings.PROBE_GATEWAY = (HOST, port)
    return port


@pytest.fixture
def outcomes(place: Place, authority: Authority) -> Callable[[str], dict[str, str]]:
    """Probes over one transport; the outcome of everything."""
    for key, value in _GIVEN.items():
        set_value(place=EVERYWHERE, setting=CATALOGUE[key], value=value, actor=COMMAND_LINE)
    place.manage()
    set_up_probes(pool=place.store.pool, actor=COMMAND_LINE)
    outbox.mark_store(place.store)
    report = push_store(store_id=place.store.pk)
    assert (report.failed, report.problem) == (0, "")

    def probe(transport: str) -> dict[str, str]:
        asterisk = place.asterisk
        ports = {"tls": asterisk.tls_port, "tcp": asterisk.sip_port, "udp": asterisk.sip_port}
        only = {f"{each}_port": ports[each] if each == transport else None for each in ports}
        row = SipServer.objects.filter(pk=place.server.pk)
        row.update(ca_pem=authority.certificate.read_text(), **only)
        talk = probe_server(server=row.select_related("store", "pool").get())
        assert (talk.transport, talk.problem) == (transport, "")
        found = ProbeResult.objects.filter(server=place.server)
        return {f"{each.kind} {each.key}".strip(): each.outcome for each in found}

    return probe


def test_what_an_asterisk_does_is_proved_over_every_transport_and_what_it_does_not_is_found(
    place: Place, outcomes: Callable[[str], dict[str, str]]
) -> None:
    proved = {
        f"subscriber {DOMAIN}": "effective",
        f"alias {DOMAIN}": "effective",
        "route": "effective",
        "gateway": "untried",
        "dial_rule": "effective",
        "preference call_classes": "effective",
        "preference max_devices": "effective",
        # It answers every message with 202.
        "preference messaging": "untried",
        "preference site": "effective",
    } | {f"setting {key}": "effective" for key in _GIVEN}
    for transport in ("udp", "tcp", "tls"):
        assert outcomes(transport) == proved
    assert place.rows("SELECT count(*) FROM ps_contacts") == [(0,)]
    words = {each.kind.value: each.word for each in standing_at(place.server)}
    assert words["subscriber"] == words["alias"] == words["setting"] == "effective"
    assert words["sip_domain"] == "unsupported"
    assert words["preference"] == "unproven"
    # Nobody made a route but the probes.
    assert words["gateway"] == words["route"] == words["dial_rule"] == "nothing"

    place.execute("DELETE FROM rtcadmin_preferences WHERE name LIKE 'max_devices/%%'")
    place.asterisk.command("sorcery memory cache expire res_pjsip/aor")
    proved["preference max_devices"] = "ineffective"
    assert outcomes("udp") == proved

    place.execute("UPDATE rtcadmin_dial_rules SET translation = '+4420'")
    place.asterisk.command("dialplan reload")
    assert outcomes("udp") == proved | {
        "dial_rule": "ineffective",
        "preference site": "ineffective",
    }


def test_what_arrives_at_a_gateway_that_is_the_console_is_proved_and_what_does_not_is_found(
    console_gateway: int, place: Place, outcomes: Callable[[str], dict[str, str]]
) -> None:
    beyond = (
        "gateway", "route", "preference presented_number", "preference asserted_numbers",
        "preference call_classes",
    )  # fmt: skip
    found = outcomes("udp")
    assert {each: found[each] for each in beyond} == dict.fromkeys(beyond, "effective")
    place.execute("UPDATE rtcadmin_gateways SET prefix = '011'")
    place.execute("UPDATE rtcadmin_preferences SET value = 'own' WHERE value = 'withheld'")
    place.asterisk.command("dialplan reload")
    found = outcomes("udp")
    assert {each: found[each] for each in beyond} == {
        "gateway": "ineffective", "route": "ineffective",
        "preference presented_number": "ineffective", "preference asserted_numbers": "effective",
        "preference call_classes": "effective",
    }  # fmt: skip
    place.execute("UPDATE rtcadmin_preferences SET value = '+' WHERE value = '+9994'")
    assert outcomes("udp")["preference asserted_numbers"] == "ineffective"
