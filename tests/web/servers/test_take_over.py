"""The pages of the take-over: preview and adopt, scope, drift, pushes and their revert."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from lab.kamailio_store import SqliteStore
from provisioning.core.sip import ha1
from provisioning.models import Account, ConfigStore, Drift, OwnedRow, PushRecord
from provisioning.services.push import outbox
from provisioning.services.push.push import push_store
from provisioning.services.push.reconcile import reconcile
from tests.factories import make_account, make_domain, make_store
from tests.web.pages import queries_of, text_of

pytestmark = pytest.mark.django_db

DOMAIN = "voice.example.com"


@pytest.fixture
def store(tmp_path: Path, settings: Settings) -> ConfigStore:
    """Three accounts here, two of which somebody had made at the server before."""
    settings.SQLITE_STORES = tmp_path
    lab = SqliteStore(tmp_path / "kamailio.db")
    lab.create()
    make_domain()
    for user in ("ann", "bob", "cem"):
        make_account(user.capitalize(), user_part=user)
    for user in ("ann", "bob"):
        lab.execute(
            "INSERT INTO subscriber (username, domain, ha1) VALUES "  # noqa: S608
            f"('{user}', '{DOMAIN}', '{ha1(user, DOMAIN, 'old')}');"
        )
    return make_store(
        name="Old", mode="observe", dialect="sqlite", database=str(lab.file), tls=False
    )


def execute(store: ConfigStore, statement: str) -> list[Any]:
    with closing(sqlite3.connect(store.database, isolation_level=None)) as connection:
        return connection.execute(statement).fetchall()


def managed(store: ConfigStore) -> ConfigStore:
    ConfigStore.objects.update(mode="manage")
    outbox.mark_store(store)
    push_store(store_id=store.pk)
    store.refresh_from_db()
    return store


def test_a_portion_is_previewed_then_adopted(as_administrator: Client, store: ConfigStore) -> None:
    address = f"/stores/{store.pk}/adopt/"
    chosen = {"aors": f"ann@{DOMAIN}", "action": "preview"}
    page = text_of(as_administrator.post(address, chosen))
    assert "1 account would be adopted" in page
    assert "clients notice nothing" in page
    assert not OwnedRow.objects.exists()
    answer = as_administrator.post(address, chosen | {"action": "adopt"})
    assert answer.status_code == 302
    assert list(OwnedRow.objects.values_list("key", flat=True)) == [f"ann@{DOMAIN}"]
    account = Account.objects.get(user_part="ann")
    assert "Its clear text is not known" in text_of(
        as_administrator.get(f"/accounts/{account.pk}/")
    )
    pushes = text_of(as_administrator.get(f"/stores/{store.pk}/pushes/"))
    assert "Adoption #" in pushes
    assert "1 adopted" in pushes


def test_a_group_that_is_not_there_is_said_at_its_field(
    as_administrator: Client, store: ConfigStore
) -> None:
    answer = as_administrator.post(f"/stores/{store.pk}/adopt/", {"group": "Nobody's"})
    assert answer.status_code == 422
    assert "There is no group Nobody's" in text_of(answer)


def test_the_scope_is_kept_and_lists_who_is_outside(
    as_administrator: Client, store: ConfigStore
) -> None:
    other = make_domain("other.example.com")
    address = f"/stores/{store.pk}/scope/"
    as_administrator.post(address, {"kinds": ["subscriber"], "domains": [other.pk]})
    page = text_of(as_administrator.get(address))
    assert "Accounts outside 3" in page
    account = Account.objects.get(user_part="ann")
    assert "outside the managed scope" in text_of(as_administrator.get(f"/accounts/{account.pk}/"))


def test_drift_is_counted_looked_at_ignored_and_repaired(
    as_administrator: Client, store: ConfigStore
) -> None:
    managed(store)
    assert "Not compared yet" in text_of(as_administrator.get("/drift/"))
    assert "Nothing differs" not in text_of(as_administrator.get(f"/stores/{store.pk}/drift/"))
    execute(store, "DELETE FROM subscriber WHERE username = 'cem'")
    address = f"/stores/{store.pk}/drift/"
    as_administrator.post(address, {"action": "look"})
    page = text_of(as_administrator.get(address))
    assert f"cem@{DOMAIN} Account Missing" in page
    assert "Old: 1 row differs." in text_of(as_administrator.get("/"))
    assert f"cem@{DOMAIN}" in text_of(as_administrator.get("/drift/"))
    (drift,) = Drift.objects.all()
    until = timezone.localdate().isoformat()
    chosen = {"pk": drift.pk, "until": until, "reason": "moving house"}
    forgotten = as_administrator.post(address, chosen | {"action": "ignore", "reason": " "})
    assert "That did not work" in text_of(forgotten)
    assert f'value="{drift.pk}" checked' in " ".join(forgotten.content.decode().split())
    as_administrator.post(address, chosen | {"action": "ignore"})
    page = text_of(as_administrator.get(address))
    assert "Nothing else differs" in page
    assert "Nothing differs" not in page
    page = text_of(as_administrator.get("/drift/"))
    assert "1 ignored" in page
    assert "Nothing differs" not in page
    assert "moving house" in text_of(as_administrator.get(f"{address}?ignored"))
    as_administrator.post(address, chosen | {"action": "repair"})
    push_store(store_id=store.pk)
    assert execute(store, "SELECT count(*) FROM subscriber WHERE username = 'cem'") == [(1,)]


def test_of_several_values_those_that_can_are_taken_over_and_the_others_told(
    as_administrator: Client, store: ConfigStore
) -> None:
    make_account("Dan", user_part="dan")
    managed(store)
    execute(store, "DELETE FROM subscriber WHERE username = 'dan'")
    execute(
        store,
        "UPDATE subscriber SET ha1 = '0123456789abcdef0123456789abcdef' WHERE username = 'cem'",
    )
    address = f"/stores/{store.pk}/drift/"
    as_administrator.post(address, {"action": "look"})
    assert Drift.objects.count() == 2
    told = text_of(as_administrator.post(address, {"action": "take-over", "all": "1"}, follow=True))
    assert "1 value taken over." in told
    assert f"1 row left alone. dan@{DOMAIN}: Only a changed password" in told
    assert [each.key for each in Drift.objects.all()] == [f"dan@{DOMAIN}"]
    refused = as_administrator.post(address, {"action": "take-over", "all": "1"})
    assert f"dan@{DOMAIN}: Only a changed password" in text_of(refused)


def test_all_of_a_list_is_what_the_list_shows(as_administrator: Client, store: ConfigStore) -> None:
    managed(store)
    now = timezone.now()
    until = timezone.localdate() + timedelta(days=3)
    for key, ignored in (("open@b", None), ("left@b", until)):
        Drift.objects.create(
            store=store, kind="subscriber", key=key, problem="missing", first_seen=now,
            seen_at=now, ignored_until=ignored,
        )  # fmt: skip
    later = until + timedelta(days=1)
    given = {"action": "ignore", "all": "1", "until": later.isoformat(), "reason": "moving"}
    as_administrator.post(f"/stores/{store.pk}/drift/?ignored", given)
    assert dict(Drift.objects.values_list("key", "ignored_until")) == {
        "open@b": None, "left@b": later,
    }  # fmt: skip


def test_the_pages_of_drift_cost_the_same_however_much_differs(
    as_administrator: Client, store: ConfigStore
) -> None:
    managed(store)
    now = timezone.now()
    one = f"/stores/{store.pk}/drift/"
    Drift.objects.create(
        store=store, kind="subscriber", key="a@b", problem="missing", first_seen=now, seen_at=now
    )
    before = [queries_of(as_administrator, address) for address in (one, "/drift/")]
    for number in range(20):
        Drift.objects.create(
            store=store, kind="subscriber", key=f"{number}@b", problem="missing", first_seen=now,
            seen_at=now,
        )  # fmt: skip
    assert [queries_of(as_administrator, address) for address in (one, "/drift/")] == before


def test_a_push_is_reverted_with_a_reason(as_administrator: Client, store: ConfigStore) -> None:
    managed(store)
    record = PushRecord.objects.get()
    address = f"/stores/{store.pk}/pushes/{record.pk}/"
    told = text_of(as_administrator.get(address))
    assert "created. By the console," in told
    assert "Deleted again" in told
    assert f"cem@{DOMAIN} Account: is deleted again" in told
    assert as_administrator.post(address, {"days": 7}).status_code == 422
    done = as_administrator.post(address, {"days": 7, "reason": "wrong"}, follow=True)
    assert "rows restored. The console wants" in text_of(done)
    assert "otherwise still and leaves them alone until" in text_of(done)
    assert " 0 " not in text_of(done).partition("was reverted.")[2][:200]
    told = text_of(as_administrator.get(address))
    assert "Nothing to revert There is nothing to revert: what stood there" in told
    assert "Leave alone" not in told
    assert execute(store, "SELECT count(*) FROM subscriber WHERE username = 'cem'") == [(0,)]
    assert reconcile(store=store).ignored == 2
    assert "Revert #" in text_of(as_administrator.get(f"/stores/{store.pk}/pushes/"))


def test_chosen_accounts_get_new_credentials_after_their_clients_were_named(
    as_administrator: Client, store: ConfigStore
) -> None:
    account = Account.objects.select_related("credential").get(user_part="ann")
    page = text_of(
        as_administrator.post("/accounts/chosen/", {"action": "rotate", "pk": account.pk})
    )
    assert "New credentials for 1 account" in page
    assert f"sip:ann@{DOMAIN}" in page
    as_administrator.post("/accounts/chosen/credentials/", {"ids": str(account.pk)})
    version = account.credential.version
    account.credential.refresh_from_db()
    assert account.credential.version == version + 1
