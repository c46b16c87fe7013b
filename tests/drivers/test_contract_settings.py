"""What every driver promises of the settings that it holds, asked of every family's real server."""

from __future__ import annotations

import re

import pytest

from lab.sip import Response, SipClient
from provisioning.drivers.setting_rows import PreferenceRow, SettingRow
from tests.drivers.rows import DOMAIN
from tests.drivers.test_contract import place
from tests.drivers.test_contract_routing import ANN, BOB, Calls, calls, running

__all__ = ["calls", "place", "running"]


@pytest.fixture(autouse=True)
def _held(calls: Calls) -> None:
    if "max_devices" not in calls.place.driver.settings:
        pytest.skip(f"{calls.place.driver.label} holds no settings.")


def granted(answer: Response) -> int:
    """The seconds for which a registration holds."""
    assert answer.status == 200
    found = re.search(r"expires=(\d+)", answer.headers["contact"])
    assert found is not None
    return int(found[1])


def register(calls: Calls, expires: int) -> Response:
    with SipClient(calls.place.sip_port) as phone:
        answer = phone.register(ANN, expires=expires)
        if answer.status == 200:
            phone.register(ANN, expires=0)
        return answer


def test_registrations_hold_as_long_as_the_servers_bounds_say(calls: Calls) -> None:
    calls.bring(SettingRow("min_expires", "120"), SettingRow("max_expires", "600"))
    answer = register(calls, 60)
    if answer.status == 423:
        assert answer.headers["min-expires"] == "120"
    else:
        # Some give more than was asked for (RFC 3261, 10.3, lets them only do with less).
        assert 118 <= granted(answer) <= 120
    assert 298 <= granted(register(calls, 300)) <= 300
    assert 598 <= granted(register(calls, 5000)) <= 600
    calls.take(SettingRow("min_expires", "120"))
    calls.bring(SettingRow("min_expires", "30"))
    assert 58 <= granted(register(calls, 60)) <= 60


def test_an_account_has_no_more_devices_than_it_may(calls: Calls) -> None:
    def devices(login: object) -> list[int]:
        phones = [SipClient(calls.place.sip_port) for _ in range(3)]
        try:
            return [phone.register(login).status for phone in phones]  # type: ignore[arg-type]
        finally:
            for phone in phones:
                phone.register(login, expires=0)  # type: ignore[arg-type]
                phone.__exit__(None, None, None)

    assert devices(BOB) == [200, 200, 200]
    calls.bring(PreferenceRow("max_devices", "ann", DOMAIN, "2"), SettingRow("max_devices", "1"))
    first, second, third = devices(ANN)
    assert (first, second) == (200, 200)
    assert third >= 400
    first, second, _ = devices(BOB)
    assert first == 200
    assert second >= 400
    calls.take(PreferenceRow("max_devices", "ann", DOMAIN, "2"), SettingRow("max_devices", "1"))
    assert devices(ANN) == [200, 200, 200]


def test_who_may_have_no_messages_neither_gets_nor_sends_any(calls: Calls) -> None:
    with SipClient(calls.place.sip_port) as ann, SipClient(calls.place.sip_port) as bob:
        assert (ann.register(ANN).status, bob.register(BOB).status) == (200, 200)
        calls.bring(PreferenceRow("messaging", "bob", DOMAIN, "0"))
        ways = ((ann, ANN, bob, "bob"), (bob, BOB, ann, "ann"))
        for sender, login, receiver, user in ways:
            sender.message(login, f"sip:{user}@{DOMAIN}", "refused")
            receiver.timeout = 0.5
            with pytest.raises(TimeoutError):
                receiver.wait_for_request()
            receiver.timeout = 15.0
        calls.take(PreferenceRow("messaging", "bob", DOMAIN, "0"))
        for sender, login, receiver, user in ways:
            sender.message(login, f"sip:{user}@{DOMAIN}", "allowed")
            assert receiver.wait_for_request().startswith("MESSAGE sip:")
        for phone, login in ((ann, ANN), (bob, BOB)):
            phone.register(login, expires=0)
