"""SIP servers ask the console for rows: only with their own secret, only what was pushed."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from urllib.parse import parse_qs

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from lab.asterisk import AsteriskStore
from lab.ports import HOST, free_port
from lab.postgresql import Postgresql
from provisioning.models import ConfigStore, SipServer
from provisioning.services.push import outbox
from provisioning.services.push.push import push_store
from tests.factories import (
    make_account,
    make_domain,
    make_gateway,
    make_pool,
    make_route,
    make_store,
)
from tests.lab.fixtures import postgresql

__all__ = ["postgresql"]
pytestmark = [pytest.mark.django_db, pytest.mark.database]

DOMAIN = "voice.example.com"
ANN = f"ann@{DOMAIN}"
SECRET = "hunter2 hünter2"
OTHER = "another secret"


@pytest.fixture
def lab(postgresql: Postgresql) -> Iterator[AsteriskStore]:
    lab = AsteriskStore(postgresql, "served")
    lab.create()
    yield lab
    lab.drop()


def make_server(store: ConfigStore, name: str, secret: str) -> SipServer:
    server = SipServer.objects.create(
        name=name, pool=make_pool(), store=store, sip_host=HOST, rpc_url="http://127.0.0.1:8088/"
    )
    server.set_rpc_secret(secret)
    server.save()
    return server


def place_of(lab: AsteriskStore) -> dict[str, object]:
    return {
        "driver": "asterisk", "host": HOST, "port": lab.cluster.port, "tls": False,
        "database": lab.name, "user": lab.console_role,
    }  # fmt: skip


@pytest.fixture
def server(lab: AsteriskStore) -> SipServer:
    """A server of a served store, with an account that was pushed."""

    store = make_store(**place_of(lab), served=True)
    store.set_secret(lab.cluster.password(lab.console_role))
    store.save()
    make_domain()
    make_account("Ann", user_part="ann")
    outbox.mark_store(store)
    push_store(store_id=store.pk)
    return make_server(store, "pbx1", SECRET)


class Asking:
    """A server that asks as res_config_curl does."""

    def __init__(self, server: SipServer, secret: str | None = SECRET) -> None:
        self.server = server
        self.headers = {}
        if secret is not None:
            basic = base64.b64encode(f"rtcadmin:{secret}".encode()).decode()
            self.headers = {"Authorization": f"Basic {basic}"}

    def __call__(self, path: str, **asked: str) -> tuple[int, str]:
        response = Client().post(f"/served/{self.server.pk}/{path}", asked, headers=self.headers)
        assert response["Cache-Control"] == "no-store"
        return response.status_code, response.content.decode()


def test_a_row_is_given_like_a_form(server: SipServer) -> None:
    status, text = Asking(server)("ps_auths/single", id=ANN)
    assert status == 200
    assert text.endswith("\n")
    row = parse_qs(text.strip())
    assert row["username"] == ["ann"]
    assert row["realm"] == [DOMAIN]
    assert row["password_digest"][0].startswith("MD5:")
    assert "password" not in row
    assert parse_qs(Asking(server)("ps_endpoints/single", id=ANN)[1].strip())["aors"] == [ANN]
    assert parse_qs(Asking(server)("ps_aors/multi", id=ANN)[1].strip())["max_contacts"] == ["10"]


def test_who_is_not_there_and_whoever_asks_for_everybody_gets_an_empty_answer(
    server: SipServer,
) -> None:
    asking = Asking(server)
    assert asking("ps_auths/single", id=f"nobody@{DOMAIN}") == (200, "")
    assert asking("ps_endpoints/multi", **{"id LIKE": "%"}) == (200, "")
    assert asking("ps_endpoints/multi", **{"mailboxes !=": ""}) == (200, "")
    assert asking("extensions/multi", **{"exten LIKE": "\\_%", "context": DOMAIN}) == (200, "")
    assert asking("ps_auths/single", id="' OR 1=1 --") == (200, "")
    assert asking("ps_auths/require", username="char") == (200, "0")


def test_what_was_not_pushed_is_not_served(server: SipServer) -> None:
    make_account("Bob", user_part="bob")
    assert Asking(server)("ps_auths/single", id=f"bob@{DOMAIN}") == (200, "")


@pytest.mark.parametrize(
    "path", ["ps_contacts/single", "ps_auths/destroy", "ps_auths/store", "pg_shadow/single", "x"]
)
def test_nothing_else_is_there(server: SipServer, path: str) -> None:
    assert Asking(server)(path, id=ANN) == (404, "")


def test_only_the_servers_own_secret_opens_it(server: SipServer) -> None:
    make_server(server.store, "pbx2", OTHER)
    for secret in (None, "", OTHER, "guess"):
        assert Asking(server, secret)("ps_auths/single", id=ANN) == (401, "")
    unknown = SipServer(pk=server.pk + 1000)
    assert Asking(unknown)("ps_auths/single", id=ANN) == (401, "")


def test_a_server_that_is_off_or_not_served_or_has_no_secret_gets_nothing(
    server: SipServer,
) -> None:
    for change in ({"enabled": False}, {"sealed_rpc_secret": None}):
        SipServer.objects.filter(pk=server.pk).update(**change)
        for secret in (SECRET, ""):
            assert Asking(server, secret)("ps_auths/single", id=ANN) == (401, "")
        server.save()
    ConfigStore.objects.update(served=False)
    assert Asking(server)("ps_auths/single", id=ANN) == (401, "")


def test_whoever_guesses_has_to_wait_and_the_right_secret_does_not(server: SipServer) -> None:
    for _ in range(20):
        assert Asking(server, "guess")("ps_auths/single", id=ANN)[0] == 401
    assert Asking(server, "guess")("ps_auths/single", id=ANN)[0] == 429
    assert Asking(server)("ps_auths/single", id=ANN)[0] == 200


def test_a_file_is_asked_for_by_get_and_given_whole(server: SipServer) -> None:
    gateway = make_gateway(number=101, host="sbc.carrier.example")
    make_route("+44", gateway)
    outbox.mark_store(server.store)
    push_store(store_id=server.store_id)
    asking = Asking(server)
    path = f"/served/{server.pk}/rtcadmin_config/static"

    def lines(file: str) -> list[dict[str, list[str]]]:
        response = Client().get(path, {"file": file}, headers=asking.headers)
        assert response.status_code == 200
        return [parse_qs(line) for line in response.content.decode().splitlines()]

    assert [each["var_val"][0].split(",")[0] for each in lines("rtcadmin_extensions.conf")] == [
        "_+44!", "101",
    ]  # fmt: skip
    assert {each["category"][0] for each in lines("rtcadmin_pjsip.conf")} == {"rtcadmin-101"}
    assert lines("extensions.conf") == []
    assert Client().get(path, {"file": "rtcadmin_pjsip.conf"}).status_code == 401


def test_nothing_else_than_get_and_post_is_answered(server: SipServer) -> None:
    response = Client().put(f"/served/{server.pk}/ps_auths/single")
    assert response.status_code == 405


def test_a_store_that_cannot_be_read_is_no_empty_answer(server: SipServer) -> None:
    assert Asking(server)("ps_auths/single", id=ANN)[0] == 200
    ConfigStore.objects.update(port=free_port())
    assert Asking(server)("ps_auths/single", id=ANN) == (503, "")


def test_a_connection_that_ended_meanwhile_costs_no_answer(
    server: SipServer, lab: AsteriskStore
) -> None:
    assert Asking(server)("ps_auths/single", id=ANN)[0] == 200
    lab.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    assert Asking(server)("ps_auths/single", id=ANN)[0] == 200


def test_a_look_up_asks_the_consoles_database_one_question(
    server: SipServer, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    asking = Asking(server)
    asking("ps_auths/single", id=ANN)
    with django_assert_num_queries(1):
        asking("ps_auths/single", id=ANN)
