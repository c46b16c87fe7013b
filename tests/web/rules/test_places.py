"""Pages of servers, stores, pools, SIP domains, sites and profiles: who reaches which; forms."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from provisioning.models import (
    ClientProfile,
    ConfigStore,
    PendingChange,
    ServerPool,
    SipDomain,
    SipServer,
    Site,
)
from tests.factories import (
    make_account,
    make_domain,
    make_gateway,
    make_pool,
    make_route,
    make_site,
    make_store,
    make_trusted_host,
)
from tests.web.pages import text_of

pytestmark = pytest.mark.django_db

# URL names that only read, and those that change; with an id where True.
READ = [
    ("servers", False), ("server", True), ("server-guide", True),
    ("pools", False), ("pool", True),
    ("store", True), ("store-observe", True), ("store-observe-csv", True),
    ("domains", False), ("sites", False), ("profiles", False), ("profile", True),
    ("account-links", True), ("account-registrations", True), ("routes", False),
    ("routes-try", False), ("domain-dns", True), ("domain-dns-check", True),
]  # fmt: skip
FORMS = [
    ("server-new", False), ("server-edit", True), ("store-new", False), ("store-edit", True),
    ("pool-new", False), ("pool-edit", True), ("domain-new", False), ("domain", True),
    ("site-new", False), ("site", True), ("profile-new", False), ("profile-edit", True),
    ("gateway-new", False), ("gateway", True), ("route-new", False), ("route", True),
    ("trusted-new", False), ("trusted", True),
]  # fmt: skip
CHANGES = [
    ("server-delete", True), ("server-test", True), ("server-test-new", False),
    ("store-delete", True), ("store-mode", True), ("store-test", True), ("store-test-new", False),
    ("store-retry", True), ("pool-delete", True), ("domain-delete", True), ("site-delete", True),
    ("profile-delete", True), ("gateway-delete", True), ("route-delete", True),
    ("trusted-delete", True), ("site-try", True), ("site-try-new", False),
]  # fmt: skip
OPERATE = [
    ("server-check", True), ("account-link-new", True), ("account-links-revoke", True),
    ("account-document", True),
]  # fmt: skip


@pytest.fixture
def ids(db: None) -> dict[str, int]:
    """One of everything; the id by the first word of the URL name."""
    store = make_store(mode="observe", port=1, host="127.0.0.1", tls=False)
    server = SipServer.objects.create(
        name="sip1", pool=store.pool, store=store, sip_host="localhost",
        rpc_url="http://127.0.0.1:1/RPC",
    )  # fmt: skip
    profile = ClientProfile.objects.create(name="Everybody", is_default=True)
    account = make_account()
    return {
        "server": server.pk, "store": store.pk, "pool": store.pool_id,
        "domain": account.domain_id, "site": make_site().pk, "profile": profile.pk,
        "account": account.pk, "gateway": make_gateway().pk, "route": make_route().pk,
        "trusted": make_trusted_host().pk,
    }  # fmt: skip


def url_of(name: str, with_id: bool, ids: dict[str, int]) -> str:
    return reverse(name, args=[ids[name.partition("-")[0]]] if with_id else [])


@pytest.mark.parametrize(("name", "with_id"), READ + FORMS + CHANGES + OPERATE)
def test_nobody_gets_in_without_signing_in(
    name: str, with_id: bool, ids: dict[str, int], client: Client
) -> None:
    url = url_of(name, with_id, ids)
    for response in (client.get(url), client.post(url)):
        assert response.status_code == 302
        assert response["Location"].startswith(reverse("sign-in"))


@pytest.mark.parametrize(("name", "with_id"), READ)
def test_a_viewer_reads(name: str, with_id: bool, ids: dict[str, int], as_viewer: Client) -> None:
    assert as_viewer.get(url_of(name, with_id, ids)).status_code == 200


@pytest.mark.parametrize(("name", "with_id"), FORMS + CHANGES)
def test_only_administrators_configure(
    name: str, with_id: bool, ids: dict[str, int], as_helpdesk: Client
) -> None:
    url = url_of(name, with_id, ids)
    assert as_helpdesk.get(url).status_code == 403
    assert as_helpdesk.post(url).status_code == 403


@pytest.mark.parametrize(("name", "with_id"), OPERATE)
def test_a_viewer_does_not_operate(
    name: str, with_id: bool, ids: dict[str, int], as_viewer: Client
) -> None:
    assert as_viewer.post(url_of(name, with_id, ids)).status_code == 403


@pytest.mark.parametrize(("name", "with_id"), CHANGES + OPERATE)
def test_nothing_changes_by_following_a_link(
    name: str, with_id: bool, ids: dict[str, int], as_administrator: Client
) -> None:
    assert as_administrator.get(url_of(name, with_id, ids)).status_code == 405


@pytest.mark.parametrize(("name", "with_id"), FORMS)
def test_an_administrator_sees_every_form_and_what_an_empty_one_lacks(
    name: str, with_id: bool, ids: dict[str, int], as_administrator: Client
) -> None:
    url = url_of(name, with_id, ids)
    assert as_administrator.get(url).status_code == 200
    response = as_administrator.post(url, {})
    assert response.status_code == 422
    assert b"Nothing was saved." in response.content


@pytest.mark.parametrize(("name", "with_id"), READ + FORMS)
def test_no_page_carries_an_inline_style_or_script(
    name: str, with_id: bool, ids: dict[str, int], as_administrator: Client
) -> None:
    response = as_administrator.get(url_of(name, with_id, ids))
    page = b"".join(response) if response.streaming else response.content
    assert b" style=" not in page
    assert b"<style" not in page
    assert b"<script>" not in page


def test_a_pool_then_a_store_then_a_server_are_added_by_forms(
    as_administrator: Client, tmp_path: object
) -> None:
    response = as_administrator.post(reverse("pool-new"), {"name": "Frankfurt"})
    pool = ServerPool.objects.get()
    assert response["Location"] == f"{reverse('store-new')}?pool={pool.pk}"
    as_administrator.post(
        reverse("store-new"),
        {"name": "Main", "pool": pool.pk, "driver": "kamailio", "dialect": "postgresql",
         "host": "127.0.0.1", "port": 5432, "database": "kamailio", "user": "rtcadmin",
         "secret": "hunter2 hunter2", "algorithm": "MD5", "limit_percent": 5,
         "limit_ceiling": 250},
    )  # fmt: skip
    store = pool.stores.get()
    assert (store.mode, store.as_record().secret) == ("observe", "hunter2 hunter2")
    response = as_administrator.post(
        reverse("server-new"),
        {"name": "sip1", "pool": pool.pk, "store": store.pk, "sip_host": "localhost",
         "tls_port": 5061, "rpc_url": "https://127.0.0.1:8443/RPC", "secret": "control secret",
         "enabled": "on"},
    )  # fmt: skip
    server = store.servers.get()
    assert response["Location"] == reverse("server-guide", args=[server.pk])


def test_whoever_begins_with_the_server_is_led_to_the_pool(as_administrator: Client) -> None:
    response = as_administrator.get(reverse("server-new"), follow=True)
    assert [url for url, _ in response.redirect_chain] == [
        reverse("store-new"),
        reverse("pool-new"),
    ]
    assert b"First the pool." in response.content


def test_a_secret_is_never_sent_back(as_administrator: Client, ids: dict[str, int]) -> None:
    server = SipServer.objects.get()
    server.set_rpc_secret("hunter2 hunter2")
    server.save()
    page = as_administrator.get(reverse("server-edit", args=[server.pk])).content
    assert b"hunter2" not in page
    assert b"Kept; type to replace" in page
    for name in ("server", "server-guide"):
        assert b"hunter2" not in as_administrator.get(reverse(name, args=[server.pk])).content


def test_a_moved_server_asks_for_its_secret_anew(
    as_administrator: Client, ids: dict[str, int]
) -> None:
    server = SipServer.objects.get()
    server.set_rpc_secret("hunter2 hunter2")
    server.save()
    url = reverse("server-edit", args=[server.pk])
    form = {"name": "sip1", "pool": server.pool_id, "store": server.store_id,
            "sip_host": "localhost", "tls_port": 5061, "rpc_url": "http://127.0.0.2:1/RPC",
            "enabled": "on"}  # fmt: skip
    response = as_administrator.post(url, form, follow=True)
    assert response.redirect_chain[0][0] == url
    assert b"The control secret was erased." in response.content


def test_a_forbidden_address_is_refused_above_the_form(
    as_administrator: Client, ids: dict[str, int]
) -> None:
    server = SipServer.objects.get()
    form = {"name": "sip1", "pool": server.pool_id, "store": server.store_id,
            "sip_host": "localhost", "tls_port": 5061,
            "rpc_url": "http://169.254.169.254/latest"}  # fmt: skip
    response = as_administrator.post(reverse("server-edit", args=[server.pk]), form)
    assert response.status_code == 422
    assert b"metadata" in response.content
    assert SipServer.objects.get().rpc_url == "http://127.0.0.1:1/RPC"


def test_a_connection_test_says_step_by_step_what_it_found(
    as_administrator: Client, ids: dict[str, int]
) -> None:
    server = SipServer.objects.get()
    form = {"name": "sip1", "pool": server.pool_id, "store": server.store_id,
            "sip_host": "localhost", "tls_port": 5061, "rpc_url": "http://127.0.0.1:1/RPC",
    }  # fmt: skip
    page = as_administrator.post(reverse("server-test-new"), form | {"name": "other"}).content
    assert b"Address: good" in page
    assert b"Connection: failed" in page
    page = as_administrator.post(reverse("server-test-new"), {"rpc_url": "ftp://x"}).content
    assert b"Nothing was tested." in page


def test_a_store_that_fails_the_test_is_not_managed(
    as_administrator: Client, ids: dict[str, int]
) -> None:
    url = reverse("store-mode", args=[ids["store"]])
    response = as_administrator.post(url, {"mode": "manage"}, follow=True)
    assert b"stays in Observe" in response.content


def test_an_observe_report_that_cannot_be_made_says_why(
    as_viewer: Client, ids: dict[str, int]
) -> None:
    url = reverse("store-observe", args=[ids["store"]])
    page = as_viewer.get(url, headers={"HX-Request": "true"}).content
    assert b"The store cannot be read." in page
    assert b"Nothing was changed there." in page


def test_a_pool_in_use_is_not_deleted_and_says_why(
    as_administrator: Client, ids: dict[str, int]
) -> None:
    response = as_administrator.post(reverse("pool-delete", args=[ids["pool"]]), follow=True)
    assert b"is still used by" in response.content
    assert ServerPool.objects.exists()


def test_a_new_realm_is_confirmed_in_the_form(as_administrator: Client) -> None:
    make_account()
    domain = make_domain()
    url = reverse("domain", args=[domain.pk])
    form = {"domain": domain.domain, "realm_override": "example", "limit_percent": 5,
            "limit_ceiling": 250}  # fmt: skip
    response = as_administrator.post(url, form)
    assert response.status_code == 422
    assert b"all 1 accounts" in response.content
    assert b'type="checkbox" name="confirmed"' in response.content
    as_administrator.post(url, form | {"confirmed": "on"})
    assert SipDomain.objects.get().realm == "example"


def test_a_number_that_is_none_is_said_at_its_field(as_administrator: Client) -> None:
    form = {"name": "London", "country": "gb", "time_zone": "Europe/London",
            "main_number": "hello"}  # fmt: skip
    response = as_administrator.post(reverse("site-new"), form)
    assert b"is not a telephone number in GB" in response.content
    as_administrator.post(reverse("site-new"), form | {"main_number": "020 7946 0000"})
    assert Site.objects.get().main_number == "+442079460000"


def test_a_country_that_is_typed_out_is_refused_and_not_cut_to_another_one(
    as_administrator: Client,
) -> None:
    form = as_administrator.get(reverse("site-new")).context["form"]
    assert "maxlength" not in str(form["country"])
    values = {"name": "Berlin", "country": "Germany", "time_zone": "Europe/Berlin"}
    response = as_administrator.post(reverse("site-new"), values)
    assert response.status_code == 422
    assert "at most 2 characters" in text_of(response)


def test_a_directory_value_means_one_site(as_administrator: Client) -> None:
    make_site("London")
    form = {"name": "Bristol", "country": "gb", "time_zone": "Europe/London",
            "match_values": "Harbour\nLONDON"}  # fmt: skip
    response = as_administrator.post(reverse("site-new"), form)
    assert "“london” means the site London already." in text_of(response)
    as_administrator.post(reverse("site-new"), form | {"match_values": "Harbour"})
    assert Site.objects.get(name="Bristol").match_values == "Harbour"


def test_lists_cost_the_same_however_long_they_are(as_viewer: Client, ids: dict[str, int]) -> None:
    counts = {}
    for name in ("servers", "pools", "domains", "sites", "profiles"):
        counts[name] = _queries(as_viewer, name)
    for number in range(5):
        pool = make_pool(f"Pool {number}")
        store = make_store(pool=pool)
        SipServer.objects.create(
            name=f"more {number}", pool=pool, store=store, sip_host="localhost",
            rpc_url="http://127.0.0.1:1/RPC",
        )  # fmt: skip
        make_domain(f"d{number}.example.com")
        make_site(f"Site {number}")
        ClientProfile.objects.create(name=f"Profile {number}")
    for name, count in counts.items():
        assert _queries(as_viewer, name) == count, name


def _queries(client: Client, name: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        client.get(reverse(name))
    return len(captured)


def test_what_a_store_refused_is_listed_with_its_reason_and_tried_again(
    ids: dict[str, int], as_administrator: Client
) -> None:
    ConfigStore.objects.update(mode="manage")
    PendingChange.objects.create(
        store_id=ids["store"], kind="subscriber", key="ann@voice.example.com", dead=True,
        problem="A foreign row stands there.", attempts=3, marked_at=timezone.now(),
    )  # fmt: skip
    page = text_of(as_administrator.get(reverse("store", args=[ids["store"]])))
    assert "1 change given up" in page
    assert "ann@voice.example.com Account · A foreign row stands there." in page
    answer = as_administrator.post(reverse("store-retry", args=[ids["store"]]), follow=True)
    assert "One change is tried again." in text_of(answer)
    assert PendingChange.objects.get().dead is False
    again = as_administrator.post(reverse("store-retry", args=[ids["store"]]), follow=True)
    assert "Nothing was given up at" in text_of(again)
