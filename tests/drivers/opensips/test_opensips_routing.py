"""Gateways, routes and trusted hosts of an OpenSIPS: compiled; at a real one, effective."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.gateway import Gateway
from lab.opensips import ENVIRONMENT, OPENSIPS_3_6, OpenSips, real_release
from lab.sip import Login, SipClient
from provisioning.core.calls import Category
from provisioning.core.errors import KindUnavailable
from provisioning.drivers.base import Kind, Row, SipDomainRow
from provisioning.drivers.opensips.routing_tables import ROUTING as STORED
from provisioning.drivers.opensips.store import OpenSipsStore
from provisioning.drivers.routing import (
    DialRuleRow,
    GatewayRow,
    RouteRow,
    Treatment,
    TrunkRow,
    TrustedHostRow,
)
from provisioning.drivers.setting_rows import PreferenceRow
from tests.drivers.conftest import Backend, NewBackend
from tests.drivers.places import Place, opensips_place
from tests.drivers.rows import DOMAIN, ROUTING, SECRET, alias, gone, subscriber, wanted

GOLDEN = Path(__file__).parents[1] / "golden" / "opensips_routing.json"
ROWS: tuple[Row, ...] = (
    *(row for row in ROUTING if not isinstance(row, TrunkRow)),
    PreferenceRow("site", "alice", DOMAIN, "7"),
)
CALLER = Login("routed", DOMAIN, SECRET)
NUMBER = "+442079460777"
TRUSTED = "127.0.0.11"


@pytest.fixture(params=["sqlite", "postgresql", "mysql"])
def database(request: pytest.FixtureRequest, new_backend: NewBackend) -> Backend:
    return new_backend(request.param, OPENSIPS_3_6)


@pytest.fixture
def store(database: Backend) -> Iterator[OpenSipsStore]:
    driver = OpenSipsStore(database.record)
    yield driver
    driver.close()


def compiled(backend: Backend) -> dict[str, list[list[Any]]]:
    """What stands in the tables of routing, column by column."""
    found = {}
    for each in STORED.values():
        table = each.target.table
        columns = ", ".join(each.target.owned)
        rows = backend.rows(f"SELECT {columns} FROM {table.name} ORDER BY {table.c.id.name}")  # noqa: S608
        found[table.name] = [list(each.target.owned), *map(list, rows)]
    return found


def test_routing_is_compiled_to_exactly_its_golden_rows(
    store: OpenSipsStore, database: Backend
) -> None:
    assert not any(outcome.error for outcome in store.apply(wanted(*ROWS)))
    assert compiled(database) == json.loads(GOLDEN.read_text())


def test_routing_is_read_back_as_it_was_written_and_deleted(
    store: OpenSipsStore, database: Backend
) -> None:
    store.apply(wanted(*ROWS))
    for kind in STORED:
        mine = [row for row in ROWS if wanted(row)[0].kind is kind]
        assert mine
        assert set(store.read(kind)) == set(mine)
        assert set(store.read(kind, [row.key for row in mine])) == set(mine)
        assert store.differing(kind, mine) == {}
    before = compiled(database)
    store.apply(wanted(*ROWS))
    assert compiled(database) == before
    assert not any(outcome.error for outcome in store.apply(gone(*ROWS)))
    assert all(len(rows) == 1 for rows in compiled(database).values())


def test_gateways_routes_and_groups_of_others_are_neither_read_nor_changed(
    store: OpenSipsStore, database: Backend
) -> None:
    database.insert("dr_gateways", {"gwid": "carrier", "address": "sip:192.0.2.1"})
    database.insert("dr_rules", {"groupid": "1,2,3", "prefix": "+44", "gwlist": "carrier"})
    database.insert("dr_rules", {"groupid": "0", "prefix": "+44", "gwlist": "carrier"})
    database.insert("dr_groups", {"username": "bob", "domain": DOMAIN, "groupid": "3"})
    database.insert("dialplan", {"dpid": "7", "match_op": "1", "match_exp": "0.*"})
    database.insert("address", {"grp": "7", "ip": "192.0.2.1", "mask": "32"})
    before = compiled(database)
    assert [list(store.read(kind)) for kind in STORED] == [[]] * 5
    store.apply(wanted(*ROWS))
    store.apply(gone(*ROWS))
    assert compiled(database) == before


def test_what_somebody_wrote_by_hand_differs_and_is_read_as_far_as_it_goes(
    store: OpenSipsStore, database: Backend
) -> None:
    database.insert("dr_gateways", {"gwid": "rtc101", "address": "sip:sbc.carrier.example"})
    database.insert("dr_rules", {"groupid": "10000", "prefix": "+", "gwlist": "rtc101,x"})
    assert store.differing(Kind.GATEWAY, [row for row in ROWS if row.key == "101"]) == {
        "101": GatewayRow(101, "", "sbc.carrier.example", 5060, "udp")
    }
    assert store.differing(Kind.ROUTE, [RouteRow("+", Category.INTERNATIONAL, (101,))]) == {
        "+": RouteRow("+", Category.INTERNAL, (101,), 0, "?")
    }


@pytest.mark.parametrize("kind", STORED)
def test_a_missing_table_concerns_its_own_kind_alone(
    store: OpenSipsStore, database: Backend, kind: Kind
) -> None:
    table = STORED[kind].target.table.name
    database.execute(f"DROP TABLE {table}")
    database.execute(f"DELETE FROM version WHERE table_name = '{table}'")  # noqa: S608
    mine = [row for row in ROWS if wanted(row)[0].kind is kind]
    assert any(f"Table {table} is missing: no {kind.label} is written" in s for s in store.check())
    with pytest.raises(KindUnavailable, match=f"{table}: make it with OpenSIPS's own script"):
        store.differing(kind, mine)
    outcomes = store.apply(wanted(subscriber("alice"), *mine))
    assert [bool(outcome.error) for outcome in outcomes] == [False, *[True] * len(mine)]


def test_a_name_that_is_too_long_for_a_trusted_host_says_no_less_of_who_is_trusted(
    store: OpenSipsStore,
) -> None:
    row = TrustedHostRow(Treatment.INBOUND, "192.0.2.0/24", "x" * 100)
    assert not store.apply(wanted(row))[0].error
    assert store.differing(Kind.TRUSTED_HOST, [row]) == {}


Bring = Callable[..., None]


@pytest.fixture(scope="module")
def place(new_backend: NewBackend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A real OpenSIPS: nothing else routes a call."""
    release = real_release()
    if release is None:
        pytest.skip(f"{ENVIRONMENT} names no OpenSIPS.")
    backend = new_backend("postgresql", release)
    server = OpenSips(tmp_path_factory.mktemp("opensips"), backend.lab)
    with opensips_place(backend, server) as place:
        yield place


