"""A look at a store compares only what has changed since the last one, here or there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from provisioning.core.errors import Rejected
from provisioning.drivers.base import Kind, Row
from provisioning.drivers.kamailio.store import KamailioStore
from provisioning.models import (
    Account,
    Alias,
    ConfigStore,
    Credential,
    Drift,
    Number,
    OwnedRow,
    SipDomain,
    StoreProof,
)
from provisioning.services.accounts.credentials import rotate_credential
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.push import ground, outbox, reconcile
from provisioning.services.servers import scope
from provisioning.services.servers.driver_access import open_store
from tests.factories import make_account, make_group, make_pool
from tests.push_site import Site

pytestmark = [pytest.mark.django_db, pytest.mark.database]

DOMAIN = "voice.example.com"
COUNT = 6


class Compared(dict[Kind, set[str]]):
    """The keys that stores were asked to compare, by kind."""


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> Compared:
    seen = Compared()
    original = KamailioStore.differing

    def differing(self: KamailioStore, kind: Kind, rows: Sequence[Row]) -> dict[str, Row | None]:
        if rows:
            seen.setdefault(kind, set()).update(row.key for row in rows)
        return original(self, kind, rows)

    monkeypatch.setattr(KamailioStore, "differing", differing)
    return seen


def pushed(site: Site) -> list[Account]:
    """Accounts with numbers whose user parts end differently; pushed and looked at."""
    accounts = [make_account(user_part=f"user{n}{n}") for n in range(COUNT)]
    for n, account in enumerate(accounts):
        Number.objects.create(e164=f"+4420794600{n}{n}", state="assigned", account=account)
    Alias.objects.create(
        account=accounts[0], domain=accounts[0].domain, user_part="old", aor=f"old@{DOMAIN}",
        ends_at=timezone.now() + timedelta(days=9), created_at=timezone.now(),
    )  # fmt: skip
    outbox.mark_store(site.store)
    site.push()
    assert look(site, everything=True).total == 0
    return accounts


def look(site: Site, *, everything: bool = False) -> reconcile.DriftReport:
    report = reconcile.reconcile(
        store=ConfigStore.objects.get(pk=site.store.pk), everything=everything
    )
    assert not report.problem
    return report


def test_where_nothing_has_changed_no_row_is_compared(
    either_site: Site, compared: Compared
) -> None:
    pushed(either_site)
    compared.clear()
    assert look(either_site).total == 0
    assert set(compared) == {Kind.SIP_DOMAIN}
    assert look(either_site, everything=True).total == 0
    assert len(compared[Kind.SUBSCRIBER]) == COUNT
    assert len(compared[Kind.ALIAS]) == COUNT + 1


BEHIND_OUR_BACK = {
    "the digest": ("changed", "UPDATE subscriber SET ha1 = '{f}' WHERE username = 'user22'"),
    "the other digest": ("changed", "UPDATE subscriber SET ha1b = '{f}' WHERE username = 'user22'"),
    "a clear text": ("changed", "UPDATE subscriber SET password = 'x' WHERE username = 'user22'"),
    "the user": ("missing", "UPDATE subscriber SET username = 'ab22' WHERE username = 'user22'"),
    "the domain": ("missing", "UPDATE subscriber SET domain = 'b.org' WHERE username = 'user22'"),
    "it is gone": ("missing", "DELETE FROM subscriber WHERE username = 'user22'"),
    "where a number leads": ("changed", "UPDATE dbaliases SET username = 'user33'"
                             " WHERE alias_username = '+442079460022'"),
    "in which domain": ("changed", "UPDATE dbaliases SET domain = 'b.org'"
                        " WHERE alias_username = '+442079460022'"),
    "whose number": ("missing", "UPDATE dbaliases SET alias_username = '+44207946002'"
                     " WHERE alias_username = '+442079460022'"),
    "the number's domain": ("missing", "UPDATE dbaliases SET alias_domain = 'b.org'"
                            " WHERE alias_username = '+442079460022'"),
    "a twin": ("changed", "INSERT INTO dbaliases (alias_username, alias_domain, username, domain)"
               " VALUES ('+442079460022', '{domain}', 'user33', '{domain}')"),
    "an old address": ("missing", "DELETE FROM dbaliases WHERE alias_username = 'old'"),
}  # fmt: skip


@pytest.mark.parametrize("what", BEHIND_OUR_BACK)
def test_every_change_behind_our_back_is_found_by_the_next_look(
    either_site: Site, compared: Compared, what: str
) -> None:
    pushed(either_site)
    problem, statement = BEHIND_OUR_BACK[what]
    either_site.execute(statement.format(f="f" * 32, domain=DOMAIN))
    compared.clear()
    assert look(either_site).counts == {problem: 1}
    others = (compared.get(Kind.SUBSCRIBER, set()) | compared.get(Kind.ALIAS, set())) - {
        f"user22@{DOMAIN}", f"+442079460022@{DOMAIN}", f"old@{DOMAIN}",
    }  # fmt: skip
    assert not others
    # What is not repaired goes on being drift, though nothing changes any more.
    assert look(either_site).counts == {problem: 1}


def _number_of(account: Account) -> Any:
    return Number.objects.filter(account=account)


HERE: Mapping[str, Callable[[list[Account]], Any]] = {
    "state": lambda rows: Account.objects.filter(pk=rows[1].pk).update(state="blocked"),
    "removed": lambda rows: Account.objects.filter(pk=rows[1].pk).update(state="removed"),
    "pool": lambda rows: Account.objects.filter(pk=rows[1].pk).update(pool=make_pool("Berlin")),
    "credential": lambda rows: _with_another_secret(rows[1]),
    "auth user": lambda rows: Credential.objects.filter(account=rows[1]).update(auth_user="else"),
    "number": lambda rows: _number_of(rows[1]).update(e164="+442079461111"),
    "no number": lambda rows: _number_of(rows[1]).delete(),
    "owner": lambda rows: _number_of(rows[1]).update(account=make_account(user_part="user99")),
    "old address": lambda rows: Alias.objects.update(account=rows[1]),
    "realm": lambda rows: SipDomain.objects.update(realm_override="other"),
    "algorithm": lambda rows: ConfigStore.objects.update(algorithm="SHA-256"),
}


def _with_another_secret(account: Account) -> None:
    account.credential.set_secret("another secret")
    account.credential.save()


@pytest.mark.parametrize("what", HERE)
def test_what_changed_here_without_a_mark_is_found_by_the_next_look(site: Site, what: str) -> None:
    accounts = pushed(site)
    assert look(site).total == 0
    HERE[what](accounts)
    assert look(site).total > 0
    found = set(Drift.objects.values_list("kind", "key", "problem"))
    look(site, everything=True)
    assert set(Drift.objects.values_list("kind", "key", "problem")) == found


def test_rows_of_others_cost_nothing_until_one_of_them_changes(
    either_site: Site, compared: Compared
) -> None:
    pushed(either_site)
    either_site.execute(
        f"INSERT INTO subscriber (username, domain, ha1) VALUES ('zed11', '{DOMAIN}', 'x')",  # noqa: S608
        "INSERT INTO subscriber (username, domain, ha1) VALUES ('user22', 'b.org', 'x')",
    )
    assert look(either_site).total == 0
    compared.clear()
    assert look(either_site).total == 0
    assert Kind.SUBSCRIBER not in compared
    either_site.execute("UPDATE subscriber SET ha1 = 'y' WHERE username = 'zed11'")
    assert look(either_site).total == 0
    assert compared[Kind.SUBSCRIBER] == {f"user11@{DOMAIN}"}


def test_an_owned_row_that_comes_back_where_nothing_should_be_is_found(site: Site) -> None:
    accounts = pushed(site)
    Account.objects.filter(pk=accounts[2].pk).update(state="removed")
    outbox.mark_account(accounts[2], numbers=["+442079460022"])
    site.push()
    assert look(site).total == 0
    # As a revert would: the row is there again, and noted as the console's.
    site.execute(f"INSERT INTO subscriber (username, domain) VALUES ('user22', '{DOMAIN}')")  # noqa: S608
    OwnedRow.objects.create(store=site.store, kind=Kind.SUBSCRIBER, key=f"user22@{DOMAIN}")
    assert look(site).counts == {"extra": 1}


def test_what_changes_while_one_looks_is_compared_again(
    either_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushed(either_site)
    original = KamailioStore.differing

    def changing(self: KamailioStore, kind: Kind, rows: Sequence[Row]) -> dict[str, Row | None]:
        found = original(self, kind, rows)
        if kind is Kind.SUBSCRIBER:
            either_site.execute("UPDATE subscriber SET ha1 = 'y' WHERE username = 'user22'")
        return found

    with monkeypatch.context() as patched:
        patched.setattr(KamailioStore, "differing", changing)
        assert look(either_site, everything=True).total == 0
    assert look(either_site).counts == {"changed": 1}


def test_a_full_pass_starts_from_the_last_look(site: Site, compared: Compared) -> None:
    accounts = pushed(site)
    rotate_credential(account=accounts[3], actor=COMMAND_LINE)
    site.push()
    compared.clear()
    # As a run that changes many accounts marks them.
    outbox.mark(store_ids=[site.store.pk], kind=Kind.SUBSCRIBER, keys=["*"])
    outbox.mark(store_ids=[site.store.pk], kind=Kind.ALIAS, keys=["*"])
    assert site.push().changed == 0
    # Its block of accounts has changed; of the numbers nothing at the store.
    assert compared[Kind.SUBSCRIBER] == {f"{account.user_part}@{DOMAIN}" for account in accounts}
    look(site)
    compared.clear()
    outbox.mark(store_ids=[site.store.pk], kind=Kind.SUBSCRIBER, keys=["*"])
    assert site.push().changed == 0
    assert Kind.SUBSCRIBER not in compared
    outbox.mark_store(site.store)
    site.push()
    assert len(compared[Kind.SUBSCRIBER]) == COUNT


def test_a_full_pass_writes_what_changed_in_many_accounts_since_the_last_look(site: Site) -> None:
    pushed(site)
    Account.objects.filter(user_part__lt="user33").update(state="disabled")
    outbox.mark(store_ids=[site.store.pk], kind=Kind.SUBSCRIBER, keys=["*"])
    site.push()
    assert list(site.subscribers().values()).count("!") == 3
    assert look(site).total == 0


def test_a_store_that_manages_groups_is_always_compared(site: Site, compared: Compared) -> None:
    pushed(site)
    scope.set_scope(
        store=site.store, kinds=[], domains=[], groups=[make_group()], actor=COMMAND_LINE
    )
    site.push()
    look(site)
    assert not StoreProof.objects.exists()


def test_a_store_that_cannot_hash_is_always_compared(
    site: Site, compared: Compared, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: KamailioStore, kind: Kind) -> Mapping[str, str] | None:
        raise Rejected("function sha256(bytea) does not exist")

    monkeypatch.setattr(KamailioStore, "digests", refuse)
    pushed(site)
    compared.clear()
    assert look(site).total == 0
    assert len(compared[Kind.SUBSCRIBER]) == COUNT


def test_what_is_kept_tells_nobody_a_password(site: Site) -> None:
    pushed(site)
    with open_store(site.store) as driver:
        digests = driver.digests(Kind.SUBSCRIBER) or {}
    proof = StoreProof.objects.get(kind=Kind.SUBSCRIBER)
    assert set(proof.standing) == set(digests)
    assert not set(proof.standing.values()) & {digest[:32] for digest in digests.values()}


def test_stores_that_are_looked_at_in_one_go_share_what_was_read_here(
    new_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    sites = [new_site(), new_site()]
    for site in sites:
        outbox.mark_store(site.store)
        site.push()
    reads: list[None] = []
    original = ground.read_ground

    def read() -> Mapping[str, str]:
        reads.append(None)
        return original()

    monkeypatch.setattr(reconcile, "read_ground", read)
    assert reconcile.reconcile_due() == 2
    assert len(reads) == 1
    assert StoreProof.objects.count() == 4
