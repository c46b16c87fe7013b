"""Probes at a real Kamailio: one that does as intended, and ones that lie."""

from __future__ import annotations

import re
import threading
from typing import Any

import pytest

from lab.ports import HOST
from provisioning.core.records import Listener
from provisioning.core.settings.catalogue import CATALOGUE
from provisioning.core.sip import ha1
from provisioning.drivers.sip.agent import UserAgent
from provisioning.drivers.sip.digest import Login
from provisioning.models import Account, SipServer
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.alerts.conditions import find_conditions
from provisioning.services.alerts.watch import watch
from provisioning.services.probes.standing import standing_at
from provisioning.services.push import outbox
from provisioning.services.settings.change import set_value
from provisioning.services.settings.places import EVERYWHERE
from tests.factories import make_account, make_trusted_host
from tests.services.probes.conftest import Probed

pytestmark = pytest.mark.django_db

DOMAIN = "voice.example.com"
PROVED = {
    f"sip_domain {DOMAIN}": "effective",
    f"subscriber {DOMAIN}": "effective",
    f"alias {DOMAIN}": "effective",
    "route": "effective",
    "gateway": "untried",
    "dial_rule": "effective",
    "preference call_classes": "effective",
    "preference forward_after": "effective",
    "preference forward_always": "effective",
    "preference forward_busy": "effective",
    "preference forward_no_answer": "effective",
    "preference forward_unreachable": "effective",
    "preference max_devices": "effective",
    "preference messaging": "effective",
    "preference site": "effective",
}


GIVEN = {"min_expires": 90, "default_expires": 1200, "max_expires": 2000,
         "message_bytes": 300, "federation_enabled": False}  # fmt: skip
LIMITED = PROVED | {f"setting {key}": "effective" for key in GIVEN}


def words(probed: Probed) -> dict[str, str]:
    server = SipServer.objects.select_related("store").get(pk=probed.server.pk)
    return {each.kind.value: each.word for each in standing_at(server)}


def only(probed: Probed, transport: str) -> None:
    """Leave the server the port of one transport."""
    for each in {"tls", "tcp", "udp"} - {transport}:
        setattr(probed.server, f"{each}_port", None)
    probed.server.save()


def lie(probed: Probed, file: str, pattern: str, instead: str = "") -> None:
    """Take something out of the server's configuration, and let it run with the rest."""
    path = probed.kamailio.directory / file
    probed.kamailio.stop()
    probed.kamailio._configure()
    before = path.read_text()
    after, count = re.subn(pattern, instead, before, flags=re.DOTALL)
    assert count >= 1
    path.write_text(after)
    probed.kamailio.process.start(probed.kamailio._answers)


@pytest.fixture
def limited(probed: Probed) -> Probed:
    """A server with settings."""
    for key, value in GIVEN.items():
        set_value(place=EVERYWHERE, setting=CATALOGUE[key], value=value, actor=COMMAND_LINE)
    probed.push()
    return probed


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_a_server_that_does_as_intended_is_proved_and_nothing_is_left_there(
    either_probed: Probed, transport: str
) -> None:
    probed = either_probed
    only(probed, transport)
    assert probed.probe() == PROVED
    assert probed.server.probe.transport == transport
    assert probed.site.rows("SELECT * FROM location") == []
    assert words(probed) | {"gateway": "", "trusted_host": ""} == {
        "sip_domain": "effective", "subscriber": "effective", "alias": "effective",
        "route": "effective", "preference": "effective", "gateway": "", "trusted_host": "",
        "group_address": "nothing", "trunk": "nothing", "dial_rule": "nothing",
        "setting": "nothing", "pool_server": "nothing",
    }  # fmt: skip
    assert words(probed)["gateway"] == "unproven"


def test_without_the_lines_for_outgoing_calls_class_of_service_is_shown_red(
    probed: Probed,
) -> None:
    assert probed.probe() == PROVED
    lie(probed, "routing.cfg", r"(route\[RTC_OUT\] \{).*?\n\}", r"\1\n    return;\n}")
    found = probed.probe()
    assert found == PROVED | {"preference call_classes": "ineffective", "route": "ineffective"}
    wrong = probed.result("preference", "call_classes")
    assert (wrong.expected, wrong.got) == ("403", "404 Not Found")
    assert words(probed)["preference"] == words(probed)["route"] == "ineffective"
    [condition] = [each for each in find_conditions(watch()) if each.kind == "not-effective"]
    assert condition.pk == probed.server.pk
    assert "expected 403; it answered 404 Not Found" in condition.text


