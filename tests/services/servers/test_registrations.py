"""Live registrations: what is known, what is not, and never a zero by mistake."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from lab.kamailio import SqliteStore
from provisioning.models import SipServer
from provisioning.services.servers.registrations import (
    list_registrations,
    list_server_registrations,
)
from tests.factories import make_account, make_pool, make_store

pytestmark = pytest.mark.django_db

_JULIAN_EPOCH, _DAY = 2440587.5, 86_400


@pytest.fixture
def server(tmp_path: Path) -> SipServer:
    """A server that is down, with a store that can be read."""
    lab = SqliteStore(tmp_path / "kamailio.sqlite")
    lab.create()
    store = make_store(dialect="sqlite", database=str(lab.file), tls=False)
    return SipServer.objects.create(
        name="sip1", pool=make_pool(), store=store, sip_host="localhost",
        rpc_url="http://127.0.0.1:1/RPC",
    )  # fmt: skip


def register(server: SipServer, user: str) -> None:
    expires = _JULIAN_EPOCH + (time.time() + 600) / _DAY
    with closing(sqlite3.connect(server.store.database)) as connection, connection:
        connection.execute(
            "INSERT INTO location (ruid, username, domain, contact, expires, user_agent)"
            " VALUES (?, ?, 'voice.example.com', 'sip:a@192.0.2.1', ?, 'Linphone')",
            [user, user, expires],
        )


def test_the_stores_contacts_are_listed_up_to_the_limit(server: SipServer) -> None:
    for number in range(3):
        register(server, f"user{number}")
    live = list_server_registrations(server=server, limit=2)
    assert live.known
    assert [each.aor for each in live.registrations] == [
        "user0@voice.example.com",
        "user1@voice.example.com",
    ]


def test_an_empty_table_is_nobody_only_where_the_server_counts_nobody(server: SipServer) -> None:
    assert list_server_registrations(server=server).known
    server.registration_count = 18_000
    live = list_server_registrations(server=server)
    assert not live.known
    assert "18,000 registrations" in live.problems[0]


def test_a_store_that_cannot_be_read_is_not_an_empty_list(server: SipServer) -> None:
    Path(server.store.database).unlink()
    assert not list_server_registrations(server=server).known


def test_a_server_that_is_down_leaves_an_accounts_list_unknown(server: SipServer) -> None:
    live = list_registrations(account=make_account())
    assert not live.known
    assert "sip1" in live.problems[0]


def test_a_pool_without_servers_leaves_it_unknown() -> None:
    live = list_registrations(account=make_account())
    assert not live.known
    assert "no enabled SIP server" in live.problems[0]
