"""Provisioning links: who makes them, who gets the document, one answer to everybody else."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from django.db import OperationalError, connection, connections
from django.test import Client
from django.utils import timezone

from provisioning.core.errors import InvalidInput
from provisioning.core.roles import Role
from provisioning.models import (
    Account,
    AuditEvent,
    ClientProfile,
    ConsoleUser,
    ProvisioningLink,
    SipServer,
)
from provisioning.profiles.base import File
from provisioning.services.accounts.blocks import block_account
from provisioning.services.actor import Actor
from provisioning.services.clients import documents, links
from provisioning.services.console import console_users
from tests.factories import make_account, make_pool, make_store

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def actor(administrator: ConsoleUser) -> Actor:
    return Actor.of(administrator)


def an_account() -> Account:
    SipServer.objects.create(
        name="sip1", pool=make_pool(), store=make_store(), sip_host="sip1.example.com",
        rpc_url="http://127.0.0.1:1/RPC",
    )  # fmt: skip
    ClientProfile.objects.create(name="Everybody", is_default=True)
    return make_account()


def path_of(new: links.NewLink) -> str:
    return "/p/" + new.url.rpartition("/")[2]


def seen(response: object) -> tuple[object, ...]:
    """What a client sees of an answer, save for the id that every request has."""
    headers = dict(response.headers)  # type: ignore[attr-defined]
    headers.pop("X-Request-ID", None)
    return response.status_code, response.content, headers  # type: ignore[attr-defined]


def test_a_link_hands_out_the_document_once(actor: Actor, client: Client) -> None:
    account = an_account()
    new = links.create_link(account=account, format="linphone", actor=actor)
    first = client.get(path_of(new))
    assert first.status_code == 200
    assert first["Cache-Control"] == "no-store"
    assert first["Content-Type"] == "application/xml"
    assert account.user_part.encode() in first.content
    assert client.get(path_of(new)).status_code == 404


def test_a_link_for_several_devices_works_until_it_expires(actor: Actor, client: Client) -> None:
    new = links.create_link(account=an_account(), format="rtc", actor=actor, one_time=False)
    assert [client.get(path_of(new)).status_code for _ in range(3)] == [200, 200, 200]
    ProvisioningLink.objects.update(expires_at=timezone.now())
    assert client.get(path_of(new)).status_code == 404


def test_every_reason_not_to_answer_looks_the_same(actor: Actor, client: Client) -> None:
    account = an_account()

    def refused(spoil: Callable[[ProvisioningLink], object]) -> tuple[object, ...]:
        new = links.create_link(account=account, format="rtc", actor=actor)
        spoil(new.link)
        return seen(client.get(path_of(new)))

    def change(**values: object) -> Callable[[ProvisioningLink], object]:
        return lambda link: ProvisioningLink.objects.filter(pk=link.pk).update(**values)

    unknown = seen(client.get("/p/" + "A" * 43))
    assert unknown[0] == 404
    assert refused(change(used_at=timezone.now())) == unknown
    assert refused(change(revoked_at=timezone.now())) == unknown
    assert refused(change(expires_at=timezone.now())) == unknown
    assert refused(lambda _: SipServer.objects.update(enabled=False)) == unknown
    SipServer.objects.update(enabled=True)
    assert refused(lambda _: Account.objects.update(state="disabled")) == unknown


def test_a_leavers_link_dies_by_the_state_of_the_account_alone(
    actor: Actor, client: Client
) -> None:
    new = links.create_link(account=an_account(), format="rtc", actor=actor)
    Account.objects.update(state="grace")
    assert client.get(path_of(new)).status_code == 404
    assert ProvisioningLink.objects.get().used_at is None
    assert AuditEvent.objects.latest("id").detail["reason"] == "the account is grace"


def test_a_block_revokes_the_links(actor: Actor, client: Client) -> None:
    account = an_account()
    new = links.create_link(account=account, format="rtc", actor=actor)
    block_account(account=account, reason="Lost laptop", actor=actor)
    assert client.get(path_of(new)).status_code == 404
    assert ProvisioningLink.objects.get().revoked_at is not None


def test_only_the_hash_of_a_token_is_kept(actor: Actor) -> None:
    new = links.create_link(account=an_account(), format="rtc", actor=actor)
    token = new.url.rpartition("/")[2]
    assert len(token) == 43
    row = ProvisioningLink.objects.values().get()
    assert row["token_hash"] == hashlib.sha256(token.encode()).hexdigest()
    assert token not in str(row)
    assert token not in str(list(AuditEvent.objects.values()))
    assert token not in repr(new)


def test_head_does_not_use_a_link_up(actor: Actor, client: Client) -> None:
    new = links.create_link(account=an_account(), format="rtc", actor=actor)
    assert client.head(path_of(new)).status_code == 405
    assert client.post(path_of(new)).status_code == 405
    assert client.get(path_of(new)).status_code == 200


def test_a_fetch_is_audited_with_the_address(actor: Actor, client: Client) -> None:
    new = links.create_link(account=an_account(), format="rtc", actor=actor)
    client.get(path_of(new), REMOTE_ADDR="192.0.2.7", HTTP_X_FORWARDED_FOR="198.51.100.1")
    event = AuditEvent.objects.latest("id")
    assert event.action == "handed out the client document of"
    assert event.detail["address"] == "192.0.2.7"
    assert ProvisioningLink.objects.get().used_from == "192.0.2.7"


def test_an_unknown_token_cannot_fill_the_audit_log(client: Client) -> None:
    client.get("/p/" + "B" * 43)
    assert not AuditEvent.objects.exists()


def test_a_link_needs_the_permission_to_export_secrets(helpdesk: ConsoleUser) -> None:
    with pytest.raises(InvalidInput, match="may not export"):
        links.create_link(account=an_account(), format="rtc", actor=Actor.of(helpdesk))
    assert not ProvisioningLink.objects.exists()


@pytest.mark.parametrize("hours", [0, -1, 721])
def test_a_link_lives_from_an_hour_to_thirty_days(actor: Actor, hours: int) -> None:
    with pytest.raises(InvalidInput, match="1 hour to 30 days"):
        links.create_link(account=an_account(), format="rtc", actor=actor, hours=hours)


def test_no_link_is_made_to_a_document_that_cannot_be_made(actor: Actor) -> None:
    account = an_account()
    SipServer.objects.update(enabled=False)
    with pytest.raises(InvalidInput, match="no enabled SIP server"):
        links.create_link(account=account, format="rtc", actor=actor)
    assert not ProvisioningLink.objects.exists()


def test_revoking_counts_only_links_that_still_worked(actor: Actor) -> None:
    account = an_account()
    for _ in range(2):
        links.create_link(account=account, format="rtc", actor=actor)
    old = links.create_link(account=account, format="rtc", actor=actor).link
    ProvisioningLink.objects.filter(pk=old.pk).update(
        expires_at=timezone.now() - timedelta(hours=1)
    )
    assert links.revoke_links(accounts=[account], actor=actor) == 2
    assert links.revoke_links(accounts=[account], actor=actor) == 0


def test_a_second_request_while_the_first_is_answered_gets_nothing(
    actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = links.create_link(account=an_account(), format="rtc", actor=actor)
    token, render = new.url.rpartition("/")[2], documents.render
    winners = []

    def render_late(**values: Any) -> list[File]:
        monkeypatch.setattr(documents, "render", render)
        winners.append(links.fetch_document(token=token, address="192.0.2.8"))
        return render(**values)

    monkeypatch.setattr(documents, "render", render_late)
    assert links.fetch_document(token=token, address="192.0.2.7") is None
    assert winners[0] is not None
    assert ProvisioningLink.objects.get().used_from == "192.0.2.8"


@pytest.mark.django_db(transaction=True)
def test_two_requests_at_once_get_one_document(
    actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = links.create_link(account=an_account(), format="rtc", actor=actor)
    both_rendered, render = Barrier(2), documents.render

    def render_together(**values: Any) -> list[File]:
        files = render(**values)
        both_rendered.wait(timeout=60)
        return files

    monkeypatch.setattr(documents, "render", render_together)

    def fetch(_: int) -> bool:
        try:
            token = new.url.rpartition("/")[2]
            return links.fetch_document(token=token, address="192.0.2.7") is not None
        except OperationalError:
            # The tests' SQLite is in memory and does not wait for a lock: that request lost.
            assert connection.vendor == "sqlite"
            return False
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(fetch, range(2))) == [False, True]


@pytest.mark.parametrize("taken", ["is_active", "may_export_secrets"])
def test_a_link_ends_with_the_right_of_whoever_made_it(
    actor: Actor, client: Client, taken: str
) -> None:
    account = an_account()
    clerk = ConsoleUser.objects.create_user(
        "carl", "correct horse battery", role=Role.HELPDESK, may_export_secrets=True
    )
    theirs = links.create_link(
        account=account, format="linphone", actor=Actor.of(clerk), one_time=False
    )
    mine = links.create_link(account=account, format="linphone", actor=actor)
    rights = {"is_active": True, "may_export_secrets": True} | {taken: False}
    console_users.change(user=clerk, name="Carl", role=Role.HELPDESK, actor=actor, **rights)
    assert client.get(path_of(theirs)).status_code == 404
    assert client.get(path_of(mine)).status_code == 200
    event = AuditEvent.objects.get(action="changed console user")
    assert event.detail["links revoked"] == 1
