"""The push to real databases with Kamailio's schema: what stands there afterwards, and what not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.utils import timezone

from provisioning.core.sip import ha1
from provisioning.core.states import State
from provisioning.drivers.base import Kind
from provisioning.models import Account, ConfigStore, ConsoleUser, Number, OwnedRow
from provisioning.services.accounts.accounts import (
    AccountChange,
    change_account,
    remove_account,
)
from provisioning.services.accounts.addresses import rename_account
from provisioning.services.accounts.blocks import block_account, unblock_account
from provisioning.services.actor import Actor
from provisioning.services.numbers.numbers import assign_number
from provisioning.services.push import outbox
from provisioning.services.rules.domains import delete_sip_domain
from tests.factories import make_account, make_domain, make_pool
from tests.push_site import Site

pytestmark = [pytest.mark.django_db, pytest.mark.database]

FOREIGN = "INSERT INTO subscriber (username, domain, ha1) VALUES ('ann', 'voice.example.com', 'x')"
ANN = "ann@voice.example.com"
NUMBER = "+442079460101"


@pytest.fixture
def actor(administrator: ConsoleUser) -> Actor:
    return Actor(administrator.name, administrator)


def give_number(account: Account, e164: str = NUMBER) -> Number:
    return Number.objects.create(e164=e164, state="assigned", account=account)


def digest_of(account: Account, algorithm: str = "MD5") -> str:
    secret = account.credential.secret()
    assert secret is not None
    return ha1(account.user_part, account.domain.realm, secret, algorithm)  # type: ignore[arg-type]


def test_an_account_its_number_and_its_domain_arrive_and_nothing_is_left_pending(
    either_site: Site,
) -> None:
    account = make_account(user_part="ann")
    give_number(account)
    outbox.mark_store(either_site.store)
    report = either_site.push()
    assert (report.changed, report.failed, report.left, report.problem) == (3, 0, 0, "")
    assert either_site.subscribers() == {ANN: digest_of(account)}
    assert either_site.aliases() == {f"{NUMBER}@voice.example.com": ANN}
    assert either_site.domains() == {"voice.example.com"}
    assert not either_site.pending()


def test_only_the_hash_is_written_never_a_password(either_site: Site) -> None:
    make_account(user_part="ann")
    outbox.mark_store(either_site.store)
    either_site.push()
    ((password, ha1b),) = either_site.rows("SELECT password, ha1b FROM subscriber")
    assert password.startswith("!unusable-")
    assert ha1b.startswith("!unusable-")


def test_pushing_again_what_stands_there_already_changes_no_row(either_site: Site) -> None:
    give_number(make_account(user_part="ann"))
    outbox.mark_store(either_site.store)
    either_site.push()
    outbox.mark_store(either_site.store)
    assert either_site.push().changed == 0
    assert not either_site.pending()


def test_a_store_with_sha_256_gets_that_digest(new_site: Callable[..., Site]) -> None:
    site = new_site(algorithm="SHA-256")
    account = make_account(user_part="ann")
    outbox.mark_account(account)
    site.push()
    assert site.subscribers() == {ANN: digest_of(account, "SHA-256")}


def test_a_blocked_account_keeps_its_row_but_nobody_can_register_with_it(
    either_site: Site, actor: Actor
) -> None:
    account = make_account(user_part="ann")
    outbox.mark_account(account)
    either_site.push()
    block_account(account=account, reason="lost phone", actor=actor)
    either_site.push()
    assert either_site.subscribers() == {ANN: "!"}
    unblock_account(account=account, actor=actor)
    either_site.push()
    assert either_site.subscribers() == {ANN: digest_of(account)}


def test_a_removed_account_is_deleted_with_its_number(either_site: Site, actor: Actor) -> None:
    account = make_account(user_part="ann")
    give_number(account)
    outbox.mark_store(either_site.store)
    either_site.push()
    remove_account(account=account, reason="room closed", actor=actor)
    either_site.push()
    assert either_site.subscribers() == {}
    assert either_site.aliases() == {}
    assert set(OwnedRow.objects.values_list("kind", flat=True)) == {"sip_domain"}


def test_a_prepared_account_is_not_there_yet(site: Site) -> None:
    outbox.mark_account(make_account(user_part="ann", state=State.PREPARED))
    site.push()
    assert site.subscribers() == {}


def test_a_row_of_somebody_else_is_never_changed_and_the_conflict_is_told(
    either_site: Site,
) -> None:
    either_site.execute(FOREIGN)
    outbox.mark_account(make_account(user_part="ann"))
    outbox.mark_account(make_account(user_part="bob"))
    report = either_site.push()
    assert report.failed == 1
    assert either_site.subscribers()[ANN] == "x"
    assert "bob@voice.example.com" in either_site.subscribers()
    assert either_site.pending() == {ANN}
    assert "neither created nor adopted" in either_site.change(ANN).problem
    assert not OwnedRow.objects.filter(key=ANN).exists()


def test_a_row_of_somebody_else_survives_the_removal_of_our_account(
    site: Site, actor: Actor
) -> None:
    site.execute(FOREIGN)
    account = make_account(user_part="ann")
    outbox.mark_account(account)
    site.push()
    remove_account(account=account, reason="a duplicate", actor=actor)
    assert site.push().failed == 0
    assert site.subscribers() == {ANN: "x"}
    assert not site.pending()


def test_a_domain_that_somebody_else_made_is_used_as_it_is_and_stays(
    either_site: Site, actor: Actor
) -> None:
    either_site.execute("INSERT INTO domain (domain) VALUES ('voice.example.com')")
    domain = make_domain()
    outbox.mark_domain(domain)
    report = either_site.push()
    assert (report.changed, report.failed) == (0, 0)
    delete_sip_domain(domain=domain, actor=actor)
    either_site.push()
    assert either_site.domains() == {"voice.example.com"}


def test_a_rename_takes_the_old_address_away_and_brings_the_new_one(
    either_site: Site, actor: Actor
) -> None:
    account = make_account(user_part="ann")
    give_number(account)
    outbox.mark_store(either_site.store)
    either_site.push()
    account = rename_account(account=account, user_part="anna", reason="married", actor=actor)
    either_site.push()
    assert either_site.subscribers() == {"anna@voice.example.com": digest_of(account)}
    assert either_site.aliases() == {f"{NUMBER}@voice.example.com": "anna@voice.example.com"}


def test_a_new_home_pool_moves_the_account_from_store_to_store(
    new_site: Callable[..., Site], actor: Actor
) -> None:
    here, there = new_site(), new_site(pool=make_pool("Tokyo"))
    account = make_account(user_part="ann")
    give_number(account)
    outbox.mark_account(account, numbers=[NUMBER])
    here.push()
    there.push()
    assert (len(here.subscribers()), len(there.subscribers())) == (1, 0)
    change = AccountChange(pool=make_pool("Tokyo"), site=None, profile=None, name=account.name)
    change_account(account=account, change=change, actor=actor)
    there.push()
    here.push()
    assert (here.subscribers(), here.aliases()) == ({}, {})
    assert there.subscribers() == {ANN: digest_of(account)}
    assert there.aliases() == {f"{NUMBER}@voice.example.com": ANN}


@pytest.mark.parametrize("domain", ["voice.example.com", "other.example.com"])
def test_a_number_that_moves_between_accounts_leads_to_the_new_one(
    either_site: Site, actor: Actor, domain: str
) -> None:
    first = make_account(user_part="ann")
    second = make_account(user_part="bob", domain=make_domain(domain))
    assign_number(account=first, e164=NUMBER, actor=actor)
    either_site.push()
    Number.objects.update(account=None, state="free")
    outbox.mark_account(first, numbers=[NUMBER])
    assign_number(account=second, e164=NUMBER, actor=actor)
    either_site.push()
    assert either_site.aliases() == {f"{NUMBER}@{domain}": f"bob@{domain}"}


def test_an_observed_store_is_never_written_to(site: Site) -> None:
    outbox.mark_account(make_account(user_part="ann"))
    ConfigStore.objects.update(mode=ConfigStore.Mode.OBSERVE)
    assert site.push().changed == 0
    assert site.subscribers() == {}
    assert site.pending() == {ANN}


def test_a_store_that_is_gone_is_no_error(site: Site) -> None:
    site.store.delete()
    assert site.push().changed == 0


def test_a_push_without_work_does_not_even_take_the_lease(site: Site) -> None:
    site.push()
    site.store.refresh_from_db()
    assert site.store.last_push_at is None


def test_progress_tells_how_many_rows_were_dealt_with(site: Site) -> None:
    for name in ("ann", "bob"):
        outbox.mark_account(make_account(user_part=name))
    told: list[int] = []
    site.push(tell=told.append)
    assert told[-1] == 2


def test_a_credential_that_cannot_be_opened_stops_its_own_account_only(either_site: Site) -> None:
    broken = make_account(user_part="ann")
    outbox.mark_account(broken)
    either_site.push()
    broken.credential.sealed_secret = b"\0" * 40
    broken.credential.save()
    before = either_site.subscribers()[ANN]
    outbox.mark_account(broken)
    outbox.mark_account(make_account(user_part="bob"))
    report = either_site.push()
    assert (report.changed, report.failed) == (1, 1)
    assert either_site.subscribers()[ANN] == before
    assert "key" in either_site.change(ANN).problem


def test_what_was_written_is_remembered_by_a_hash_that_tells_drift(site: Site) -> None:
    account = make_account(user_part="ann")
    outbox.mark_account(account)
    site.push()
    first = OwnedRow.objects.get(kind=Kind.SUBSCRIBER).content
    account.credential.set_secret("another secret")
    account.credential.rotated_at = timezone.now()
    account.credential.save()
    outbox.mark_account(account)
    site.push()
    assert OwnedRow.objects.get(kind=Kind.SUBSCRIBER).content not in {"", first}
