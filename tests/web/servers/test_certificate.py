"""The certificate on the page of a SIP server."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from provisioning.models import SipServer
from tests.factories import make_store
from tests.web.pages import text_of

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("days", "near"), [(400, ""), (9, ", in 9 days")])
def test_the_day_on_which_it_expires_is_told_once(as_viewer: Client, days: int, near: str) -> None:
    store, expires = make_store(), timezone.now() + timedelta(days=days)
    server = SipServer.objects.create(
        name="sip1", pool=store.pool, store=store, sip_host="localhost",
        rpc_url="http://127.0.0.1:1/RPC", certificate_expires_at=expires,
    )  # fmt: skip
    told = text_of(as_viewer.get(reverse("server", args=[server.pk])))
    day = f"{timezone.localtime(expires):%-d %b %Y}"
    assert f"Expires {day}{near} Last looked at" in told
