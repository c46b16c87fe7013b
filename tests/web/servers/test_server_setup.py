"""Setting a server up from nothing: each page leads to the next, and the last one proves it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from lab.kamailio import Kamailio
from provisioning.models import ConfigStore, SipServer
from tests.factories import make_pool, make_store
from tests.lab.fixtures import authority
from tests.push_site import Site, make_server, new_kamailio, new_lab, new_site, place_of, site
from tests.web.pages import text_of

__all__ = ["authority", "new_kamailio", "new_lab", "new_site", "site"]

pytestmark = pytest.mark.django_db


def test_the_first_step_that_is_not_done_comes_next(as_administrator: Client) -> None:
    begin = reverse("server-setup")
    assert as_administrator.get(begin)["Location"] == reverse("pool-new")
    pool = make_pool()
    assert as_administrator.get(begin)["Location"] == f"{reverse('store-new')}?pool={pool.pk}"
    store = make_store(pool=pool)
    following = as_administrator.get(begin)["Location"]
    assert following == f"{reverse('server-new')}?store={store.pk}"
    form = as_administrator.get(following).context["form"]
    assert form.initial["store"] == store.pk


def test_every_page_of_the_setup_says_where_one_is(
    as_administrator: Client, as_helpdesk: Client
) -> None:
    assert "Set up a SIP server" in text_of(as_administrator.get(reverse("servers")))
    make_store()
    for name, label in (("pool-new", "Pool"), ("store-new", "Store"), ("server-new", "SIP server")):
        [now] = [each for each in as_administrator.get(reverse(name)).context["setup"]
                 if each.state == "now"]  # fmt: skip
        assert now.label == label
    assert as_helpdesk.get(reverse("server-setup")).status_code == 403


def test_a_new_store_leads_to_its_server(as_administrator: Client, site: Site) -> None:
    pool = make_pool("New")
    values: dict[str, Any] = {
        "name": "New store", "pool": pool.pk, "driver": "kamailio", "port": 5432,
        "algorithm": "MD5", "limit_percent": 5, "limit_ceiling": 250,
    }  # fmt: skip
    place = place_of(site.lab)
    values |= {"dialect": place["dialect"], "database": place["database"]}
    answer = as_administrator.post(reverse("store-new"), values)
    made = ConfigStore.objects.get(name="New store")
    assert answer["Location"] == f"{reverse('server-new')}?store={made.pk}"


def test_the_last_step_tries_store_and_server_as_they_are_kept(
    as_administrator: Client, as_helpdesk: Client, site: Site,
    new_kamailio: Callable[..., Kamailio],
) -> None:  # fmt: skip
    kamailio = new_kamailio(site)
    server = make_server(site, kamailio)
    SipServer.objects.update(tls_port=None, udp_port=kamailio.sip_port)
    address = reverse("server-verify", args=[server.pk])
    guide = text_of(as_administrator.get(reverse("server-guide", args=[server.pk])))
    assert "Does it work?" in guide
    assert as_helpdesk.post(address).status_code == 403
    said = text_of(as_administrator.post(address))
    assert "failed" not in said
    assert "Control: good" in said
    kamailio.stop()
    said = text_of(as_administrator.post(address))
    assert "failed" in said
    assert "Mend what is named first" in said
    ConfigStore.objects.update(database="gone.db")
    said = text_of(as_administrator.post(address))
    assert "Control" not in said
