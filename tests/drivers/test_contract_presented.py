"""What every driver promises of who calls, as gateways are told it by every family's server."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from lab.gateway import Gateway
from lab.sip import SipClient
from provisioning.core.calls import Category
from provisioning.drivers.setting_rows import (
    CALLER_SITE,
    PreferenceRow,
    SettingRow,
    main_number_key,
)
from tests.drivers.rows import DOMAIN, alias
from tests.drivers.test_contract import place
from tests.drivers.test_contract_routing import ANN, SITE, Calls, calls, gateway, route, running

__all__ = ["calls", "place", "running"]

OWN, MAIN, OTHER = "+442079460001", "+442079460000", "+442079460777"
Shown = tuple[str, str, str]
Tell = Callable[..., Shown]


@pytest.fixture
def told(calls: Calls) -> Iterator[Tell]:
    """Calls as ann, whose number is OWN; the number asserted, that of From, and Privacy."""
    if "presented_number" not in calls.place.driver.settings:
        pytest.skip(f"{calls.place.driver.label} presents no numbers.")
    with Gateway() as line, SipClient(calls.place.sip_port, timeout=15) as phone:
        calls.bring(
            alias("old.ann", "ann"), alias(OWN, "ann"), gateway(320, line), route("+", 320),
            route("112", 320, category=Category.EMERGENCY),
            route("112", 320, category=Category.EMERGENCY, site=SITE, callback=OTHER),
            PreferenceRow(CALLER_SITE, "ann", DOMAIN, str(SITE)),
            SettingRow(main_number_key(SITE), MAIN),
        )  # fmt: skip

        def call(number: str = "+33140000000", **headers: str) -> Shown:
            said = {name.replace("_", "-"): value for name, value in headers.items()}
            assert phone.invite(f"sip:{number}@{DOMAIN}", ANN, said).status == 200
            asked = line.calls[-1]
            return (
                number_in(asked.headers.get("p-asserted-identity", "")),
                number_in(asked.headers["from"]),
                asked.headers.get("privacy", ""),
            )

        yield call


def number_in(header: str) -> str:
    return header.partition("sip:")[2].partition("@")[0]


def test_an_account_shows_its_own_number_unless_something_else_is_said(
    calls: Calls, told: Tell
) -> None:
    assert told() == (OWN, OWN, "")
    calls.bring(SettingRow("presented_number", "site"))
    assert told() == (MAIN, MAIN, "")
    calls.bring(PreferenceRow("presented_number", "ann", DOMAIN, "withheld"))
    assert told() == (OWN, "anonymous", "id")


def test_what_a_phone_says_about_itself_is_shown_only_where_it_may_assert_it(
    calls: Calls, told: Tell
) -> None:
    prefers = f'"Ann: 1" <sip:{OTHER}@10.0.0.1>'
    assert told(P_Preferred_Identity=prefers) == (OWN, OWN, "")
    assert told(P_Asserted_Identity=prefers) == (OWN, OWN, "")
    calls.bring(PreferenceRow("asserted_numbers", "ann", DOMAIN, "+4930,+4420794607"))
    assert told(P_Preferred_Identity=prefers) == (OTHER, OTHER, "")
    assert told(P_Preferred_Identity="<sip:+15551234567@x>") == (OWN, OWN, "")
    assert told(Privacy="id") == (OWN, "anonymous", "id")


def test_emergency_services_are_shown_where_to_call_back(calls: Calls, told: Tell) -> None:
    calls.bring(PreferenceRow("presented_number", "ann", DOMAIN, "withheld"))
    assert told("112", Privacy="id") == (OTHER, OTHER, "")
