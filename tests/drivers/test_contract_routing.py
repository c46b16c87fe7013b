"""What every driver promises of routing, asked by calls through every family's real server."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest

from lab.gateway import Gateway
from lab.opensips import ENVIRONMENT
from lab.process import wait_until
from lab.sip import Login, Response, SipClient
from provisioning.core.calls import Category
from provisioning.core.sip import ha1
from provisioning.drivers.base import Kind, Row
from provisioning.drivers.routing import (
    DialRuleRow,
    GatewayRow,
    RouteRow,
    Treatment,
    TrunkRow,
    TrustedHostRow,
)
from provisioning.drivers.setting_rows import CALLER_SITE, PreferenceRow, SettingRow
from tests.drivers.places import Place
from tests.drivers.rows import DOMAIN, SECRET, alias, gone, subscriber, wanted
from tests.drivers.test_contract import FAMILIES, answering, place

__all__ = ["place"]

# No calls go through what was recorded of an OpenSIPS, and FreeSWITCH holds no routes.
_CALLED = [
    family
    for family in FAMILIES
    if family.startswith(("kamailio", "asterisk"))
    or (family.startswith("opensips") and ENVIRONMENT in os.environ)
]

ANN, BOB = Login("ann", DOMAIN, SECRET), Login("bob", DOMAIN, SECRET)
TRUSTED = "127.0.0.11"
SITE = 7


class Calls:
    """Brings rows to a place, calls through it, and takes the rows away again."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._brought: list[Row] = []
        self.bring(subscriber("ann"), subscriber("bob"))

    def bring(self, *rows: Row) -> None:
        self._brought += rows
        self._apply(wanted(*rows))

    def take(self, *rows: Row) -> None:
        self._apply(gone(*rows))

    def clear(self) -> None:
        rows = {(type(row), row.key): row for row in self._brought}
        # A Kamailio reloads its registrations so often, and not more.
        self._apply(gone(*rows.values()), but=Kind.TRUNK)

    def _apply(self, changes: Sequence[Any], but: Kind | None = None) -> None:
        with self.place.open_store() as store, self.place.open_server() as server:
            outcomes = store.apply(changes)
            assert not [outcome for outcome in outcomes if outcome.error]
            kinds = {change.kind for change in changes} & store.reload_kinds - {but}
            server.activate([kind for kind in Kind if kind in kinds])

    def call(self, number: str, login: Login | None = ANN, **client: Any) -> int:
        with SipClient(self.place.sip_port, timeout=15, **client) as caller:
            return self.answer(caller, number, login).status

    def answer(self, caller: SipClient, number: str, login: Login | None = ANN) -> Response:
        return caller.invite(f"sip:{number}@{DOMAIN}", login)


@pytest.fixture(scope="module", params=_CALLED)
def running(request: pytest.FixtureRequest) -> Iterator[Place]:
    """A running server of each family that routes calls."""
    yield from answering(request)


@pytest.fixture
def calls(place: Place) -> Iterator[Calls]:
    calls = Calls(place)
    yield calls
    calls.clear()


def gateway(number: int, at: Gateway, **values: Any) -> GatewayRow:
    return GatewayRow(number, f"gateway {number}", "127.0.0.1", at.port, "udp", **values)


def route(prefix: str, *gateways: int, category: Category = Category.NATIONAL, **more: Any) -> Row:
    return RouteRow(prefix, category, gateways, **more)


def dialled(at: Gateway) -> list[str]:
    return [asked.uri.partition("@")[0].removeprefix("sip:") for asked in at.calls]


@contextmanager
def ringing(phone: SipClient, user: str) -> Iterator[None]:
    """Meanwhile the phone is called as `user`; what belongs to earlier calls is passed over."""

    def wait() -> None:
        while not phone.wait_for_request().startswith(f"INVITE sip:{user}@"):
            pass

    with ThreadPoolExecutor(1) as pool:
        rung = pool.submit(wait)
        yield
        rung.result()


