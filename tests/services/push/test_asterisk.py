"""Pushing to an Asterisk, taking an existing one over, drift there, and the way back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from lab.asterisk import TABLES, Asterisk, AsteriskStore
from lab.authority import Authority
from lab.ports import HOST
from lab.postgresql import Postgresql
from lab.sip import Login, SipClient
from provisioning.core.sip import ha1
from provisioning.drivers.asterisk.own_tables import OWN_TABLES
from provisioning.models import Account, ConfigStore, Drift, OwnedRow, PushRecord, SipServer
from provisioning.services.accounts.standing import settle
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.push import drift_actions, outbox
from provisioning.services.push.push import push_store
from provisioning.services.push.reconcile import reconcile
from provisioning.services.push.revert import revert
from provisioning.services.servers.adopt import Effect, adopt, preview_adoption
from provisioning.services.servers.adopt_choice import Portion
from provisioning.services.servers.observe import Category, observe_store
from provisioning.services.servers.servers import check_server_health
from tests.factories import make_account, make_domain, make_person, make_pool, make_store

pytestmark = pytest.mark.django_db(transaction=True)

DOMAIN = "voice.example.com"
OLD = "the old password"
ANN = f"ann@{DOMAIN}"


@dataclass(frozen=True)
class Place:
    """An Asterisk, its store here, and its database as somebody else sees it."""

    store: ConfigStore
    server: SipServer
    asterisk: Asterisk

    def insert(self, table: str, **columns: str) -> None:
        names, marks = ", ".join(columns), ", ".join(["%s"] * len(columns))
        with self._connect() as connection:
            connection.execute(
                f"INSERT INTO {table} ({names}) VALUES ({marks})".encode(),  # noqa: S608
                list(columns.values()),
            )

    def execute(self, statement: str, *values: str) -> None:
        with self._connect() as connection:
            connection.execute(statement.encode(), values or None)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self._connect() as connection:
            return [tuple(row) for row in connection.execute(query.encode()).fetchall()]

    def _connect(self) -> psycopg.Connection[Any]:
        lab = self.asterisk.store
        return psycopg.connect(lab.cluster.url(lab.name))

    def content(self) -> list[list[tuple[Any, ...]]]:
        """Every row of an account, with all its columns."""
        tables = ("ps_endpoints", "ps_auths", "ps_aors", "extensions")
        return [self.rows(f"SELECT * FROM {table} ORDER BY id") for table in tables]  # noqa: S608

    def manage(self) -> None:
        ConfigStore.objects.filter(pk=self.store.pk).update(mode="manage")
        self.store.refresh_from_db()
        outbox.mark_store(self.store)

    def status(self, user: str, password: str) -> int:
        with SipClient(self.asterisk.sip_port) as client:
            return client.register(Login(user, DOMAIN, password)).status


@pytest.fixture(scope="module")
def running(
    cluster: Postgresql, authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Asterisk]:
    directory: Path = tmp_path_factory.mktemp("asterisk")
    lab = AsteriskStore(cluster, "push_asterisk")
    with Asterisk(directory, authority, lab, domains=(DOMAIN,)) as asterisk:
        yield asterisk


@pytest.fixture
def place(running: Asterisk, db: None) -> Iterator[Place]:
    """A store on an empty database, observed, and its running server."""
    lab = running.store
    store = make_store(
        driver="asterisk", mode="observe", host=HOST, port=lab.cluster.port, tls=False,
        database=lab.name, user=lab.console_role, algorithm="MD5+SHA-256",
    )  # fmt: skip
    store.set_secret(lab.cluster.password(lab.console_role))
    store.save()
    server = SipServer.objects.create(
        name="pbx1", pool=make_pool(), store=store, sip_host=HOST, rpc_url=running.control_url
    )
    server.set_rpc_secret(running.control_secret)
    server.save()
    make_domain()
    yield Place(store, server, running)
    tables = (*TABLES, *(target.table.name for target in OWN_TABLES.values()))
    lab.execute(f"TRUNCATE {', '.join(tables)} RESTART IDENTITY")
    for name in ("auth", "aor", "endpoint"):
        running.command(f"sorcery memory cache expire res_pjsip/{name}")


def fill(place: Place) -> None:
    """Accounts as administrators of an Asterisk make them: bare ids, clear texts, old columns."""
    clear = {"auth_type": "userpass", "password": "their clear text"}
    auths: dict[str, dict[str, str]] = {
        "1001": {"auth_type": "md5", "md5_cred": ha1("1001", DOMAIN, OLD)},
        "clear": clear,
        "fax": {"password": "fax"},
        "other": {"password": "x", "realm": "elsewhere.example"},
    }
    for user, columns in auths.items():
        auth = f"{user}-auth"
        place.insert("ps_endpoints", id=user, auth=auth, aors=user, context="internal")
        place.insert("ps_auths", **{"id": auth, "username": user, "realm": DOMAIN, **columns})
        place.insert("ps_aors", id=user, max_contacts="2")
    place.insert("ps_endpoints", id="carrier", context="incoming")
    place.insert(
        "extensions", context=DOMAIN, exten="+442079460101", priority="1", app="Dial",
        appdata="PJSIP/clear,20",
    )  # fmt: skip
    make_account(person=make_person("Bob Ray", login="1001"), user_part="bob.ray")
    make_account("Clear", user_part="clear")


def test_what_is_intended_is_pushed_and_who_is_blocked_loses_the_registration(
    place: Place,
) -> None:
    account = make_account("Ann", user_part="ann")
    secret = account.credential.secret() or ""
    place.manage()

    report = push_store(store_id=place.store.pk)

    assert (report.failed, report.left, report.problem) == (0, 0, "")
    for algorithm in ("MD5", "SHA-256"):
        with SipClient(place.asterisk.sip_port) as client:
            login = Login("ann", DOMAIN, secret, algorithm=algorithm)
            assert client.register(login).status == 200
    assert place.rows("SELECT count(*) FROM ps_contacts") == [(2,)]
    place.server.refresh_from_db()
    assert place.server.reload_pending == []

    account.blocked, account.blocked_reason = True, "test"
    settle([account])
    assert push_store(store_id=place.store.pk).failed == 0

    assert place.rows("SELECT count(*) FROM ps_contacts") == [(0,)]
    assert place.status("ann", secret) == 401
    outbox.mark_store(place.store)
    assert push_store(store_id=place.store.pk).changed == 0


def test_the_health_of_an_asterisk_is_kept_like_that_of_any_server(place: Place) -> None:
    check_server_health(server=place.server)
    place.server.refresh_from_db()
    assert place.server.health == SipServer.Health.UP
    assert place.server.version.startswith("Asterisk 22.")
    assert place.server.up_since is not None


def test_an_existing_asterisk_is_observed_without_a_change(place: Place) -> None:
    fill(place)
    before = place.content()
    report = observe_store(store=place.store)
    assert report.accounts == 4
    assert report.domains == {DOMAIN: 3, "elsewhere.example": 1}
    assert report.unknown_domains == ["elsewhere.example"]
    assert report.counts[Category.MATCHED] == 2
    assert report.counts[Category.UNKNOWN] == 2
    assert place.content() == before


def test_phones_register_with_their_old_passwords_before_and_after_they_are_taken_over(
    place: Place,
) -> None:
    fill(place)
    portion = Portion(clear_text=True)
    preview = preview_adoption(store=place.store, portion=portion)
    assert (preview.adopted, preview.renamed, preview.aliases) == (2, 1, 1)
    assert preview.effects[Effect.DIGEST] == 1
    assert place.status("1001", OLD) == 200

    adopt(store=place.store, portion=portion, actor=COMMAND_LINE)
    place.manage()
    report = push_store(store_id=place.store.pk)

    assert report.failed == 0
    assert place.status("1001", OLD) == 200
    assert place.status("clear", "their clear text") == 200
    assert place.status("fax", "fax") == 200
    assert place.rows("SELECT id FROM ps_auths WHERE password IS NOT NULL ORDER BY id") == [
        ("fax-auth",), ("other-auth",),
    ]  # fmt: skip
    # Ids, contexts and what else others chose stay.
    assert place.rows("SELECT id, auth, context FROM ps_endpoints ORDER BY id") == [
        ("1001", "1001-auth", "internal"), ("carrier", None, "incoming"),
        ("clear", "clear-auth", "internal"), ("fax", "fax-auth", "internal"),
        ("other", "other-auth", "internal"),
    ]  # fmt: skip
    assert Account.objects.filter(aor=f"1001@{DOMAIN}").exists()
    outbox.mark_store(place.store)
    assert push_store(store_id=place.store.pk).changed == 0


def test_an_adoption_that_is_reverted_lets_the_same_phones_in_as_before(place: Place) -> None:
    fill(place)
    adopt(store=place.store, portion=Portion(clear_text=True), actor=COMMAND_LINE)
    place.manage()
    push_store(store_id=place.store.pk)
    record = PushRecord.objects.get(kind="adoption")
    revert(record=record, reason="wrong portion", actor=COMMAND_LINE)
    assert place.rows("SELECT password, password_digest FROM ps_auths WHERE id = 'clear-auth'") == [
        ("their clear text", None)
    ]
    assert place.status("1001", OLD) == 200
    assert place.status("clear", "their clear text") == 200
    assert not OwnedRow.objects.filter(kind="subscriber").exists()


def test_drift_at_an_asterisk_is_found_and_repaired(place: Place) -> None:
    for user in ("ann", "bob"):
        make_account(user_part=user)
    place.manage()
    push_store(store_id=place.store.pk)
    before = place.content()
    assert reconcile(store=place.store).total == 0
    place.execute("UPDATE ps_auths SET password_digest = %s WHERE id = %s", f"MD5:{'f' * 32}", ANN)
    for table in ("ps_endpoints", "ps_auths", "ps_aors"):
        place.execute(f"DELETE FROM {table} WHERE id = %s", f"bob@{DOMAIN}")  # noqa: S608
    assert reconcile(store=place.store).counts == {"changed": 1, "missing": 1}
    changed = Drift.objects.get(problem="changed")
    assert [field[0] for field in changed.fields] == ["password", "password for SHA-256"]
    drift_actions.repair(store=place.store, drift=list(Drift.objects.all()), actor=COMMAND_LINE)
    push_store(store_id=place.store.pk)
    assert place.content() == before
    assert reconcile(store=place.store).total == 0
