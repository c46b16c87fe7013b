"""Stores that are down, slow, locked or restarted: faults 23, 24, 26 and 28, on real databases."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from threading import Timer

import pytest
from pytest_django import Settings

from lab.kamailio_store import PostgresqlStore, SqliteStore
from lab.postgresql import Postgresql, temporary_postgresql
from lab.proxy import BlackHole, CutAfter, Delay, Pass, Proxy, Refuse
from provisioning.core.errors import Busy
from provisioning.drivers.base import Outcome, RowChange
from provisioning.drivers.kamailio.store import KamailioStore
from provisioning.models import ConfigStore, OwnedRow
from provisioning.services.console.sweep import sweep
from provisioning.services.push import outbox
from tests.factories import make_account, make_store
from tests.push_site import Site, place_of

pytestmark = pytest.mark.django_db

ANN = "ann@voice.example.com"


@pytest.fixture(autouse=True)
def impatient(settings: Settings) -> None:
    settings.SERVER_CONNECT_TIMEOUT = settings.SERVER_TOTAL_TIMEOUT = 2
    settings.PUSH_BACKOFF = 30


def proxied(site: Site, port: int) -> Site:
    """The same store behind a proxy."""
    ConfigStore.objects.filter(pk=site.store.pk).update(port=port)
    return site


@pytest.fixture
def postgresql_site(new_site: Callable[..., Site]) -> Site:
    return new_site("postgresql")


@pytest.fixture
def proxy(postgresql_site: Site) -> Iterator[Proxy]:
    with Proxy(postgresql_site.store.port) as proxy:
        proxied(postgresql_site, proxy.port)
        yield proxy


def wait_for_turn(site: Site) -> None:
    """Until the back-off of the store is over."""
    site.store.refresh_from_db()
    assert site.store.not_before is not None
    ConfigStore.objects.filter(pk=site.store.pk).update(not_before=None)


@pytest.mark.database
@pytest.mark.parametrize("fault", [Refuse(), BlackHole(), Delay(30), CutAfter(900)])
def test_a_store_that_cannot_be_used_backs_off_and_loses_nothing(
    postgresql_site: Site, proxy: Proxy, fault: Refuse
) -> None:
    site = postgresql_site
    outbox.mark_account(make_account(user_part="ann"))
    proxy.set(fault)
    began = time.monotonic()
    report = site.push()
    assert time.monotonic() - began < 20
    assert report.problem
    assert site.pending() == {ANN}
    with pytest.raises(Busy):
        site.push()
    assert sweep().stores == []
    proxy.set(Pass())
    wait_for_turn(site)
    assert site.push().left == 0
    site.store.refresh_from_db()
    assert (site.store.failures, site.store.problem, site.store.not_before) == (0, "", None)
    assert ANN in site.subscribers()


def test_the_back_off_of_a_store_grows(site: Site, settings: Settings) -> None:
    settings.PUSH_BACKOFF = 10
    outbox.mark_account(make_account(user_part="ann"))
    ConfigStore.objects.update(database="/tmp/rtcadmin-no-such-file.db")  # noqa: S108
    waits = []
    for _ in range(3):
        site.push()
        site.store.refresh_from_db()
        assert site.store.not_before is not None
        waits.append(site.store.not_before.timestamp() - time.time())
        ConfigStore.objects.update(not_before=None)
    assert [round(wait / 10) for wait in waits] == [1, 2, 4]


@pytest.mark.parametrize("after", range(400, 2600, 200))
def test_a_reply_that_gets_lost_leads_to_one_write_wherever_it_was_cut(
    postgresql_site: Site, proxy: Proxy, after: int
) -> None:
    site = postgresql_site
    site.execute(
        "CREATE TABLE effects (op text)",
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS "
        "'BEGIN INSERT INTO effects VALUES (TG_OP); RETURN NEW; END'",
        "CREATE TRIGGER note AFTER INSERT OR UPDATE ON subscriber FOR EACH ROW "
        "EXECUTE FUNCTION note()",
    )
    outbox.mark_account(make_account(user_part="ann"))
    proxy.set(CutAfter(after))
    for _ in range(3):
        site.push()
        ConfigStore.objects.update(not_before=None)
    proxy.set(Pass())
    site.push()
    assert not site.pending()
    assert ANN in site.subscribers()
    assert site.rows("SELECT op FROM effects") == [("INSERT",)]
    assert OwnedRow.objects.get().content


def test_a_database_that_restarts_in_mid_push_gets_the_rest_afterwards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with temporary_postgresql() as cluster:
        lab = PostgresqlStore(cluster, "kamailio")
        lab.create()
        site = Site(make_store(**place_of(lab)), lab)
        site.store.set_secret(cluster.password(lab.console_role))
        site.store.save()
        for number in range(5):
            outbox.mark_account(make_account(user_part=f"user{number}"))
        restart_during_apply(monkeypatch, cluster)
        assert site.push().problem
        assert len(site.pending()) == 5
        wait_for_turn(site)
        assert site.push().left == 0
        assert len(site.subscribers()) == 5


def restart_during_apply(monkeypatch: pytest.MonkeyPatch, cluster: Postgresql) -> None:
    original = KamailioStore.apply
    restarts = [cluster.restart]

    def apply(self: KamailioStore, changes: Sequence[RowChange]) -> list[Outcome]:
        if restarts:
            restarts.pop()()
        return original(self, changes)

    monkeypatch.setattr(KamailioStore, "apply", apply)


def test_a_lock_on_an_sqlite_store_is_waited_for_and_one_that_stays_backs_off(site: Site) -> None:
    assert isinstance(site.lab, SqliteStore)
    outbox.mark_account(make_account(user_part="ann"))
    with closing(sqlite3.connect(site.lab.file, check_same_thread=False)) as other:
        other.isolation_level = None
        other.execute("BEGIN IMMEDIATE")
        assert "locked" in site.push().problem
        assert site.pending() == {ANN}
        wait_for_turn(site)
        timer = Timer(0.2, other.rollback)
        timer.start()
        assert site.push().left == 0
        timer.join()
    assert ANN in site.subscribers()


def test_a_deadlock_with_somebody_else_is_an_error_that_passes(
    postgresql_site: Site, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = postgresql_site
    settings.SERVER_TOTAL_TIMEOUT = 5
    for name in ("ann", "bob"):
        outbox.mark_account(make_account(user_part=name))
    site.push()
    ConfigStore.objects.update(repairs_drift=True)
    # As 40P01 arrives: the database chose us as the victim.
    site.execute(
        "CREATE SEQUENCE once",
        "GRANT USAGE ON once TO PUBLIC",
        "CREATE FUNCTION victim() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN "
        "IF nextval('once') = 1 THEN RAISE SQLSTATE '40P01'; END IF; RETURN NEW; END$$",
        "CREATE TRIGGER victim BEFORE UPDATE ON subscriber FOR EACH ROW EXECUTE FUNCTION victim()",
    )
    site.execute("UPDATE subscriber SET ha1 = repeat('0', 32) WHERE username = 'nobody'")
    outbox.mark_store(site.store)
    site.execute("ALTER TABLE subscriber DISABLE TRIGGER victim")
    site.execute("UPDATE subscriber SET ha1 = repeat('0', 32)")
    site.execute("ALTER TABLE subscriber ENABLE TRIGGER victim")
    assert site.push().problem
    wait_for_turn(site)
    assert site.push().left == 0
    assert set(site.subscribers().values()) != {"0" * 32}