def test_the_longest_prefix_wins_and_the_gateway_gets_numbers_as_it_wants_them(
    calls: Calls,
) -> None:
    with Gateway() as near, Gateway() as far:
        calls.bring(
            gateway(301, near, strip=1, prefix="00"),
            gateway(302, far),
            route("+", 302, category=Category.INTERNATIONAL),
            route("+44", 301),
            route("+4490"),
        )
        assert calls.call("+442079460123") == 200
        assert calls.call("+33140000000") == 200
        assert calls.call("+449099999") == 403
        assert calls.call("2001") == 404
        assert dialled(near) == ["00442079460123"]
        assert dialled(far) == ["+33140000000"]
        calls.take(route("+44", 301))
        assert calls.call("+442079460123") == 200
        assert dialled(far)[1:] == ["+442079460123"]


def test_the_next_gateway_gets_what_the_first_could_not_take(calls: Calls) -> None:
    with Gateway(503) as first, Gateway(500) as second, Gateway() as third:
        calls.bring(
            gateway(303, first), gateway(304, second), gateway(305, third),
            route("+44", 303, 304, 305),
        )  # fmt: skip
        assert calls.call("+442079460123") == 200
        assert [len(each.calls) for each in (first, second, third)] == [1, 1, 1]
        first.status = 486
        assert calls.call("+442079460123") == 486
        assert [len(each.calls) for each in (first, second, third)] == [2, 1, 1]
        third.status = first.status = 503
        assert calls.call("+442079460123") >= 500


def test_a_silent_gateway_is_passed_over(calls: Calls) -> None:
    with Gateway(None) as silent, Gateway() as second:
        calls.bring(gateway(306, silent), gateway(307, second), route("+7", 306, 307))
        assert calls.call("+74950000000") == 200
        assert dialled(second) == ["+74950000000"]


def test_an_emergency_number_is_the_whole_number_and_everybody_calls_it(calls: Calls) -> None:
    with Gateway() as line:
        calls.bring(
            gateway(308, line),
            route("112", 308, category=Category.EMERGENCY),
            SettingRow("call_classes", ""),
        )
        assert calls.call("112") == 200
        assert calls.call("1123") == 404
        assert dialled(line) == ["112"]


def test_an_account_calls_what_its_class_of_service_allows(calls: Calls) -> None:
    with Gateway() as line:
        calls.bring(
            gateway(309, line), route("+44", 309),
            route("+4490", 309, category=Category.PREMIUM),
            PreferenceRow("call_classes", "ann", DOMAIN, "national"),
        )  # fmt: skip
        assert calls.call("+442079460123") == 200
        assert calls.call("+449012345678") == 403
        assert calls.call("+449012345678", BOB) == 200
        calls.bring(SettingRow("call_classes", ""))
        assert calls.call("+442079460123", BOB) == 403
        assert calls.call("+442079460123") == 200


def test_callers_of_a_site_have_its_routes_its_dial_rules_and_its_callback_number(
    calls: Calls,
) -> None:
    with Gateway() as general, Gateway() as own:
        general_routes = [route("+44", 310), route("112", 310, category=Category.EMERGENCY)]
        calls.bring(
            gateway(310, general), gateway(311, own), *general_routes,
            route("+44", 310, site=SITE), route("+4420", 311, site=SITE),
            route("112", 311, category=Category.EMERGENCY, site=SITE, callback="+442079460000"),
            DialRuleRow(SITE, 1, r"00([1-9]\d+)", r"+\1"),
            DialRuleRow(SITE, 2, r"0([1-9]\d+)", r"+44\1"),
            DialRuleRow(SITE, 3, r"([2-9]\d{5,7})", r"+4420\1"),
            DialRuleRow(SITE, 4, r"9|99", r"+442079460111"),
            DialRuleRow(SITE, 5, r"112", r"+4412345"),
            PreferenceRow(CALLER_SITE, "ann", DOMAIN, str(SITE)),
        )  # fmt: skip
        for number, at, reached in (
            ("02079460123", own, "+442079460123"),
            ("00441619460123", general, "+441619460123"),
            ("79460123", own, "+442079460123"),
            ("99", own, "+442079460111"),
            ("112", own, "112"),
        ):
            assert calls.call(number) == 200, number
            assert dialled(at)[-1] == reached
        for shown in ("p-asserted-identity", "from"):
            assert "+442079460000" in own.calls[-1].headers[shown]
        # Bob is at no site.
        assert calls.call("02079460123", BOB) == 404
        assert calls.call("+442079460123", BOB) == 200
        assert calls.call("112", BOB) == 200
        assert dialled(general)[-2:] == ["+442079460123", "112"]
        assert "+442079460000" not in general.calls[-1].headers["from"]


