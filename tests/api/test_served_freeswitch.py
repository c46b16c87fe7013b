"""A FreeSWITCH asks the console for users: only with its own secret, only what was pushed."""

from __future__ import annotations

import base64
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from lab import freeswitch_recorded as recorded
from lab.ports import HOST
from provisioning.core.sip import ha1
from provisioning.drivers.freeswitch.tables import schema
from provisioning.models import Account, ConfigStore, SipServer
from provisioning.services.accounts.standing import settle
from provisioning.services.push import outbox
from provisioning.services.push.push import push_store
from tests.factories import make_account, make_domain, make_pool, make_store

pytestmark = [pytest.mark.django_db, pytest.mark.database]

DOMAIN = "voice.example.com"
SECRET = "hunter2 hunter2"


@pytest.fixture
def account(db: None) -> Account:
    make_domain()
    return make_account("Ann", user_part="ann")


@pytest.fixture
def server(account: Account, tmp_path: Path, settings: Settings) -> SipServer:
    """A server whose store holds the account."""
    settings.SQLITE_STORES = tmp_path
    file = tmp_path / "freeswitch.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(schema("sqlite"))
    store = make_store(driver="freeswitch", dialect="sqlite", database=str(file), served=True)
    outbox.mark_store(store)
    assert push_store(store_id=store.pk).failed == 0
    server = SipServer.objects.create(
        name="fs1", pool=make_pool(), store=store, sip_host=HOST, rpc_url="esl://127.0.0.1:8021"
    )
    server.set_rpc_secret(SECRET)
    server.save()
    return server


def ask(server: SipServer, form: str, secret: str = SECRET, **known: str) -> tuple[int, str]:
    known = {"user": "ann", "domain": DOMAIN, "method": "REGISTER", **known}
    known = {"to_user": known["user"], "to_host": known["domain"], **known}
    basic = base64.b64encode(f"rtcadmin:{secret}".encode()).decode()
    response = Client().post(
        f"/served/{server.pk}/directory",
        dict(parse_qsl(recorded.filled(form, **known), keep_blank_values=True)),
        headers={"Authorization": f"Basic {basic}"},
    )
    assert response["Cache-Control"] == "no-store"
    if response.status_code == 200:
        assert response["Content-Type"] == "text/xml; charset=utf-8"
    return response.status_code, response.content.decode()


def test_the_digest_of_whoever_signs_in_is_that_of_the_account(
    server: SipServer, account: Account
) -> None:
    secret = account.credential.secret() or ""
    status, text = ask(server, recorded.SIGN_IN)
    assert status == 200
    assert f'name="a1-hash" value="{ha1("ann", DOMAIN, secret)}"' in text
    assert secret not in text


def test_who_was_blocked_is_refused_once_that_was_pushed(
    server: SipServer, account: Account
) -> None:
    account.blocked, account.blocked_reason = True, "test"
    settle([account])
    assert "sip-forbid-register" not in ask(server, recorded.SIGN_IN)[1]
    push_store(store_id=server.store_id)
    status, text = ask(server, recorded.SIGN_IN)
    assert (status, "sip-forbid-register" in text) == (200, True)


def test_whom_the_store_does_not_hold_is_not_found(server: SipServer) -> None:
    make_account("Bob", user_part="bob")
    for form in (recorded.SIGN_IN, recorded.EXISTS, recorded.CALL):
        status, text = ask(server, form, user="bob")
        assert (status, '<result status="not found"/>' in text) == (200, True)


def test_only_the_servers_own_secret_opens_it(server: SipServer) -> None:
    assert ask(server, recorded.SIGN_IN, secret="guess") == (401, "")
    SipServer.objects.update(enabled=False)
    assert ask(server, recorded.SIGN_IN) == (401, "")


def test_a_store_that_cannot_be_read_is_no_answer(server: SipServer, tmp_path: Path) -> None:
    # So that FreeSWITCH asks the next console instead of refusing for good.
    ConfigStore.objects.update(database=str(tmp_path / "elsewhere.db"))
    assert ask(server, recorded.SIGN_IN) == (503, "")


def test_a_question_asks_the_consoles_database_once(
    server: SipServer, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    ask(server, recorded.SIGN_IN)
    for form in (recorded.SIGN_IN, recorded.EXISTS, recorded.CALL, recorded.NETWORKS):
        with django_assert_num_queries(1):
            assert ask(server, form)[0] == 200
