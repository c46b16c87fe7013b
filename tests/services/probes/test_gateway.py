"""Probes through a gateway that is the console itself, at real servers that do and do not."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest

from lab.ports import HOST, free_port
from lab.process import wait_until
from provisioning.models import SettingValue
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.probes import outside
from provisioning.services.probes.accounts import set_up_probes
from provisioning.services.probes.standing import standing_at
from provisioning.services.push import outbox
from tests.services.probes.conftest import Probed
from tests.services.probes.test_at_kamailio import PROVED, lie

pytestmark = pytest.mark.django_db

VOICEMAIL = {"preference voicemail", "preference voicemail_server"}
ONLY_THERE = {
    "gateway",
    "group_address",
    "preference asserted_numbers",
    "preference presented_number",
    *VOICEMAIL,
}
RINGING = ("forward_after", "forward_no_answer")
BEYOND = dict.fromkeys(
    {*PROVED, *ONLY_THERE} - {f"preference {key}" for key in RINGING}, "effective"
)

MAILBOX = "SELECT value FROM usr_preferences WHERE attribute = 'voicemail_server'"


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
    return without_ringing(either_probed)


def without_ringing(probed: Probed) -> Probed:
    """The same, where no telephone rings: that takes two seconds each time."""
    given = SettingValue.objects.filter(account__probe__role="away", key__in=RINGING)
    given.delete()
    outbox.mark_store(probed.site.store)
    probed.push()
    return probed


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
            {"preference asserted_numbers", "preference presented_number"},
        ),
        (r"= \$avp\(preferred\);", "= $var(number);", {"preference asserted_numbers"}),
        (r" && in_list_prefix\([^\n]*\)\)", ")", {"preference asserted_numbers"}),
    ],
    ids=["number", "withheld", "asserted", "prefers-nothing", "prefers-anything"],
)
def test_a_gateway_that_is_told_something_else_is_found(
    beyond: Probed, pattern: str, instead: str, wrong: set[str]
) -> None:
    lie(beyond, "routing.cfg", pattern, instead)
    assert beyond.probe() == BEYOND | dict.fromkeys(wrong, "ineffective")


@pytest.mark.parametrize(
    ("pattern", "instead", "wrong", "sent"),
    [
        (r"route\(RTC_GROUP\);", "", {"group_address"}, "group address"),
        (r"P-Asserted-Identity: <\$avp\(caller\)", "X: <", {"group_address"}, "group address"),
        (r'cause\) = "486"', 'cause) = "503"', VOICEMAIL, "telephone is busy"),
        (r"route\(RTC_WAITING\);", "", VOICEMAIL, "SUBSCRIBE"),
        (r"if \(\$avp\(callee\) == \$avp\(caller\)[^\n]*", "if (0) {", VOICEMAIL, "to itself"),
    ],
    ids=["no-group", "who-calls", "busy", "waiting", "own"],
)
def test_a_server_beside_that_a_call_does_not_reach_as_intended_is_found(
    beyond: Probed, pattern: str, instead: str, wrong: set[str], sent: str
) -> None:
    lie(beyond, "forwarding.cfg", pattern, instead)
    assert beyond.probe() == BEYOND | dict.fromkeys(wrong, "ineffective")
    for each in wrong:
        assert sent in beyond.result(*each.split()).sent


@pytest.mark.parametrize(
    ("statement", "wrong"),
    [
        ("DELETE FROM dbaliases WHERE alias_username = '+9993000000'", {"group_address"}),
        (
            "UPDATE dbaliases SET username = 'x' WHERE alias_username = '+9993000000'",
            {"group_address"},
        ),
        (
            "UPDATE usr_preferences SET value = '+9995' WHERE attribute = 'asserted_numbers'",
            {"preference asserted_numbers"},
        ),
        ("DELETE FROM usr_preferences WHERE attribute = 'voicemail'", VOICEMAIL),
        (
            "UPDATE usr_preferences SET value = '127.0.0.1:9' WHERE attribute = 'voicemail_server'",
            VOICEMAIL,
        ),
    ],
    ids=["group-gone", "group-elsewhere", "other-numbers", "no-voicemail", "mailbox-elsewhere"],
)
def test_a_row_that_is_another_one_at_the_server_is_found(
    port: int, probed: Probed, statement: str, wrong: set[str]
) -> None:
    without_ringing(probed).site.execute(statement)
    assert probed.probe() == BEYOND | dict.fromkeys(wrong, "ineffective")


def test_a_port_that_somebody_else_has_proves_nothing_and_says_so(
    port: int, probed: Probed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outside, "_PATIENCE", 0.5)
    with socket.socket(type=socket.SOCK_DGRAM) as other:
        other.bind((HOST, port))
        found = without_ringing(probed).probe()
    assert {found[each] for each in ONLY_THERE} == {"untried"}
    assert f"UDP port {port}" in probed.result("gateway").got
    assert probed.probe() == BEYOND


def test_a_gateway_that_moves_is_pushed_when_the_accounts_are_set_up_again(
    probed: Probed, port: int, settings: Any
) -> None:
    assert set_up_probes(pool=probed.site.store.pool, actor=COMMAND_LINE) == 1
    probed.push()
    assert probed.site.rows(MAILBOX) == [(f"{HOST}:{port}",)]
    settings.PROBE_GATEWAY = (HOST, port + 1)
    assert set_up_probes(pool=probed.site.store.pool, actor=COMMAND_LINE) == 0
    probed.push()
    assert probed.site.rows(MAILBOX) == [(f"{HOST}:{port + 1}",)]
    groups = "SELECT domain FROM dbaliases WHERE username = 'rtcadmin-probe-group'"
    assert probed.site.rows(groups) == [(f"{HOST}:{port + 1}",)]
    destinations = probed.site.rows("SELECT destination FROM dispatcher WHERE setid = 999999999")
    assert destinations == [(f"sip:{HOST}:{port + 1};transport=udp",)]
    settings.PROBE_GATEWAY = None
    assert set_up_probes(pool=probed.site.store.pool, actor=COMMAND_LINE) == 0
    probed.push()
    assert probed.site.rows(groups) == []
