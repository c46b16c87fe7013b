"""Probes through a gateway that is the console itself, at real servers that do and do not."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest

from lab.ports import HOST, free_port
from lab.process import wait_until
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.probes import outside
from provisioning.services.probes.accounts import set_up_probes
from provisioning.services.probes.standing import standing_at
from tests.services.probes.conftest import Probed
from tests.services.probes.test_at_kamailio import PROVED, lie

pytestmark = pytest.mark.django_db

BEYOND = PROVED | {"gateway": "effective", "preference presented_number": "effective"}


@pytest.fixture
def port(settings: Any) -> int:
    """Where the console takes calls itself."""
    found = free_port()
    settings.PROBE_GATEWAY = (HOST, found)
    return found


@pytest.fixture
def pings() -> int:
    """So that nobody waits long until a server knows that somebody is there, or nobody."""
    return 1


@pytest.fixture
def beyond(port: int, either_probed: Probed) -> Probed:
    """A server whose probes go through the console."""
    return either_probed


def test_what_arrives_at_the_gateway_proves_it_once_the_server_knows_that_it_is_there(
    beyond: Probed,
) -> None:
    # The server has found nobody there, as it does between two probes.
    wait_until(
        lambda: 'FLAGS": "I' in json.dumps(beyond.kamailio.rpc("dispatcher.list")),
        timeout=60,
        what="nobody stands at the gateway",
    )
    assert beyond.probe() == BEYOND
    words = {each.kind.value: each.word for each in standing_at(beyond.server)}
    assert (words["gateway"], words["route"]) == ("effective", "effective")
    presented = beyond.result("preference", "presented_number").got
    assert "anonymous@anonymous.invalid" in presented
    assert "Privacy: id" in presented


@pytest.mark.parametrize(
    ("pattern", "instead", "wrong"),
    [
        (r"\$\(var\(wants\)\{param.value,prefix\}\) \+ ", '"0" + ', {"gateway", "route"}),
        (r'uac_replace_from\("Anonymous"[^\n]*', "", {"preference presented_number"}),
        (
            r'append_hf\("P-Asserted-Identity: <sip:\$avp\(shown\)[^\n]*',
            "",
            {"preference presented_number"},
        ),
    ],
    ids=["number", "withheld", "asserted"],
)
def test_a_gateway_that_is_told_something_else_is_found(
    beyond: Probed, pattern: str, instead: str, wrong: set[str]
) -> None:
    lie(beyond, "routing.cfg", pattern, instead)
    assert beyond.probe() == BEYOND | dict.fromkeys(wrong, "ineffective")


def test_a_port_that_somebody_else_has_proves_nothing_and_says_so(
    port: int, probed: Probed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outside, "_PATIENCE", 0.5)
    with socket.socket(type=socket.SOCK_DGRAM) as other:
        other.bind((HOST, port))
        found = probed.probe()
    assert found["gateway"] == found["preference presented_number"] == "untried"
    assert f"UDP port {port}" in probed.result("gateway").got
    assert probed.probe() == BEYOND


def test_a_gateway_that_moves_is_pushed_when_the_accounts_are_set_up_again(
    probed: Probed, port: int
) -> None:
    assert set_up_probes(pool=probed.site.store.pool, actor=COMMAND_LINE) == 0
    probed.push()
    destinations = probed.site.rows("SELECT destination FROM dispatcher WHERE setid = 999999999")
    assert destinations == [(f"sip:{HOST}:{port};transport=udp",)]
