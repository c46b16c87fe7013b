"""Pushing to an OpenSIPS, taking an existing one over, and another algorithm for all of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.kamailio_store import PostgresqlStore
from lab.opensips import OPENSIPS_3_6, OpenSips
from lab.ports import HOST
from lab.postgresql import Postgresql
from lab.sip import Login, SipClient
from provisioning.core.sip import ha1
from provisioning.drivers.base import Kind, SubscriberRow
from provisioning.models import ConfigStore, SipServer
from provisioning.services.accounts.blocks import block_account
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.push import outbox
from provisioning.services.push.push import push_store
from provisioning.services.push.reconcile import reconcile
from provisioning.services.servers.adopt import adopt
from provisioning.services.servers.adopt_choice import Portion
from provisioning.services.servers.driver_access import open_server, open_store
from provisioning.services.servers.servers import check_server_health
from provisioning.services.servers.stores import save_store
from tests.drivers.conftest import backend_of
from tests.drivers.opensips.recorded import RecordedOpenSips
from tests.drivers.places import either_opensips
from tests.factories import make_account, make_domain, make_pool, make_store

pytestmark = pytest.mark.django_db(transaction=True)

DOMAIN = "voice.example.com"
ALGORITHMS = ("MD5", "SHA-256", "SHA-512-256")


@dataclass(frozen=True)
class Place:
    """An OpenSIPS, or what answers as one did, and its store here."""

    store: ConfigStore
    server: SipServer
    opensips: OpenSips | RecordedOpenSips
    lab: PostgresqlStore

    def statuses(self, user: str, password: str) -> list[int]:
        """What a REGISTER by each algorithm is answered."""
        with SipClient(self.opensips.sip_port) as client:
            logins = [Login(user, DOMAIN, password, algorithm=each) for each in ALGORITHMS]
            return [client.register(login).status for login in logins]


@pytest.fixture
def place(cluster: Postgresql, tmp_path: Path) -> Iterator[Place]:
    lab = PostgresqlStore(cluster, "push_opensips", release=OPENSIPS_3_6)
    lab.create()
    with either_opensips(backend_of(lab), tmp_path, ",".join(ALGORITHMS)) as opensips:
        store = make_store(
            driver="opensips", host=HOST, port=cluster.port, tls=False, database=lab.name,
            user=lab.console_role,
        )  # fmt: skip
        store.set_secret(cluster.password(lab.console_role))
        store.save()
        server = SipServer.objects.create(
            name="sip1", pool=make_pool(), store=store, sip_host=HOST, rpc_url=opensips.rpc_url
        )
        server.set_rpc_secret(opensips.rpc_secret)
        server.save()
        make_domain()
        yield Place(store, server, opensips, lab)
    lab.drop()


def push(store: ConfigStore) -> int:
    """Compares everything, writes what differs, and proves that nothing differs any more."""
    outbox.mark_store(store)
    report = push_store(store_id=store.pk)
    assert (report.failed, report.left, report.problem) == (0, 0, "")
    assert not any(reconcile(store=store).counts.values())
    return report.changed


def test_a_thousand_accounts_register_by_the_algorithm_of_their_store(place: Place) -> None:
    for n in range(1000):
        make_account(f"Room {n}", user_part=f"room{n}")
    account = make_account("Ann", user_part="ann")
    secret = account.credential.secret() or ""

    assert push(place.store) == 1002  # the SIP domain too
    assert place.statuses("ann", secret) == [200, 401, 401]
    assert place.statuses("ann", "wrong") == [401, 401, 401]
    place.server.refresh_from_db()
    assert place.server.reload_pending == []

    for algorithm, statuses in (
        ("SHA-256", [401, 200, 401]),
        ("SHA-512-256", [401, 401, 200]),
        ("MD5+SHA-256", [200, 200, 401]),
    ):
        place.store.algorithm = algorithm
        save_store(store=place.store, actor=COMMAND_LINE)
        assert push(place.store) == 1001
        assert place.statuses("ann", secret) == statuses

    live = contacts(place)
    assert len(live) == 4
    assert all(contact.startswith("sip:ann@") for contact in live)
    block_account(account=account, reason="test", actor=COMMAND_LINE)
    assert push_store(store_id=place.store.pk).failed == 0
    assert contacts(place) == []
    assert place.statuses("ann", secret) == [401, 401, 401]
    assert push(place.store) == 0


def test_phones_keep_their_old_passwords_when_they_are_taken_over(place: Place) -> None:
    make_account("Old", user_part="old")
    digest = ha1("old", DOMAIN, "the old password", "SHA-512-256")
    place.lab.execute(
        "INSERT INTO subscriber (username, domain, ha1, ha1_sha512t256) "  # noqa: S608
        f"VALUES ('old', '{DOMAIN}', '{'a' * 32}', '{digest}')"
    )
    place.store.algorithm = "SHA-512-256"
    place.store.mode = "observe"
    place.store.save()
    report = adopt(store=place.store, portion=Portion(), actor=COMMAND_LINE)
    assert (report.adopted, report.digests) == (1, 1)
    place.store.mode = "manage"
    place.store.save()
    push(place.store)
    with open_store(place.store) as driver:
        (row,) = driver.read(Kind.SUBSCRIBER)
    assert row == SubscriberRow("old", DOMAIN, digest)
    assert place.statuses("old", "the old password") == [401, 401, 200]


def test_the_health_of_an_opensips_is_kept_like_that_of_any_server(place: Place) -> None:
    check_server_health(server=place.server)
    place.server.refresh_from_db()
    assert place.server.health == SipServer.Health.UP
    assert place.server.version.startswith("OpenSIPS 3.")
    assert place.server.up_since is not None


def contacts(place: Place) -> list[str]:
    with open_server(place.server) as driver:
        return [each.contact for each in driver.registrations_of(f"ann@{DOMAIN}")]
