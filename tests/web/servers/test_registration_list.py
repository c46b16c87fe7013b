"""The list of live registrations: filters, search, freshness, export, and ending some."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from provisioning.models import (
    Account,
    ConfigStore,
    ContactList,
    RegisteredContact,
    SipServer,
)
from provisioning.services.servers.end_contacts import Ended
from provisioning.web.servers import registration_list
from tests.factories import make_account, make_domain, make_pool, make_site, make_store
from tests.web.pages import queries_of, text_of

pytestmark = pytest.mark.django_db

_serial = count(1)


@pytest.fixture
def server(db: None) -> SipServer:
    return add_server(make_store(name="main"))


def add_server(store: ConfigStore, name: str = "sip1") -> SipServer:
    return SipServer.objects.create(
        name=name, pool=make_pool(), store=store, sip_host="192.0.2.10",
        rpc_url="http://192.0.2.10:8080/RPC",
    )  # fmt: skip


def add(server: SipServer, account: Account | None = None, **values: Any) -> RegisteredContact:
    aor = account.aor if account else values.pop("aor", "stranger@voice.example.com")
    number = next(_serial)
    words = account.search_key if account else aor
    given = {
        "contact": f"sip:{aor.partition('@')[0]}@192.0.2.77:{5000 + number}", "transport": "tls",
        "user_agent": "Linphone/5.1", "family": "Linphone", "since": timezone.now(),
        "expires_at": timezone.now() + timedelta(minutes=10), "search_key": words, **values,
    }  # fmt: skip
    return RegisteredContact.objects.create(
        store=server.store, server=server, account=account, key=f"k{number}", aor=aor,
        domain=aor.rpartition("@")[2], fingerprint=number, **given,
    )  # fmt: skip


def was_read(server: SipServer, **values: Any) -> None:
    given = {"known": True, "read_at": timezone.now(), **values}
    ContactList.objects.update_or_create(store=server.store, defaults=given)


def shown(client: Client, **query: str) -> list[str]:
    response = client.get(reverse("registrations"), query)
    return [row.aor.partition("@")[0] for row in response.context["page"].rows]


def test_registrations_are_filtered_and_searched(as_viewer: Client, server: SipServer) -> None:
    other = add_server(make_store(name="other"), "sip2")
    ann = make_account("Ann Müller", user_part="ann", site=make_site("London"))
    bob = make_account("Bob", user_part="bob", domain=make_domain("b.example.com"))
    add(server, ann)
    add(other, bob, transport="udp", user_agent="Yealink 1", family="Yealink")
    add(server, aor="cy@voice.example.com")
    add(server, aor="over@voice.example.com", expires_at=timezone.now() - timedelta(seconds=1))
    was_read(server, families={"Linphone": 2})
    was_read(other, families={"Yealink": 1})
    assert shown(as_viewer) == ["ann", "bob", "cy"]
    assert shown(as_viewer, server=str(other.pk)) == ["bob"]
    assert shown(as_viewer, store=str(server.store_id)) == ["ann", "cy"]
    assert shown(as_viewer, transport="udp") == ["bob"]
    assert shown(as_viewer, family="Yealink") == ["bob"]
    assert shown(as_viewer, domain="b.example.com") == ["bob"]
    assert shown(as_viewer, site=str(ann.site_id)) == ["ann"]
    assert shown(as_viewer, unknown="true") == ["cy"]
    assert shown(as_viewer, q="muller") == ["ann"]
    assert shown(as_viewer, sort="-since") == ["cy", "bob", "ann"]
    assert as_viewer.get(reverse("registrations"), {"transport": "smoke"}).status_code == 400


def test_a_user_part_that_several_accounts_have_is_said_to_be_ambiguous(
    as_viewer: Client, server: SipServer
) -> None:
    for domain in ("a.example.com", "b.example.com"):
        make_account("Bob", user_part="bob", domain=make_domain(domain))
    add(server, aor="bob")
    was_read(server)
    assert "bob one of 2 accounts with this user part" in text_of(
        as_viewer.get(reverse("registrations"))
    )
    add(server, aor="cy")
    assert "cy no account here" in text_of(as_viewer.get(reverse("registrations")))


def test_the_page_says_how_fresh_it_is_and_what_cannot_be_known(
    as_viewer: Client, server: SipServer
) -> None:
    words = text_of(as_viewer.get(reverse("registrations")))
    assert "The live list is not available" in words
    was_read(server, read_at=timezone.now() - timedelta(seconds=12))
    words = text_of(as_viewer.get(reverse("registrations")))
    assert "As of 12 seconds ago" in words
    assert "Nobody is registered" in words
    was_read(server, known=False, problem="sip1 counts 18,000 registered addresses.")
    words = text_of(as_viewer.get(reverse("registrations")))
    assert "main: the live list is not available. sip1 counts 18,000" in words
    assert "Nobody is registered" not in words


def test_the_list_costs_the_same_number_of_queries_for_any_length(
    as_administrator: Client, server: SipServer
) -> None:
    was_read(server)
    for number in range(60):
        account = make_account(site=make_site()) if number < 20 else None
        add(server, account, **({} if account else {"aor": f"u{number}@voice.example.com"}))
    queries = queries_of(as_administrator, reverse("registrations"))
    assert queries <= 18
    RegisteredContact.objects.filter(account=None).delete()
    assert queries_of(as_administrator, reverse("registrations")) == queries


def test_the_export_holds_what_the_filter_shows_and_no_formula(
    as_viewer: Client, server: SipServer
) -> None:
    add(server, make_account("Ann", user_part="ann"), user_agent='=HYPERLINK("http://x")')
    add(server, aor="cy@voice.example.com", transport="udp")
    response: Any = as_viewer.get(reverse("registrations-export"), {"transport": "tls"})
    assert response["Content-Disposition"] == 'attachment; filename="registrations.csv"'
    text = b"".join(response.streaming_content).decode()
    (row,) = csv.DictReader(io.StringIO(text))
    assert row["SIP URI"] == "sip:ann@voice.example.com"
    assert row["account"] == "Ann"
    assert row["client"] == '\'=HYPERLINK("http://x")'
    assert row["server"] == "sip1"


def test_only_who_may_operate_ends_registrations(
    as_viewer: Client, as_helpdesk: Client, server: SipServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[int]] = []

    def end(*, contact_ids: list[int], actor: object) -> Ended:
        asked.append(list(contact_ids))
        return Ended(count=len(contact_ids))

    monkeypatch.setattr(registration_list, "end_registrations", end)
    one, two = add(server), add(server, aor="cy@voice.example.com", transport="udp")
    address = reverse("registrations-end")
    page = as_viewer.get(reverse("registrations")).content.decode()
    assert "End registration" not in page
    assert as_viewer.post(address, {"pk": [one.pk]}).status_code == 403
    assert Client().post(address, {"pk": [one.pk]}).status_code == 302
    assert asked == []
    ended = as_helpdesk.post(address, {"pk": [one.pk, two.pk]}, follow=True)
    assert "2 registrations ended." in text_of(ended)
    as_helpdesk.post(f"{address}?transport=udp", {"all": "1"})
    as_helpdesk.post(f"{address}?transport=udp", {"all": "", "pk": [two.pk], "only": one.pk})
    assert asked == [[one.pk, two.pk], [two.pk], [one.pk]]
    assert as_helpdesk.post(address, {"pk": ["x"]}).status_code == 400
    nothing = as_helpdesk.post(address, {"all": ""}, follow=True)
    assert "Nothing was chosen" in text_of(nothing)


def test_reading_now_wakes_a_worker_for_each_store(
    as_helpdesk: Client, as_viewer: Client, server: SipServer, messages: list[Any],
    django_capture_on_commit_callbacks: Any,
) -> None:  # fmt: skip
    assert as_viewer.post(reverse("registrations-read")).status_code == 403
    with django_capture_on_commit_callbacks(execute=True):
        as_helpdesk.post(reverse("registrations-read"))
    assert messages == [("provisioning.tasks.read_contacts", (server.store_id,))]


def test_a_server_s_page_shows_its_newest_registrations(
    as_viewer: Client, server: SipServer
) -> None:
    address = reverse("server", args=[server.pk])
    assert "The live list is not available" in text_of(as_viewer.get(address))
    was_read(server)
    assert "Nobody is registered here" in text_of(as_viewer.get(address))
    add(server, make_account("Ann Lee", user_part="ann"))
    assert "Ann Lee sip:ann@192.0.2.77" in text_of(as_viewer.get(address))
