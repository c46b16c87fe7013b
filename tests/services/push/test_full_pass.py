"""The full comparison of a store: page by page, leavers first, single keys in between."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import pytest
from django.utils import timezone

from provisioning.drivers.base import Kind, Outcome, Row, RowChange
from provisioning.drivers.kamailio.store import KamailioStore
from provisioning.models import (
    Account,
    ConfigStore,
    Gateway,
    GroupAddress,
    Number,
    OwnedRow,
    PendingChange,
    PushPause,
    Route,
    SettingValue,
    SipServer,
    TrustedHost,
)
from provisioning.services.actor import Actor
from provisioning.services.push import desired, full_pass, outbox
from provisioning.services.push.dead_letters import dead_changes, retry_dead
from provisioning.services.servers.stores import set_store_mode
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
from tests.push_site import Site

pytestmark = [pytest.mark.django_db, pytest.mark.database]

PAGE = 4
FOREIGN = """
    INSERT INTO subscriber (username, domain, ha1) VALUES ('user003', 'voice.example.com', 'x')
"""


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desired, "PAGE", PAGE)


@pytest.fixture
def applied(monkeypatch: pytest.MonkeyPatch) -> list[list[RowChange]]:
    """What the driver was told to write, call by call."""
    calls: list[list[RowChange]] = []
    original = KamailioStore.apply

    def apply(self: KamailioStore, changes: Sequence[RowChange]) -> list[Outcome]:
        calls.append(list(changes))
        return original(self, changes)

    monkeypatch.setattr(KamailioStore, "apply", apply)
    return calls


def before_each_apply(monkeypatch: pytest.MonkeyPatch, act: Callable[[int], None]) -> None:
    """Calls `act` with the number of the call, from 1."""
    numbers = iter(range(1, 1000))
    original = KamailioStore.apply

    def apply(self: KamailioStore, changes: Sequence[RowChange]) -> list[Outcome]:
        act(next(numbers))
        return original(self, changes)

    monkeypatch.setattr(KamailioStore, "apply", apply)


def make_accounts(count: int) -> list[Account]:
    accounts = [make_account(user_part=f"user{number:03}") for number in range(count)]
    Number.objects.bulk_create(
        Number(e164=f"+4420794{number:05}", state="assigned", account=account)
        for number, account in enumerate(accounts)
    )
    return accounts


def pushed(site: Site, count: int = 10) -> list[Account]:
    accounts = make_accounts(count)
    outbox.mark_store(site.store)
    site.push()
    return accounts


def test_drift_is_mended_and_rows_of_others_are_left_alone(either_site: Site) -> None:
    pushed(either_site)
    ConfigStore.objects.update(repairs_drift=True)
    wanted = either_site.subscribers()
    either_site.execute(
        "DELETE FROM subscriber WHERE username = 'user003'",
        "UPDATE subscriber SET ha1 = 'ffffffffffffffffffffffffffffffff' WHERE username = 'user004'",
        "UPDATE dbaliases SET username = 'user009' WHERE username = 'user005'",
        "INSERT INTO subscriber (username, domain, ha1) VALUES ('zed', 'voice.example.com', 'x')",
    )
    outbox.mark_store(either_site.store)
    assert either_site.push().changed == 3
    assert either_site.subscribers() == {**wanted, "zed@voice.example.com": "x"}
    assert either_site.aliases()["+442079400005@voice.example.com"] == "user005@voice.example.com"


def test_what_nobody_asked_to_delete_is_deleted_when_it_is_not_wanted_any_more(
    either_site: Site,
) -> None:
    pushed(either_site)
    # As a change made elsewhere would: without a mark of its own.
    Number.objects.filter(account__user_part__lt="user005").delete()
    Account.objects.filter(user_part__lt="user005").update(state="removed")
    Account.objects.filter(user_part="user007").update(state="disabled")
    outbox.mark_store(either_site.store)
    either_site.push()
    assert len(either_site.subscribers()) == 5
    assert either_site.subscribers()["user007@voice.example.com"] == "!"
    assert len(either_site.aliases()) == 5
    assert OwnedRow.objects.filter(kind=Kind.SUBSCRIBER).count() == 5


def test_kinds_are_created_in_order_and_deleted_in_reverse(
    site: Site, applied: list[list[RowChange]]
) -> None:
    make_route("+44", make_gateway(registers=True))
    make_trusted_host()
    place = make_site()
    place.dial_rules = r"0([1-9]\d+) -> +44\1"
    place.save()
    everybody = {"key": "messaging", "scope": "global", "value": False, "at": timezone.now()}
    SettingValue.objects.create(**everybody)
    accounts = make_accounts(3)
    GroupAddress.objects.create(
        name="x", domain=accounts[0].domain, user_part="x", target="sip:x@pbx.example.com:5060"
    )
    SettingValue.objects.create(
        **{**everybody, "scope": "account", "value": True}, account=accounts[0]
    )
    elsewhere = make_pool("Elsewhere")
    SipServer.objects.create(
        name="other", pool=elsewhere, store=make_store(pool=elsewhere), sip_host="192.0.2.20",
        rpc_url="http://192.0.2.20/RPC",
    )  # fmt: skip
    outbox.mark_store(site.store)
    site.push()
    kinds = [change.kind for call in applied for change in call]
    assert kinds == sorted(kinds, key=list(Kind).index)
    applied.clear()
    Number.objects.all().delete()
    Account.objects.all().update(state="removed")
    # A domain can only go once no account or group address names it.
    GroupAddress.objects.all().delete()
    other = make_domain("empty.example.com")
    Account.objects.filter(pk__in=[account.pk for account in accounts]).update(domain=other)
    accounts[0].domain.delete()
    place.dial_rules = ""
    place.save()
    for model in (Route, Gateway, TrustedHost, SettingValue, SipServer):
        model.objects.all().delete()
    outbox.mark_store(site.store)
    site.push()
    deleted = [change.kind for call in applied for change in call if change.after is None]
    assert deleted == sorted(deleted, key=list(reversed(Kind)).index)
    assert set(deleted) == set(Kind)


def test_a_leaver_loses_access_before_anybody_new_arrives(
    site: Site, applied: list[list[RowChange]]
) -> None:
    pushed(site)
    applied.clear()
    for number in range(100, 110):
        make_account(user_part=f"new{number}")
    Account.objects.filter(user_part="user007").update(state="grace")
    outbox.mark(store_ids=[site.store.pk], kind=Kind.SUBSCRIBER, keys=["*"])
    site.push()
    first = applied[0][0]
    assert first.key == "user007@voice.example.com"
    assert first.after is not None


def test_a_leaver_who_is_marked_during_a_full_pass_does_not_wait_for_its_end(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaver = pushed(site, 1)[0]
    make_domain("second.example.com")
    for number in range(100, 120):
        make_account(user_part=f"new{number}")
    seen: list[int] = []

    def act(call: int) -> None:
        if call == 2:
            Account.objects.filter(pk=leaver.pk).update(state="disabled")
            outbox.mark_account(leaver)
        if site.subscribers()[leaver.aor] == "!":
            seen.append(call)

    before_each_apply(monkeypatch, act)
    outbox.mark_store(site.store)
    site.push()
    # The second page marks, a single key follows, and the third page finds it done.
    assert seen[0] == 4
    assert len(site.subscribers()) == 21


@pytest.mark.django_db(transaction=True)
def test_a_page_that_was_made_ahead_never_undoes_what_single_keys_did_since(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaver = make_accounts(2 * PAGE)[PAGE + 1]
    made: list[Collection[str]] = []
    second_page = threading.Event()

    def derive(*, store: ConfigStore, kind: Kind, page: desired.Page) -> desired.Desired:
        rows = desired.derive(store=store, kind=kind, page=page)
        if kind is Kind.SUBSCRIBER:
            made.append(page.keys)
            if leaver.aor in page.keys:
                second_page.set()
        return rows

    def act(call: int) -> None:
        if made and Account.objects.get(pk=leaver.pk).state == "active":
            assert second_page.wait(60), "the second page was not made ahead"
            Account.objects.filter(pk=leaver.pk).update(state="disabled")
            outbox.mark_account(leaver)

    monkeypatch.setattr(full_pass, "derive", derive)
    before_each_apply(monkeypatch, act)
    outbox.mark(store_ids=[site.store.pk], kind=Kind.SUBSCRIBER, keys=["*"])
    site.push()
    usable = {aor for aor, ha1 in site.subscribers().items() if ha1 != "!"}
    assert len(usable) == 2 * PAGE - 1
    assert leaver.aor not in usable
    assert len(made) > 1


def test_a_pass_never_holds_more_than_a_page(
    site: Site, monkeypatch: pytest.MonkeyPatch, applied: list[list[RowChange]]
) -> None:
    sizes: list[int] = []
    read, differing = KamailioStore.read, KamailioStore.differing

    def read_some(
        self: KamailioStore, kind: Kind, keys: Collection[str] | None = None
    ) -> Iterator[Row]:
        assert keys is not None, "the whole table was read"
        sizes.append(len(keys))
        return read(self, kind, keys)

    def compare_some(self: KamailioStore, kind: Kind, rows: Sequence[Row]) -> dict[str, Row | None]:
        sizes.append(len(rows))
        return differing(self, kind, rows)

    monkeypatch.setattr(KamailioStore, "read", read_some)
    monkeypatch.setattr(KamailioStore, "differing", compare_some)
    pushed(site, 30)
    Account.objects.update(state="removed")
    outbox.mark_store(site.store)
    site.push()
    assert not site.subscribers()
    assert max(sizes) == max(len(call) for call in applied) == PAGE


def test_a_pass_that_runs_out_of_time_goes_on_with_the_next_worker(
    site: Site, messages: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    make_accounts(10)
    outbox.mark_store(site.store)
    messages.clear()
    with django_capture_on_commit_callbacks(execute=True):
        report = site.push(patience=0)
    assert report.left == len(Kind)
    assert messages == [("provisioning.tasks.push_store", (site.store.pk,))]
    assert site.push().left == 0
    assert len(site.subscribers()) == 10


def test_a_pause_ends_a_pass_at_its_next_page(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    make_accounts(20)
    outbox.mark_store(site.store)
    before_each_apply(
        monkeypatch,
        lambda call: PushPause(pk=1, paused=True).save() if call == 1 else None,
    )
    site.push()
    assert (site.domains(), site.subscribers()) == ({"voice.example.com"}, {})
    PushPause.objects.all().delete()
    assert site.push().left == 0
    assert len(site.subscribers()) == 20


def test_a_store_that_is_set_to_observe_in_mid_pass_is_not_written_to_any_more(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_accounts(20)
    outbox.mark_store(site.store)
    actor = Actor("test")
    before_each_apply(
        monkeypatch, lambda call: set_store_mode(store=site.store, mode="observe", actor=actor)
    )
    site.push()
    assert site.subscribers() == {}
    assert not site.pending()


def test_a_mark_that_comes_during_the_pass_asks_for_another(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_accounts(5)
    outbox.mark_store(site.store)
    before_each_apply(
        monkeypatch, lambda call: outbox.mark_store(site.store) if call == 2 else None
    )
    assert site.push().left == len(Kind)
    assert site.push().left == 0


def test_what_a_pass_cannot_do_becomes_a_change_of_its_own_and_is_given_up_later(
    site: Site, settings: Any
) -> None:
    # Over before it begins, whatever the resolution of the clock.
    settings.PUSH_BACKOFF = -1
    site.execute(FOREIGN)
    make_accounts(10)
    outbox.mark_store(site.store)
    site.push()
    (change,) = dead_changes(store=site.store)
    assert (change.key, change.attempts) == ("user003@voice.example.com", 3)
    assert "neither created nor adopted" in change.problem
    assert len(site.subscribers()) == 10


def test_what_was_given_up_is_done_by_the_next_pass_that_can(site: Site, settings: Any) -> None:
    # Over before it begins, whatever the resolution of the clock.
    settings.PUSH_BACKOFF = -1
    site.execute(FOREIGN)
    pushed(site)
    outbox.mark_store(site.store)
    site.push()
    assert dead_changes(store=site.store).count() == 1
    site.execute("DELETE FROM subscriber WHERE username = 'user003'")
    outbox.mark_store(site.store)
    site.push()
    assert not PendingChange.objects.exists()
    assert site.subscribers()["user003@voice.example.com"] not in {"x", "!"}


def test_given_up_changes_are_tried_again_on_demand(site: Site, settings: Any) -> None:
    # Over before it begins, whatever the resolution of the clock.
    settings.PUSH_BACKOFF = -1
    site.execute(FOREIGN)
    pushed(site)
    site.execute("DELETE FROM subscriber WHERE username = 'user003'")
    assert site.push().changed == 0
    assert retry_dead(store=site.store, actor=Actor("test")) == 1
    assert site.push().changed == 1
    assert not PendingChange.objects.exists()