@pytest.fixture
def bring(place: Place) -> Iterator[Bring]:
    """Writes rows and makes them take effect; they are gone after the test."""
    kinds = list(OpenSipsStore.reload_kinds)
    written: list[Row] = []

    def bringing(*rows: Row) -> None:
        written.extend(rows)
        with place.open_store() as store, place.open_server() as server:
            outcomes = store.apply(wanted(SipDomainRow(DOMAIN), subscriber("routed"), *rows))
            assert not any(outcome.error for outcome in outcomes)
            server.activate(kinds)

    yield bringing
    with place.open_store() as store, place.open_server() as server:
        store.apply(gone(*written))
        server.activate(kinds)


def call(place: Place, number: str, login: Login | None = CALLER, **client: Any) -> int:
    with SipClient(place.sip_port, timeout=12, **client) as caller:
        return caller.invite(f"sip:{number}@{DOMAIN}", login).status


def gateway_row(number: int, gateway: Gateway, **values: Any) -> GatewayRow:
    return GatewayRow(number, f"gateway {number}", "127.0.0.1", gateway.port, "udp", **values)


def dialled(gateway: Gateway) -> list[str]:
    return [asked.uri.partition("@")[0] for asked in gateway.calls]


def national(prefix: str, *gateways: int, **values: Any) -> RouteRow:
    return RouteRow(prefix, Category.NATIONAL, gateways, **values)


def test_a_call_reaches_the_gateway_of_the_longest_prefix_and_then_the_next(
    place: Place, bring: Bring
) -> None:
    with Gateway(503) as first, Gateway() as second:
        near, far = gateway_row(201, first, strip=1, prefix="00"), gateway_row(202, second)
        bring(near, far, national("+", 202), national("+44", 201, 202))
        assert call(place, NUMBER) == 200
        assert dialled(first) == ["sip:00442079460777"]
        assert dialled(second) == [f"sip:{NUMBER}"]
        assert call(place, "+33123456789") == 200
        assert dialled(second)[1:] == ["sip:+33123456789"]


def test_a_gateway_that_is_silent_hands_the_call_on(place: Place, bring: Bring) -> None:
    with Gateway(None) as silent, Gateway() as second:
        bring(gateway_row(201, silent), gateway_row(202, second), national("+", 201, 202))
        assert call(place, NUMBER) == 200
        assert dialled(second) == [f"sip:{NUMBER}"]


