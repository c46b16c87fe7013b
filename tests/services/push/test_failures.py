"""Changes that cannot be done: tried a few times, then given up with their reason, alone."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from provisioning.core.errors import InvalidInput
from provisioning.core.sip import Algorithm, ha1
from provisioning.drivers.base import Kind
from provisioning.models import AuditEvent, ConfigStore, PendingChange, SipServer
from provisioning.services.actor import Actor
from provisioning.services.push import activation, desired, desired_subscribers, outbox
from provisioning.services.push.dead_letters import dead_changes, retry_dead
from tests.factories import make_account
from tests.push_site import Site

pytestmark = [pytest.mark.django_db, pytest.mark.database]

ACTOR = Actor("test")


@pytest.fixture(autouse=True)
def at_once(settings: Settings) -> None:
    # Over before it begins, whatever the resolution of the clock.
    settings.PUSH_BACKOFF = -1


def test_a_row_that_the_database_refuses_is_given_up_after_three_attempts_others_go_on(
    either_site: Site,
) -> None:
    either_site.refuse("poison")
    for name in ("ann", "poison", "bob"):
        outbox.mark_account(make_account(user_part=name))
    either_site.push()
    assert set(either_site.subscribers()) == {"ann@voice.example.com", "bob@voice.example.com"}
    (change,) = dead_changes(store=either_site.store)
    assert change.attempts == 3
    assert "no poison here" in change.problem


def test_a_change_that_breaks_the_console_s_own_code_is_found_among_many(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:

    def poisoned(user: str, realm: str, secret: str, algorithm: Algorithm) -> str:
        if user == "user07":
            raise ValueError("poison")
        return ha1(user, realm, secret, algorithm)

    monkeypatch.setattr(desired_subscribers, "ha1", poisoned)
    for number in range(20):
        outbox.mark_account(make_account(user_part=f"user{number:02}"))
    site.push()
    assert len(site.subscribers()) == 19
    (change,) = dead_changes(store=site.store)
    assert change.key == "user07@voice.example.com"
    assert "internal error" in change.problem


def test_the_same_in_a_full_pass(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desired, "PAGE", 4)
    test_a_change_that_breaks_the_console_s_own_code_is_found_among_many(site, monkeypatch)
    outbox.mark_store(site.store)
    site.push()
    assert PendingChange.objects.count() == dead_changes(store=site.store).count() == 1


def test_a_change_that_failed_waits_before_it_is_tried_again(
    site: Site, settings: Settings
) -> None:
    settings.PUSH_BACKOFF = 60
    site.refuse("poison")
    outbox.mark_account(make_account(user_part="poison"))
    assert site.push().left == 0
    (change,) = PendingChange.objects.all()
    assert (change.attempts, change.dead) == (1, False)
    assert site.push().failed == 0


def test_given_up_changes_are_revived_by_an_administrator_and_that_is_audited(
    site: Site,
) -> None:
    site.refuse("poison")
    outbox.mark_account(make_account(user_part="poison"))
    site.push()
    assert retry_dead(store=site.store, actor=ACTOR) == 1
    assert AuditEvent.objects.get().action == "retried"
    (change,) = PendingChange.objects.all()
    assert (change.attempts, change.dead, change.version) == (0, False, 2)


def test_reviving_says_so_when_there_is_nothing_to_revive_or_nothing_may_be_written(
    site: Site,
) -> None:
    with pytest.raises(InvalidInput, match="Nothing was given up"):
        retry_dead(store=site.store, actor=ACTOR)
    site.store.mode = ConfigStore.Mode.OBSERVE
    with pytest.raises(InvalidInput, match="only observed"):
        retry_dead(store=site.store, actor=ACTOR)


def test_a_store_that_failed_for_weeks_is_still_tried_every_few_minutes(
    site: Site, settings: Settings
) -> None:
    settings.PUSH_BACKOFF = 5.0
    ConfigStore.objects.update(failures=5000, database="/tmp/rtcadmin-no-such-file.db")  # noqa: S108
    outbox.mark_account(make_account(user_part="ann"))
    assert site.push().problem
    site.store.refresh_from_db()
    assert site.store.not_before is not None
    assert site.store.last_push_at is None
    assert site.store.failures == 5001


def test_a_reload_is_noted_before_the_rows_are_written_and_for_servers_in_maintenance_too(
    site: Site,
) -> None:
    values = {"pool": site.store.pool, "store": site.store, "sip_host": "sip.example.com"}
    SipServer.objects.create(name="one", enabled=True, rpc_url="http://127.0.0.1:1/", **values)
    SipServer.objects.create(name="two", enabled=False, rpc_url="http://127.0.0.1:1/", **values)
    SipServer.objects.filter(name="one").update(reload_pending=["alias"])
    activation.note_reloads(store=site.store, kinds={Kind.SIP_DOMAIN})
    noted = dict(SipServer.objects.values_list("name", "reload_pending"))
    assert noted == {"one": ["alias", "sip_domain"], "two": ["sip_domain"]}
    pending = activation.reloads_pending(store_id=site.store.pk)
    assert [server.name for server in pending] == ["one"]