def test_a_translated_number_of_an_account_stays_inside(calls: Calls) -> None:
    with Gateway() as line, SipClient(calls.place.sip_port, timeout=15) as phone:
        calls.bring(
            gateway(312, line), route("+", 312), alias("+442079460777", "bob"),
            DialRuleRow(SITE, 1, r"0([1-9]\d+)", r"+44\1"),
            PreferenceRow(CALLER_SITE, "ann", DOMAIN, str(SITE)),
        )  # fmt: skip
        assert phone.register(BOB).status == 200
        with ringing(phone, "bob"):
            assert calls.call("02079460777") == 200
        assert line.calls == []
        assert phone.register(BOB, expires=0).status == 200


@pytest.mark.parametrize(
    ("treatment", "out", "inside"),
    [
        (Treatment.AUTHENTICATED, 200, True),
        (Treatment.INBOUND, 404, True),
        (Treatment.OUTBOUND, 403, False),
    ],
)
def test_a_trusted_host_may_what_its_treatment_says(
    calls: Calls, treatment: Treatment, out: int, inside: bool
) -> None:
    with Gateway() as line, SipClient(calls.place.sip_port, timeout=15) as phone:
        calls.bring(gateway(313, line), route("+8", 313), alias("+442079460777", "bob"))
        assert calls.call("+81300000000", None, source=TRUSTED) in (401, 403)
        calls.bring(TrustedHostRow(treatment, f"{TRUSTED}/32", "lab"))
        assert calls.call("+81300000000", None, source=TRUSTED) == out
        assert phone.register(BOB).status == 200
        for number in ("+442079460777", "442079460777"):
            with (
                SipClient(calls.place.sip_port, source=TRUSTED) as carrier,
                ringing(phone, "bob") if inside else nullcontext(),
            ):
                answer = carrier.invite(f"sip:{number}@127.0.0.1:{calls.place.sip_port}")
                assert answer.status == (200 if inside else 403)
        assert phone.register(BOB, expires=0).status == 200
        calls.take(TrustedHostRow(treatment, f"{TRUSTED}/32", "lab"))
        assert calls.call("+81300000000", None, source=TRUSTED) in (401, 403)


def test_nobody_calls_by_the_name_of_a_gateway_or_of_a_trusted_host(calls: Calls) -> None:
    with Gateway() as line:
        calls.bring(
            gateway(314, line), route("+8", 314),
            TrustedHostRow(Treatment.AUTHENTICATED, f"{TRUSTED}/32", "lab"),
        )  # fmt: skip
        for name in ("rtcadmin-314", "rtcadmin-authenticated", "314", "lab"):
            assert calls.call("+81300000000", Login(name, DOMAIN, "")) in (401, 403, 407)
        assert calls.call("ann&PJSIP%2frtcadmin-314%2fsip:+81300000000") in (404, 484)
        assert line.calls == []


def test_a_trunk_registers_with_a_digest_and_who_calls_it_reaches_the_number_in_to(
    calls: Calls,
) -> None:
    """One test of both: a Kamailio reloads its registrations once in 150 s."""
    account = Login("acme", "carrier.example", "s3cret")
    with Gateway(login=account) as line, SipClient(calls.place.sip_port, timeout=15) as phone:
        row = gateway(315, line)
        digest = ha1("acme", "carrier.example", "s3cret")
        names = ("acme", "carrier.example", "carrier.example", "acme")
        calls.bring(
            row, TrunkRow(315, *names, digest, row.uri, 600), alias("+442079460777", "bob"),
            TrustedHostRow(Treatment.INBOUND, f"{TRUSTED}/32", "lab"),
        )  # fmt: skip
        wait_until(lambda: bool(line.registered), timeout=60, what="the trunk registers")
        assert phone.register(BOB).status == 200
        called, meant = f"sip:315@127.0.0.1:{calls.place.sip_port}", "sip:442079460777@carrier.org"
        with (
            SipClient(calls.place.sip_port, source=TRUSTED) as carrier,
            ringing(phone, "bob"),
        ):
            contact = {"Contact": f"<sip:{TRUSTED}>"}
            assert carrier.request("INVITE", called, meant, None, contact).status == 200
        assert phone.register(BOB, expires=0).status == 200
