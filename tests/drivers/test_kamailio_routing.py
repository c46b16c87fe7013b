"""Routing in Kamailio's tables: compiled, found as others wrote it, refused where a table lacks."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from provisioning.core.errors import KindUnavailable, Rejected
from provisioning.drivers.base import Kind
from provisioning.drivers.kamailio.routing_tables import ROUTING_TABLES
from provisioning.drivers.kamailio.store import KamailioStore
from provisioning.drivers.routing import GatewayRow, GroupAddressRow, PoolServerRow
from tests.drivers.conftest import Backend, Site
from tests.drivers.rows import DOMAIN, ROUTING, gone, subscriber, wanted

GOLDEN = Path(__file__).with_name("golden") / "kamailio_routing.json"

POOL_SERVERS = [
    PoolServerRow(3, "sip:[2001:db8::9]:5060;transport=udp", "sip2"),
    PoolServerRow(2, "sip:sip1.example.com:5061;transport=tls", "sip1"),
]


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
    mine = [row for row in (*ROUTING, *POOL_SERVERS) if wanted(row)[0].kind is kind]

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


def test_a_reload_of_registrations_that_comes_too_early_is_told(site: Site) -> None:
    # Another test may have asked for it already.
    with suppress(Rejected):
        site.server.activate([Kind.TRUNK])
    with pytest.raises(Rejected, match="records"):
        site.server.activate([Kind.TRUNK])


def test_group_addresses_are_aliases_whose_domain_has_a_port_and_no_other_alias_is_read_as_one(
    store: KamailioStore, backend: Backend
) -> None:
    backend.insert(
        "dbaliases",
        {"alias_username": "a", "alias_domain": DOMAIN, "username": "b", "domain": DOMAIN},
    )
    groups = [
        GroupAddressRow("support", DOMAIN, "600", "pbx.example.com:5060;transport=tcp"),
        GroupAddressRow("+442079460100", DOMAIN, "600", "[2001:db8::9]:5061;transport=tls"),
    ]
    for _ in range(2):
        assert not any(outcome.error for outcome in store.apply(wanted(*groups)))
        assert sorted(store.read(Kind.GROUP_ADDRESS), key=str) == sorted(groups, key=str)
    assert store.differing(Kind.GROUP_ADDRESS, groups) == {}
    other = replace(groups[0], target="601")
    assert store.differing(Kind.GROUP_ADDRESS, [other]) == {other.key: groups[0]}
    store.apply(gone(*groups))
    assert [row[0] for row in backend.rows("SELECT alias_username FROM dbaliases")] == ["a"]


def test_servers_of_other_pools_are_one_set_beside_those_of_gateways(
    store: KamailioStore, backend: Backend
) -> None:
    gateways = [row for row in ROUTING if isinstance(row, GatewayRow)]
    assert not any(outcome.error for outcome in store.apply(wanted(*POOL_SERVERS, *gateways)))
    assert list(store.read(Kind.POOL_SERVER)) == POOL_SERVERS
    assert list(store.read(Kind.GATEWAY)) == gateways
    first, second = POOL_SERVERS
    moved = replace(first, pool=4)
    assert store.differing(Kind.POOL_SERVER, [moved, second]) == {moved.key: first}
    store.apply(gone(*POOL_SERVERS))
    assert backend.rows("SELECT setid FROM dispatcher ORDER BY setid") == [(101,), (102,)]
