"""Probes at a real Asterisk: what it does as intended, and what its answers do not tell."""

from __future__ import annotations

import time

import pytest

from provisioning.core.settings.catalogue import CATALOGUE
from provisioning.models import ProbeResult, SipServer
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.probes.accounts import set_up_probes
from provisioning.services.probes.probe import probe_server
from provisioning.services.push.push import push_store
from provisioning.services.settings.change import set_value
from provisioning.services.settings.places import EVERYWHERE
from tests.services.push.test_asterisk import DOMAIN, Place, place, running

__all__ = ["place", "running"]
pytestmark = pytest.mark.django_db(transaction=True)


def test_an_asterisk_that_does_as_intended_is_proved(place: Place) -> None:
    SipServer.objects.update(udp_port=place.asterisk.sip_port)
    assert set_up_probes(pool=place.store.pool, actor=COMMAND_LINE) == 2
    for key, value in (("min_expires", 100), ("default_expires", 900), ("max_expires", 1000)):
        set_value(place=EVERYWHERE, setting=CATALOGUE[key], value=value, actor=COMMAND_LINE)
    place.manage()
    assert push_store(store_id=place.store.pk).failed == 0
    # Until the gateway that does not exist is found not to answer.
    until = time.monotonic() + 40
    while "Unavail" not in place.asterisk.command("pjsip show contacts"):
        assert time.monotonic() < until
        time.sleep(0.5)

    probe_server(server=SipServer.objects.get())

    found = {f"{row.kind} {row.key}".strip(): row for row in ProbeResult.objects.all()}
    told = {name: (row.outcome, row.got) for name, row in found.items()}
    assert {name: row.outcome for name, row in found.items()} == {
        f"subscriber {DOMAIN}": "effective",
        f"alias {DOMAIN}": "effective",
        "route": "effective",
        "gateway": "untried",
        "preference call_classes": "effective",
        "preference max_devices": "effective",
        "preference messaging": "untried",
        "setting min_expires": "effective",
        "setting default_expires": "effective",
        "setting max_expires": "effective",
    }, told