def test_without_the_check_of_classes_alone_a_call_that_is_not_allowed_goes_out_to_nobody(
    probed: Probed,
) -> None:
    lie(probed, "routing.cfg", r"in_list\(\"\$avp\(category\)\"", 'in_list("national"')
    found = probed.probe()
    assert found == PROVED | {"preference call_classes": "ineffective"}
    assert probed.result("preference", "call_classes").got.startswith("477")


def test_every_setting_that_a_server_goes_by_is_proved(limited: Probed) -> None:
    assert limited.probe() == LIMITED
    assert words(limited)["setting"] == "effective"


@pytest.mark.parametrize(
    ("file", "pattern", "instead", "wrong"),
    [
        ("settings.cfg", r"if \(\$avp\(messaging\) == \"0\"\)", "if (0)", "preference messaging"),
        (
            "forwarding.cfg",
            r"if \(\$avp\(forward_always\) != \"\"\)",
            "if (0)",
            "preference forward_always",
        ),
        ("settings.cfg", r"= \$\(avp\(max_devices\)[^\n]*", "= 0;", "preference max_devices"),
        ("settings.cfg", r"sl_send_reply\(\"423\"[^\n]*\n\s*exit;", "", "setting min_expires"),
        (
            "settings.cfg",
            r"\$xavp\(reg\[0\]=>expires\) = \$\(var\(max_expires\)",
            "$var(x) = $(var(max_expires)",
            "setting max_expires",
        ),
        (
            "settings.cfg",
            r"\$xavp\(reg\[0\]=>expires\) = \$\(var\(default_expires\)",
            "$var(x) = $(var(default_expires)",
            "setting default_expires",
        ),
        ("settings.cfg", r"\$var\(message_bytes\) != \"0\"", "0 == 1", "setting message_bytes"),
        (
            "settings.cfg",
            r"send_reply\(\"403\", \"No Federation\"\)",
            'send_reply("404", "Gone")',
            "setting federation_enabled",
        ),
    ],
)
def test_a_setting_that_a_server_does_not_go_by_is_found(
    limited: Probed, file: str, pattern: str, instead: str, wrong: str
) -> None:
    lie(limited, file, pattern, instead)
    assert limited.probe() == LIMITED | {wrong: "ineffective"}


@pytest.mark.parametrize(
    ("file", "pattern", "instead", "wrong"),
    [
        ("routing.cfg", r"dp_translate\([^\n]*", "", {"dial_rule", "preference site"}),
        (
            "forwarding.cfg",
            r"\$var\(to\) = \$avp\(forward_busy\);",
            "",
            {"preference forward_busy"},
        ),
        (
            "forwarding.cfg",
            r"if \(\$avp\(forward_unreachable\) != \"\"\)",
            "if (0)",
            {"preference forward_unreachable"},
        ),
        *(
            (
                "forwarding.cfg",
                pattern,
                instead,
                {"preference forward_no_answer", "preference forward_after"},
            )
            for pattern, instead in (
                (r"\$var\(to\) = \$avp\(forward_no_answer\);", ""),
                (r"\$\(avp\(forward_after\)\{s.int\}\) \* 1000", "60000"),
                (r"t_set_fr\(\"\$var\(patience\)\"\)", 't_set_fr("300", "300")'),
            )
        ),
    ],
    ids=["dialled", "busy", "unreachable", "no-answer", "much-later", "at-once"],
)
def test_a_call_that_does_not_go_on_as_intended_is_found(
    either_probed: Probed,
    settings: Any,
    file: str,
    pattern: str,
    instead: str,
    wrong: set[str],
) -> None:
    settings.PROBE_TIMEOUT = 4
    lie(either_probed, file, pattern, instead)
    assert either_probed.probe() == PROVED | dict.fromkeys(wrong, "ineffective")
    assert either_probed.site.rows("SELECT * FROM location") == []


