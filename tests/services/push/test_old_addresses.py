"""Old SIP URIs at a real store: there while they lead on, gone with their day or their account."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from provisioning.core.states import State
from provisioning.models import Account, Alias, PendingChange
from provisioning.services.accounts.accounts import remove_account
from provisioning.services.accounts.addresses import rename_account
from provisioning.services.accounts.deadlines import keep_deadlines
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.push import outbox
from tests.factories import make_account
from tests.push_site import Site

pytestmark = [pytest.mark.django_db, pytest.mark.database]

OLD, NEW, NEWEST = (f"{user}@voice.example.com" for user in ("ann", "anna", "anne"))


def _renamed(site: Site) -> Account:
    account = make_account(user_part="ann")
    outbox.mark_store(site.store)
    site.push()
    account = rename_account(
        account=account, user_part="anna", reason="married", alias_days=30, actor=COMMAND_LINE
    )
    site.push()
    return account


def test_an_old_sip_uri_leads_to_the_account_until_its_day(either_site: Site) -> None:
    _renamed(either_site)
    assert set(either_site.subscribers()) == {NEW}
    assert either_site.aliases() == {OLD: NEW}
    keep_deadlines(now=timezone.now() + timedelta(days=29))
    either_site.push()
    assert either_site.aliases() == {OLD: NEW}
    keep_deadlines(now=timezone.now() + timedelta(days=31))
    either_site.push()
    assert either_site.aliases() == {}


def test_old_sip_uris_follow_the_next_rename_and_end_when_one_is_taken_back(
    either_site: Site,
) -> None:
    account = _renamed(either_site)
    account = rename_account(
        account=account, user_part="anne", reason="again", alias_days=30, actor=COMMAND_LINE
    )
    either_site.push()
    assert either_site.aliases() == {OLD: NEWEST, NEW: NEWEST}
    rename_account(account=account, user_part="ann", reason="back", actor=COMMAND_LINE)
    either_site.push()
    assert set(either_site.subscribers()) == {OLD}
    assert either_site.aliases() == {NEW: OLD}


def test_old_sip_uris_end_with_the_account(either_site: Site) -> None:
    account = _renamed(either_site)
    remove_account(account=account, reason="gone", actor=COMMAND_LINE)
    either_site.push()
    assert (either_site.subscribers(), either_site.aliases()) == ({}, {})
    assert not Alias.objects.exists()


def test_a_full_comparison_brings_old_sip_uris_and_takes_ended_ones_away(
    either_site: Site,
) -> None:
    account = make_account(user_part="ann")
    rename_account(
        account=account, user_part="anna", reason="married", alias_days=30, actor=COMMAND_LINE
    )
    PendingChange.objects.all().delete()
    outbox.mark_store(either_site.store)
    either_site.push()
    assert either_site.aliases() == {OLD: NEW}
    Account.objects.filter(pk=account.pk).update(state=State.REMOVED)
    outbox.mark_store(either_site.store)
    either_site.push()
    assert either_site.aliases() == {}
