"""Live registrations: what is known, what is not, and never a zero by mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.kamailio_store import SqliteStore
from provisioning.models import SipServer
from provisioning.services.servers.registrations import list_registrations
from tests.factories import make_account, make_pool, make_store

pytestmark = pytest.mark.django_db


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


def test_a_server_that_is_down_leaves_an_accounts_list_unknown(server: SipServer) -> None:
    live = list_registrations(account=make_account())
    assert not live.known
    assert "sip1" in live.problems[0]


def test_a_pool_without_servers_leaves_it_unknown() -> None:
    live = list_registrations(account=make_account())
    assert not live.known
    assert "no enabled SIP server" in live.problems[0]
