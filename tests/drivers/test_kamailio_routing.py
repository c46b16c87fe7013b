"""Gateways, trunks, routes and trusted hosts at a real Kamailio: compiled, then effective."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from lab.gateway import Gateway
from lab.sip import Login, SipClient
from provisioning.core.calls import Category
from provisioning.core.errors import KindUnavailable, Rejected
from provisioning.core.sip import ha1
from provisioning.drivers.base import Kind, Row, SipDomainRow
from provisioning.drivers.kamailio.routing_tables import ROUTING_TABLES
from provisioning.drivers.kamailio.store import KamailioStore
from provisioning.drivers.routing import GatewayRow, RouteRow, Treatment, TrunkRow, TrustedHostRow
from tests.drivers.conftest import Backend, Site
from tests.drivers.rows import DOMAIN, ROUTING, SECRET, alias, gone, subscriber, wanted

GOLDEN = Path(__file__).with_name("golden") / "kamailio_routing.json"
CALLER = Login("routed", DOMAIN, SECRET)
NUMBER = "+442079460777"
TRUSTED = "127.0.0.11"


def compiled(backend: Backend) -> dict[str, list[dict[str, Any]]]:
    """What stands in the tables of routing, column by column."""
    return {
        target.table.name: [
            dict(zip(target.owned, row, strict=True))
            for row in backend.rows(
                f"SELECT {', '.join(target.owned)} FROM {target.table.name} ORDER BY id"  # noqa: S608
            )
        ]
        for target in ROUTING_TABLES.values()
    }


def test_routing_is_compiled_to_exactly_its_golden_rows(
    store: KamailioStore, backend: Backend
) -> None:
    assert not any(outcome.error for outcome in store.apply(wanted(*ROUTING)))
    assert compiled(backend) == json.loads(GOLDEN.read_text())


def test_what_somebody_wrote_by_hand_differs_and_is_read_as_far_as_it_goes(
    store: KamailioStore, backend: Backend
) -> None:
    backend.insert("dispatcher", {"setid": "101", "destination": "sip:sbc.carrier.example"})
    backend.insert("dispatcher", {"setid": "102", "destination": "by hand", "attrs": "weight=50"})
    found = store.differing(Kind.GATEWAY, [row for row in ROUTING if isinstance(row, GatewayRow)])
    assert found == {
        "101": GatewayRow(101, "", "sbc.carrier.example", 5060, "udp"),
        "102": GatewayRow(102, "", "by hand", 0, "udp"),
    }


@pytest.mark.parametrize("kind", ROUTING_TABLES)
def test_a_missing_table_concerns_its_own_kind_alone(
    store: KamailioStore, backend: Backend, kind: Kind
) -> None:
    table = ROUTING_TABLES[kind].table.name
    backend.execute(f"DROP TABLE {table}")
    backend.execute(f"DELETE FROM version WHERE table_name = '{table}'")  # noqa: S608
    mine = [row for row in ROUTING if wanted(row)[0].kind is kind]

    assert any(f"Table {table} is missing: no {kind.label} is written" in s for s in store.check())
    with pytest.raises(KindUnavailable, match=table):
        store.differing(kind, mine)
    outcomes = store.apply(wanted(subscriber("alice"), *mine))
    assert [bool(outcome.error) for outcome in outcomes] == [False, *[True] * len(mine)]


def test_a_right_that_is_lacking_is_named_and_concerns_its_kind_alone(
    postgresql: Backend, open_store: Any
) -> None:
    postgresql.execute("REVOKE INSERT ON dispatcher FROM rtcadmin")
    store = open_store(postgresql)
    found = store.check()
    assert found[-1] == "The role may read and write."
    assert any("no gateway is written here. Read only: the role lacks INSE" in s for s in found)
    refused, accepted = store.apply(wanted(GatewayRow(7, "x", "192.0.2.1", 5060, "udp"),
                                           subscriber("alice")))  # fmt: skip
    assert "permission denied for table dispatcher" in refused.error
    assert not accepted.error


def bring(site: Site, *rows: Row) -> None:
    outcomes = site.store.apply(wanted(SipDomainRow(DOMAIN), subscriber("routed"), *rows))
    assert not any(outcome.error for outcome in outcomes)
    site.server.activate([kind for kind in Kind if kind is not Kind.TRUNK])


def route(prefix: str, gateways: tuple[int, ...], **values: Any) -> RouteRow:
    return RouteRow(prefix, values.pop("category", Category.NATIONAL), gateways, **values)


def call(site: Site, number: str, login: Login | None = CALLER, **client: Any) -> int:
    with SipClient(site.kamailio.sip_port, timeout=9, **client) as caller:
        return caller.invite(f"sip:{number}@{DOMAIN}", login).status


def gateway_row(number: int, gateway: Gateway, **values: Any) -> GatewayRow:
    return GatewayRow(number, f"gateway {number}", "127.0.0.1", gateway.port, "udp", **values)


def dialled(gateway: Gateway) -> list[str]:
    return [asked.uri.partition("@")[0] for asked in gateway.calls]


def test_a_call_reaches_the_gateway_of_the_longest_prefix_and_then_the_next(site: Site) -> None:
    with Gateway(503) as first, Gateway() as second:
        near, far = gateway_row(201, first, strip=1, prefix="00"), gateway_row(202, second)
        routes = (
            route("+", (202,)),
            route("+44", (201, 202)),
            route("+4490", ()),
        )
        bring(site, near, far, *routes)
        assert call(site, "+442079460123") == 200
        assert call(site, "+33140000000") == 200
        assert call(site, "+449099999") == 403
        assert dialled(first) == ["sip:00442079460123"]
        assert dialled(second) == ["sip:+442079460123", "sip:+33140000000"]

        first.status = 200
        assert call(site, "+442079460123") == 200
        assert dialled(first) == ["sip:00442079460123"] * 2

        site.store.apply(gone(*routes))
        site.server.activate([Kind.ROUTE])
        assert call(site, "+33140000000") == 404


def test_an_emergency_number_is_no_beginning_of_others(site: Site) -> None:
    with Gateway() as gateway:
        row = route("112", (207,), category=Category.EMERGENCY)
        bring(site, gateway_row(207, gateway), row)
        assert call(site, "112") == 200
        assert call(site, "1123") == 404
        assert dialled(gateway) == ["sip:112"]
        site.store.apply(gone(row))


def test_a_silent_gateway_is_passed_over(site: Site) -> None:
    with Gateway(None) as silent, Gateway() as second:
        bring(
            site,
            gateway_row(203, silent),
            gateway_row(204, second),
            route("+7", (203, 204)),
        )
        assert call(site, "+74950000000") == 200
        assert silent.calls
        assert dialled(second) == ["sip:+74950000000"]


def test_only_hosts_that_are_trusted_with_it_call_out_without_a_password(site: Site) -> None:
    with Gateway() as gateway:
        bring(site, gateway_row(205, gateway), route("+8", (205,)))
        assert call(site, "+81300000000", None, source=TRUSTED) == 403
        for treatment, status in (("authenticated", 200), ("inbound", 404), ("outbound", 403)):
            row = TrustedHostRow(Treatment(treatment), f"{TRUSTED}/32", "lab")
            bring(site, row)
            assert call(site, "+81300000000", None, source=TRUSTED) == status
            site.store.apply(gone(row))
        site.server.activate([Kind.TRUSTED_HOST])
        assert call(site, "+81300000000", None, source=TRUSTED) == 403


def test_a_carrier_reaches_an_account_by_its_number_whatever_the_host_part(site: Site) -> None:
    host = TrustedHostRow(Treatment.INBOUND, f"{TRUSTED}/32", "carrier")
    bring(site, host, alias(NUMBER, "routed"))
    with SipClient(site.kamailio.sip_port, timeout=9, source=TRUSTED) as carrier:

        def calls(number: str) -> int:
            return carrier.invite(f"sip:{number}@127.0.0.1:{site.kamailio.sip_port}").status

        assert calls(NUMBER) == 404
        with SipClient(site.kamailio.sip_port) as phone:
            assert phone.register(CALLER).status == 200
            # The phone was called, and kept silent.
            assert calls(NUMBER) == 408
            assert calls(NUMBER.removeprefix("+")) == 408
            assert phone.register(CALLER, expires=0).status == 200
    site.store.apply(gone(host))


def test_a_trunk_registers_with_a_digest_and_a_reload_that_comes_too_early_is_told(
    site: Site,
) -> None:
    with Gateway(login=Login("acme", "carrier.example", "s3cret")) as gateway:
        proxy = gateway_row(206, gateway)
        digest = ha1("acme", "carrier.example", "s3cret")
        names = ("acme", "carrier.example", "carrier.example", "acme")
        site.store.apply(wanted(TrunkRow(206, *names, digest, proxy.uri, 600)))
        site.server.activate([Kind.TRUNK])
        until = time.monotonic() + 20
        while not gateway.registered and time.monotonic() < until:
            time.sleep(0.1)
        assert gateway.registered
    with pytest.raises(Rejected, match="records"):
        site.server.activate([Kind.TRUNK])
