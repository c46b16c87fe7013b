"""A SIP server that answers and does not let the console in."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from lab.kamailio import Kamailio
from lab.kamailio_store import SqliteStore
from provisioning.models import SipServer
from tests.factories import make_store
from tests.lab.fixtures import authority, kamailio
from tests.web.pages import text_of

__all__ = ["authority", "kamailio", "store"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    """What the Kamailio of the lab reads."""
    return SqliteStore(tmp_path / "kamailio.db")


def test_it_is_told_from_a_server_that_is_down_with_what_to_do(as_administrator: Client) -> None:
    store = make_store()
    server = SipServer.objects.create(
        name="sip1", pool=store.pool, store=store, sip_host="sip1.example.com",
        rpc_url="https://sip1.example.com/RPC", health="refused", down_since=timezone.now(),
        health_problem="Set the same secret on both sides.",
    )  # fmt: skip
    page = text_of(as_administrator.get(reverse("server", args=[server.pk])))
    assert "sip1 answers and does not let the console in since" in page
    assert "Set the same secret on both sides." in page
    listed = text_of(as_administrator.get(reverse("servers")))
    assert "Refused" in listed
    assert "Down" not in listed


def test_asking_now_says_so_and_asking_again_with_the_secret_ends_it(
    as_administrator: Client, kamailio: Kamailio
) -> None:
    row = make_store()
    server = SipServer.objects.create(
        name="sip1", pool=row.pool, store=row, sip_host="127.0.0.1", rpc_url=kamailio.rpc_url
    )
    server.set_rpc_secret("guess-guess")
    server.save()
    ask = reverse("server-check", args=[server.pk])
    told = text_of(as_administrator.post(ask, follow=True))
    assert "sip1 does not let the console in." in told
    assert "guess-guess" not in told
    server.set_rpc_secret(kamailio.rpc_secret)
    server.save()
    assert "sip1 is up." in text_of(as_administrator.post(ask, follow=True))


def test_a_reload_that_it_refuses_is_told_in_words(as_administrator: Client) -> None:
    store = make_store()
    server = SipServer.objects.create(
        name="sip1", pool=store.pool, store=store, sip_host="sip1.example.com",
        rpc_url="https://sip1.example.com/RPC", health="up", reload_pending=["pool_server"],
    )  # fmt: skip
    page = reverse("server", args=[server.pk])
    told = text_of(as_administrator.get(page))
    assert "has not confirmed the reload of its other pool's servers yet" in told
    SipServer.objects.update(reload_problem="sip1 refused dispatcher.reload: Reload Failed")
    told = text_of(as_administrator.get(page))
    assert "does not take the new other pool's servers into use" in told
    assert "Reload Failed" in told
    assert "pool_server" not in told