def test_a_route_without_a_gateway_refuses_its_calls(place: Place, bring: Bring) -> None:
    with Gateway() as gateway:
        bring(gateway_row(201, gateway), national("+", 201), national("+4490"))
        assert call(place, "+449012345") == 403
        assert gateway.calls == []
        assert call(place, "12345") == 404


def test_callers_of_a_site_have_routes_of_their_own_and_all_others(
    place: Place, bring: Bring
) -> None:
    with Gateway() as everybodys, Gateway() as of_site:
        bring(
            gateway_row(201, everybodys), gateway_row(202, of_site), national("+", 201),
            national("+44", 202, site=7), PreferenceRow("site", "routed", DOMAIN, "7"),
        )  # fmt: skip
        assert call(place, NUMBER) == 200
        assert dialled(of_site) == [f"sip:{NUMBER}"]
        assert call(place, "+33123456789") == 200
        assert dialled(everybodys) == ["sip:+33123456789"]


def test_dial_rules_of_the_callers_site_make_numbers_of_what_is_dialled(
    place: Place, bring: Bring
) -> None:
    with Gateway() as gateway:
        bring(
            gateway_row(201, gateway), national("+", 201),
            RouteRow("112", Category.EMERGENCY, (201,)),
            DialRuleRow(7, 1, r"0([1-9]\d+)", r"+44\1"), DialRuleRow(7, 2, "112|9", "+449"),
            PreferenceRow("site", "routed", DOMAIN, "7"),
        )  # fmt: skip
        for number in ("02079460777", "9", "112"):
            assert call(place, number) == 200
        assert dialled(gateway) == [f"sip:{NUMBER}", "sip:+449", "sip:112"]


def test_an_emergency_number_is_the_whole_number_and_shows_where_to_call_back(
    place: Place, bring: Bring
) -> None:
    with Gateway() as gateway:
        emergency = RouteRow("112", Category.EMERGENCY, (201,), 0, "+442079460000")
        bring(gateway_row(201, gateway), emergency, alias("+442079460555", "routed"))
        assert call(place, "1123") == 404
        assert call(place, "112") == 200
        (asked,) = gateway.calls
        assert asked.headers["p-asserted-identity"] == f"<sip:+442079460000@{DOMAIN};user=phone>"


def test_gateways_are_told_the_number_of_the_account_whatever_its_phone_says(
    place: Place, bring: Bring
) -> None:
    with Gateway() as gateway, SipClient(place.sip_port, timeout=9) as phone:
        bring(gateway_row(201, gateway), national("+", 201), alias("+442079460555", "routed"))
        said = {"P-Asserted-Identity": "<sip:+15550100@elsewhere.example>"}
        assert phone.invite(f"sip:{NUMBER}@{DOMAIN}", CALLER, said).status == 200
        (asked,) = gateway.calls
        assert asked.all("p-asserted-identity") == [f"<sip:+442079460555@{DOMAIN};user=phone>"]


@pytest.mark.parametrize(
    ("treatment", "outside", "inside"),
    [
        (None, 403, 403),
        (Treatment.AUTHENTICATED, 200, 200),
        (Treatment.INBOUND, 404, 200),
        (Treatment.OUTBOUND, 403, 403),
    ],
)
def test_a_trusted_host_is_treated_as_it_stands_there(
    place: Place, bring: Bring, treatment: Treatment | None, outside: int, inside: int
) -> None:
    number = "+442079460555"
    with Gateway() as gateway:
        rows: list[Row] = [gateway_row(201, gateway), national("+", 201), alias(number, "routed")]
        if treatment is not None:
            rows.append(TrustedHostRow(treatment, f"{TRUSTED}/32", "PBX"))
        bring(*rows)
        with SipClient(place.sip_port) as client:
            assert client.register(CALLER).status == 200
            port = client.port
        with Gateway(port=port) as phone:
            assert call(place, NUMBER, None, source=TRUSTED) == outside
            assert call(place, number, None, source=TRUSTED) == inside
            assert len(phone.calls) == (inside == 200)
        assert len(gateway.calls) == (outside == 200)
    with place.open_server() as server:
        server.end_registration(f"routed@{DOMAIN}")


def test_a_call_that_is_nobodys_is_not_relayed(place: Place, bring: Bring) -> None:
    with Gateway() as gateway:
        bring(gateway_row(201, gateway), national("+", 201))
        assert call(place, NUMBER, None) == 403
        assert gateway.calls == []
