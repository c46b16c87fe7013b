"""Maintenance in the console: who may begin it, where it shows, and its end."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from provisioning.models import SipServer
from tests.factories import make_pool, make_store
from tests.web.pages import text_of

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("noun", ["pool", "server"])
def test_maintenance_is_begun_shown_everywhere_and_ended(
    as_administrator: Client, as_helpdesk: Client, noun: str
) -> None:
    server = SipServer.objects.create(
        name="sip1", pool=make_pool(), store=make_store(), sip_host="sip1.example.com",
        rpc_url="https://sip1.example.com/RPC", health="down",
    )  # fmt: skip
    pk = server.pool_id if noun == "pool" else server.pk
    address, values = reverse(f"{noun}-maintenance", args=[pk]), {"reason": "Upgrade", "hours": "3"}
    assert Client().post(address, values).status_code == 302
    assert as_helpdesk.get(address).status_code == 403
    assert as_helpdesk.post(address, values).status_code == 403
    assert "Changes wait" in text_of(as_administrator.get(address))
    assert as_administrator.post(address, {"reason": "", "hours": "3"}).status_code == 422
    said = text_of(as_administrator.post(address, values, follow=True))
    assert "It ends by itself in 3 hours" in said
    assert "Upgrade (Anna Admin)" in said
    for page in ("/", reverse("server", args=[server.pk]), reverse("servers")):
        assert "In maintenance" in text_of(as_helpdesk.get(page))
    assert "Upgrade" in text_of(as_helpdesk.get("/"))
    assert "does not answer" not in text_of(as_helpdesk.get("/"))
    said = text_of(as_administrator.post(address, {"end": "1"}, follow=True))
    assert "is over" in said
    assert "In maintenance" not in text_of(as_helpdesk.get("/"))
