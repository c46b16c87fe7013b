"""Live registrations of one account: a list that fits beside the account, not a table."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from provisioning.core.records import Presence, Registration
from provisioning.services.servers.registrations import LiveList
from provisioning.web.servers import registrations
from tests.factories import make_account
from tests.web.pages import text_of

pytestmark = pytest.mark.django_db


def test_every_contact_of_an_account_says_client_transport_and_end(
    as_viewer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    contacts = [
        Registration("ann@x.example", "sip:ann@192.0.2.7:5061", "Linphone/5", "tls", 4102444800, 0),
        Registration("ann@x.example", "sip:ann@192.0.2.8:5060", "", "udp", 0, 0),
    ]
    live = LiveList(contacts, [], known=True)
    monkeypatch.setattr(registrations, "list_registrations", lambda *, account: live)
    page = as_viewer.get(reverse("account-registrations", args=[make_account().pk]))
    words = text_of(page)
    assert "<table" not in page.content.decode()
    assert "Linphone/5 sip:ann@192.0.2.7:5061 TLS · expires 1 Jan 2100" in words
    assert "Client without a name sip:ann@192.0.2.8:5060 UDP · end not known" in words


def test_presence_is_told_where_it_is_kept_and_said_to_be_missing_otherwise(
    as_viewer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = LiveList([], [], known=True)
    monkeypatch.setattr(registrations, "list_registrations", lambda *, account: live)
    address = reverse("account-registrations", args=[make_account().pk])
    assert "Presence is not available" in text_of(as_viewer.get(address))
    away = Presence("ann@x.example", open=False, activity="away", note="<b>Lunch", until=4102444800)
    monkeypatch.setattr(registrations, "find_presence", lambda *, account: [away])
    page = as_viewer.get(address)
    assert "not available, away (“<b>Lunch”), ends 1 Jan 2100" in text_of(page)
    assert b"<b>Lunch" not in page.content
    monkeypatch.setattr(registrations, "find_presence", lambda *, account: [])
    assert "nothing is published" in text_of(as_viewer.get(address))
