"""Provisioning links asked for in vain: counted by network, bounded, told without a token."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from provisioning.models import Account, ProvisioningLink, RefusedFetches
from provisioning.services.alerts.conditions import Condition, find_conditions
from provisioning.services.alerts.watch import watch
from provisioning.services.clients import refused_fetches
from provisioning.services.clients.refused_fetches import (
    count_refused,
    find_refused,
    forget_refused,
)
from provisioning.web.links import where_to_look
from tests.factories import make_account
from tests.web.pages import text_of

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def make_old_link(account: Account) -> None:
    """One that was revoked, at /p/old."""
    ProvisioningLink.objects.create(
        account=account, format="rtc", expires_at=timezone.now(), revoked_at=timezone.now(),
        token_hash=hashlib.sha256(b"old").hexdigest(),
    )  # fmt: skip


def told() -> list[Condition]:
    return [each for each in find_conditions(watch()) if each.kind == "links-tried"]


def test_a_guesser_is_told_by_address_and_not_by_what_was_guessed(client: Client) -> None:
    for number in range(29):
        assert client.get(f"/p/token-{number}", REMOTE_ADDR="203.0.113.7").status_code == 404
    assert told() == []
    client.get("/p/token-29", REMOTE_ADDR="203.0.113.7")
    client.get("/p/other", REMOTE_ADDR="192.0.2.1")
    [alert] = told()
    assert alert.title == "31 provisioning links were asked for in vain within 15 minutes."
    assert "Most from 203.0.113.7 (30)." in alert.text
    assert "192.0.2.1" not in alert.text
    assert "token-" not in f"{alert.text} {list(RefusedFetches.objects.values())}"


def test_links_that_once_worked_count_as_well(client: Client) -> None:
    make_old_link(make_account())
    for _ in range(30):
        client.get("/p/old", REMOTE_ADDR="203.0.113.7")
    assert len(told()) == 1


def test_many_from_everywhere_are_told_together() -> None:
    for number in range(299):
        count_refused(address=f"198.51.{number // 250}.{number % 250}")
    assert told() == []
    count_refused(address="203.0.113.7")
    [alert] = told()
    assert "From 300 networks." in alert.text


def test_an_ipv6_network_counts_as_one() -> None:
    for number in range(30):
        count_refused(address=f"2001:db8:0:1::{number:x}")
    assert "2001:db8:0:1::/64 (30)" in told()[0].text


def test_it_is_over_a_quarter_of_an_hour_later_and_then_forgotten() -> None:
    for _ in range(30):
        count_refused(address="203.0.113.7")
    RefusedFetches.objects.update(since=timezone.now() - timedelta(minutes=16))
    assert told() == []
    forget_refused()
    assert RefusedFetches.objects.exists()
    RefusedFetches.objects.update(since=timezone.now() - timedelta(minutes=31))
    forget_refused()
    assert not RefusedFetches.objects.exists()


def test_whoever_asks_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refused_fetches, "_MOST_NETWORKS", 3)
    for number in range(10):
        count_refused(address=f"203.0.113.{number}")
    assert RefusedFetches.objects.count() == 4
    assert find_refused().total == 10
    for _ in range(refused_fetches.MOST_OF_ONE + 5):
        count_refused(address="203.0.113.0")
    assert find_refused().networks[0] == ("203.0.113.0", refused_fetches.MOST_OF_ONE)
    for nonsense in ("", "unix:", "999.1.1.1"):
        count_refused(address=nonsense)
    assert RefusedFetches.objects.count() == 4


def test_the_alert_leads_to_the_refused_ones(as_viewer: Client, client: Client) -> None:
    make_old_link(make_account("Aquarium"))
    client.get("/p/old")
    href, words = where_to_look("refused-links", None)
    assert words == "See which were known"
    assert "Aquarium" in text_of(as_viewer.get(href))
