"""The card of probes on the page of a SIP server, and the words on the pages of what is pushed."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from provisioning.core.errors import InvalidInput
from provisioning.models import (
    Account,
    ConfigStore,
    Drift,
    OwnedRow,
    ProbeAccount,
    ProbeResult,
    ServerProbe,
    SipServer,
)
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.clients.export import render_account
from provisioning.services.probes.accounts import set_up_probes
from tests.factories import make_domain, make_store
from tests.web.pages import text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def server() -> SipServer:
    """A managed server with a row of each of four kinds."""
    make_domain()
    store = make_store(mode=ConfigStore.Mode.MANAGE)
    for kind in ("sip_domain", "subscriber", "group_address", "preference"):
        OwnedRow.objects.create(store=store, kind=kind, key="x")
    return SipServer.objects.create(
        name="sip1", pool=store.pool, store=store, sip_host="127.0.0.1",
        rpc_url="http://127.0.0.1:9/RPC",
    )  # fmt: skip


def found(server: SipServer, kind: str, outcome: str, **values: Any) -> ProbeResult:
    given = {"got": "200 OK", "sent": "REGISTER", "expected": "401", "at": timezone.now()}
    return ProbeResult.objects.create(
        server=server, kind=kind, outcome=outcome, **{**given, **values}
    )


def page(client: Client, server: SipServer) -> str:
    return text_of(client.get(reverse("server", args=[server.pk])))


def test_without_a_probe_nothing_is_green_and_the_page_says_how_to_get_one(
    as_administrator: Client, server: SipServer
) -> None:
    shown = page(as_administrator, server)
    assert "Stored, unproven" in shown
    assert "Effective" not in shown
    assert "Set up probe accounts" in shown
    assert "Probe now" not in shown


def test_each_kind_has_its_word_and_how_that_is_known(
    as_administrator: Client, server: SipServer
) -> None:
    found(server, "sip_domain", "effective", key="voice.example.com")
    found(server, "subscriber", "ineffective", key="voice.example.com")
    found(server, "preference", "effective", key="call_classes")
    found(server, "preference", "untried", key="remote_access", got="It takes another network.")
    found(server, "preference", "effective", key="site")
    shown = page(as_administrator, server)
    assert "Group addresses 1 row" in shown
    assert "Dial rules of its site: REGISTER" in shown
    assert "Effective proved just now" in shown
    assert "Not effective found just now" in shown
    assert "REGISTER: expected 401; it answered 200 OK." in shown
    assert "Not all of it is proved. Remote access: It takes another network." in shown
    for name in ("domains", "settings"):
        text = text_of(as_administrator.get(reverse(name)))
        assert "At the SIP servers" in text
        assert ("Effective proved" in text) is (name == "domains")


def test_a_kind_that_differs_at_the_store_is_not_green(
    as_administrator: Client, server: SipServer
) -> None:
    found(server, "sip_domain", "effective", key="voice.example.com")
    assert "Effective proved" in page(as_administrator, server)
    now = timezone.now()
    Drift.objects.create(
        store=server.store, kind="sip_domain", key="x", problem="missing", first_seen=now,
        seen_at=now,
    )  # fmt: skip
    shown = page(as_administrator, server)
    assert "Effective proved" not in shown
    assert "1 row differs there from what is wanted: see Drift." in shown


def test_while_a_probe_is_under_way_the_card_asks_again_and_a_bad_port_is_told(
    as_viewer: Client, server: SipServer
) -> None:
    ServerProbe.objects.create(server=server, wanted=True)
    card = reverse("server-probe", args=[server.pk])
    assert 'hx-trigger="every 1s"' in as_viewer.get(card).content.decode()
    ServerProbe.objects.update(
        wanted=False, at=timezone.now(), transport="tcp", problem="TLS: expired."
    )
    answer = as_viewer.get(card)
    assert "every 1s" not in answer.content.decode()
    assert "Probed over TCP. TLS: expired." in text_of(answer)
    assert "<form" not in answer.content.decode()


def test_who_may_sets_up_asks_and_removes(
    as_administrator: Client, as_helpdesk: Client, as_viewer: Client, server: SipServer
) -> None:
    ask = reverse("server-probe-ask", args=[server.pk])
    accounts = reverse("server-probe-accounts", args=[server.pk])
    assert as_viewer.post(ask).status_code == as_helpdesk.post(accounts).status_code == 403
    refused = as_helpdesk.post(ask, follow=True)
    assert "no probe account" in text_of(refused)
    made = as_administrator.post(accounts, follow=True)
    assert "3 probe accounts made" in text_of(made)
    assert "Probing…" in text_of(as_helpdesk.post(ask, follow=True))
    gone = as_administrator.post(accounts, {"remove": "1"}, follow=True)
    assert "3 probe accounts removed" in text_of(gone)
    assert not ProbeAccount.objects.exists()


def test_a_probe_account_is_marked_and_nobody_gets_its_document(
    as_administrator: Client, server: SipServer
) -> None:
    set_up_probes(pool=server.pool, actor=COMMAND_LINE)
    account = Account.objects.get(probe__role="open")
    shown = text_of(as_administrator.get(reverse("account", args=[account.pk])))
    assert "A probe account." in shown
    with pytest.raises(InvalidInput, match="no client gets its document"):
        render_account(account=account, format="linphone", with_secret=True, actor=COMMAND_LINE)
    answer: Any = as_administrator.post(reverse("accounts-export"), {"format": "linphone"})
    assert b"rtcadmin-probe" not in b"".join(answer.streaming_content)


def test_the_page_costs_the_same_however_much_was_found(
    as_administrator: Client, server: SipServer, django_assert_max_num_queries: Any
) -> None:
    for n in range(50):
        found(server, "sip_domain", "effective", key=f"d{n}.example.com")
    with django_assert_max_num_queries(24):
        page(as_administrator, server)