def test_a_dial_rule_that_is_another_one_at_the_server_is_found(probed: Probed) -> None:
    probed.site.execute("UPDATE dialplan SET repl_exp = '+4420'")
    probed.kamailio.rpc("dialplan.reload")
    assert probed.probe() == PROVED | {"dial_rule": "ineffective", "preference site": "ineffective"}
    assert "0999200" in probed.result("dial_rule").sent


def test_what_a_probe_left_that_was_killed_misleads_no_later_one(probed: Probed) -> None:
    listener = Listener(HOST, probed.kamailio.sip_port, "tcp")
    with UserAgent(listener, addresses=[HOST]) as killed:
        for account in Account.objects.filter(probe__role__in=("open", "away")):
            secret = account.credential.secret() or ""
            login = Login(account.user_part, DOMAIN, account.credential.auth_user, secret)
            assert killed.register(login, device="away", expires=None).accepted
    assert len(probed.site.rows("SELECT * FROM location")) == 2
    assert probed.probe() == PROVED
    assert probed.site.rows("SELECT * FROM location") == []


def test_a_server_that_lets_a_blocked_account_in_is_found(probed: Probed) -> None:
    blocked = Account.objects.select_related("credential").get(probe__role="blocked")
    digest = ha1(blocked.credential.auth_user, DOMAIN, blocked.credential.secret() or "")
    # Its row is as it would be without the block.
    probed.site.execute(
        f"UPDATE subscriber SET ha1 = '{digest}' WHERE username = '{blocked.user_part}'"  # noqa: S608
    )
    found = probed.probe()
    assert found[f"subscriber {DOMAIN}"] == "ineffective"
    assert "blocked account" in probed.result("subscriber", DOMAIN).sent
    assert found[f"alias {DOMAIN}"] == found["route"] == "untried"
    assert probed.site.rows("SELECT * FROM location") == []


def test_a_server_that_refuses_the_right_password_is_found(
    probed: Probed,
) -> None:
    probed.site.execute("UPDATE subscriber SET ha1 = 'x'")
    found = probed.probe()
    assert found[f"subscriber {DOMAIN}"] == "ineffective"
    assert probed.result("subscriber", DOMAIN).got.startswith("401")


def test_a_domain_that_is_not_served_is_found(probed: Probed) -> None:
    probed.site.execute("DELETE FROM domain")
    probed.kamailio.rpc("domain.reload")
    found = probed.probe()
    assert found[f"sip_domain {DOMAIN}"] == "ineffective"
    assert probed.result("sip_domain", DOMAIN).got == "403 Unknown Domain"


def test_a_number_that_leads_to_somebody_else_is_found(probed: Probed) -> None:
    amy = make_account(user_part="amy")
    outbox.mark_store(probed.site.store)
    probed.push()
    probed.site.execute("UPDATE dbaliases SET username = 'amy'")
    login = Login("amy", DOMAIN, "amy", amy.credential.secret() or "")
    listener = Listener(HOST, probed.kamailio.sip_port, "udp")
    over = threading.Event()

    def answer(phone: UserAgent) -> None:
        while not over.is_set():
            phone.options(f"sip:{HOST}:{listener.port}")

    with UserAgent(listener, addresses=[HOST]) as phone:
        assert phone.register(login).accepted
        thread = threading.Thread(target=answer, args=(phone,))
        thread.start()
        try:
            assert probed.probe()[f"alias {DOMAIN}"] == "ineffective"
        finally:
            over.set()
            thread.join()
        # By its number, and by its number as it is dialled at the probe's site.
        assert [each.method for each in phone.rung] == ["INVITE", "INVITE"]


def test_a_call_without_a_password_is_tried_and_an_open_server_is_found(probed: Probed) -> None:
    make_trusted_host("192.0.2.0/24", "authenticated")
    outbox.mark_store(probed.site.store)
    probed.push()
    assert probed.probe() == PROVED | {"trusted_host": "untried"}
    assert "as it must be" in probed.result("trusted_host").got
    # What lets everybody call, and what lets this very console call.
    probed.site.execute("INSERT INTO address (grp, ip_addr, mask) VALUES (1001, '127.0.0.0', 8)")
    probed.kamailio.rpc("permissions.addressReload")
    assert probed.probe()["trusted_host"] == "ineffective"
    make_trusted_host("127.0.0.0/8", "authenticated")
    found = probed.probe()
    assert found["trusted_host"] == "effective"
    assert found["route"] == "untried"
