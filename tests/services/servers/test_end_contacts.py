"""Ending registrations at real servers: what ended is audited, what may be alive is said."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from lab.kamailio import Kamailio
from lab.sip import Login, SipClient
from provisioning.core.errors import InvalidInput, Unreachable
from provisioning.models import Account, AuditEvent, RegisteredContact, SipServer
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.push import outbox
from provisioning.services.servers.contact_lists import read_contacts
from provisioning.services.servers.end_contacts import (
    MOST_AT_ONCE,
    end_contact,
    end_registrations,
)
from provisioning.services.servers.registrations import list_registrations
from tests.factories import make_account
from tests.push_site import Site, make_server
from tests.web.pages import text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def kamailio(site: Site, new_kamailio: Callable[..., Kamailio]) -> Kamailio:
    return new_kamailio(site)


@pytest.fixture
def server(site: Site, kamailio: Kamailio) -> SipServer:
    return make_server(site, kamailio)


@pytest.fixture
def ann(site: Site, server: SipServer) -> Account:
    account = make_account("Ann Lee", user_part="ann")
    outbox.mark_store(site.store)
    site.push()
    return account


def register(kamailio: Kamailio, account: Account) -> None:
    secret = account.credential.secret()
    assert secret is not None
    with SipClient(kamailio.sip_port) as client:
        login = Login(account.user_part, account.domain.domain, secret)
        assert client.register(login).status == 200


def listed(site: Site) -> list[RegisteredContact]:
    read_contacts(store_id=site.store.pk)
    return list(RegisteredContact.objects.order_by("pk"))


def test_one_of_two_clients_is_cut_off_and_the_other_stays(
    site: Site, kamailio: Kamailio, ann: Account
) -> None:
    register(kamailio, ann)
    register(kamailio, ann)
    one, other = listed(site)
    found = end_registrations(contact_ids=[one.pk], actor=COMMAND_LINE)
    assert (found.count, found.problems) == (1, [])
    assert list(RegisteredContact.objects.all()) == [other]
    assert [each.contact for each in listed(site)] == [other.contact]
    event = AuditEvent.objects.get(action="ended a registration of")
    assert (event.object_type, event.object_id) == ("account", str(ann.pk))
    assert event.detail["contact"] == one.contact


def test_one_that_its_server_lost_already_counts_as_ended(
    site: Site, kamailio: Kamailio, ann: Account
) -> None:
    register(kamailio, ann)
    (one,) = listed(site)
    kamailio.rpc("ul.rm", ["location", one.aor])
    assert end_registrations(contact_ids=[one.pk], actor=COMMAND_LINE).count == 1
    assert not RegisteredContact.objects.exists()


def test_what_a_server_that_is_away_may_hold_still_stays_in_the_list(
    site: Site, kamailio: Kamailio, ann: Account
) -> None:
    register(kamailio, ann)
    (one,) = listed(site)
    SipServer.objects.create(
        name="sip9", pool=site.store.pool, store=site.store, sip_host="127.0.0.1",
        rpc_url="http://127.0.0.1:1/RPC",
    )  # fmt: skip
    found = end_registrations(contact_ids=[one.pk], actor=COMMAND_LINE)
    assert found.count == 0
    assert len(found.problems) == 1
    assert "sip9, 1 left" in found.problems[0]
    assert list(RegisteredContact.objects.all()) == [one]
    assert not AuditEvent.objects.filter(action__contains="ended").exists()


def test_too_many_or_none_are_refused(site: Site) -> None:
    with pytest.raises(InvalidInput, match="too many"):
        end_registrations(contact_ids=list(range(MOST_AT_ONCE + 1)), actor=COMMAND_LINE)
    with pytest.raises(InvalidInput, match="over already"):
        end_registrations(contact_ids=[1], actor=COMMAND_LINE)


def test_where_no_server_is_in_use_nothing_is_ended(
    site: Site, kamailio: Kamailio, ann: Account, server: SipServer
) -> None:
    register(kamailio, ann)
    (one,) = listed(site)
    SipServer.objects.update(enabled=False)
    with pytest.raises(InvalidInput, match="No SIP server"):
        end_registrations(contact_ids=[one.pk], actor=COMMAND_LINE)
    assert RegisteredContact.objects.exists()


def test_one_client_of_an_account_is_cut_off_though_the_list_was_never_read(
    site: Site, kamailio: Kamailio, ann: Account
) -> None:
    register(kamailio, ann)
    register(kamailio, ann)
    one, other = (each.contact for each in list_registrations(account=ann).registrations)
    end_contact(account=ann, contact=one, actor=COMMAND_LINE)
    assert [each.contact for each in list_registrations(account=ann).registrations] == [other]
    event = AuditEvent.objects.get(action="ended a registration of")
    assert (event.object_id, event.detail["contact"]) == (str(ann.pk), one)
    with pytest.raises(InvalidInput, match="over already"):
        end_contact(account=ann, contact=one, actor=COMMAND_LINE)
    assert AuditEvent.objects.filter(action__contains="ended").count() == 1


def test_the_card_of_an_account_ends_one_registration_for_who_may(
    as_helpdesk: Client, as_viewer: Client, site: Site, kamailio: Kamailio, ann: Account
) -> None:
    register(kamailio, ann)
    register(kamailio, ann)
    one, other = listed(site)
    card, address = (
        reverse(name, args=[ann.pk])
        for name in ("account-registrations", "account-registration-end")
    )
    assert "End this registration?" not in as_viewer.get(card).content.decode()
    assert as_viewer.post(address, {"contact": one.contact}).status_code == 403
    page = as_helpdesk.get(card).content.decode()
    assert f'name="contact" value="{one.contact}"' in page
    assert as_helpdesk.get(address).status_code == 405
    told = text_of(as_helpdesk.post(address, {"contact": one.contact}, follow=True))
    assert "The registration ended." in told
    assert list(RegisteredContact.objects.all()) == [other]
    assert one.contact not in as_helpdesk.get(card).content.decode()
    for wrong in (one.contact, "", "sip:x\r\ny"):
        told = text_of(as_helpdesk.post(address, {"contact": wrong}, follow=True))
        assert "That did not work." in told
    assert [each.contact for each in listed(site)] == [other.contact]


def test_a_server_that_is_away_may_still_hold_it(
    site: Site, kamailio: Kamailio, ann: Account
) -> None:
    register(kamailio, ann)
    (one,) = listed(site)
    SipServer.objects.create(
        name="sip9", pool=site.store.pool, store=site.store, sip_host="127.0.0.1",
        rpc_url="http://127.0.0.1:1/RPC",
    )  # fmt: skip
    with pytest.raises(Unreachable, match=r"It may still be alive\. sip9: "):
        end_contact(account=ann, contact=one.contact, actor=COMMAND_LINE)
    assert RegisteredContact.objects.exists()
    SipServer.objects.update(enabled=False)
    with pytest.raises(InvalidInput, match="none can be asked"):
        end_contact(account=ann, contact=one.contact, actor=COMMAND_LINE)
