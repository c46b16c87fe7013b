"""The overview: figures, what is wrong, what waits, the first steps; and what it costs."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from provisioning.core.states import State
from provisioning.models import AccountRule, ClientProfile, PendingChange, Run, SipServer
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.console import audit
from provisioning.services.console.overview import Overview, overview
from tests.factories import make_account, make_person, make_rule, make_source, make_store
from tests.web.pages import text_of

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def make_server(name: str = "sip1", **values: Any) -> SipServer:
    store = values.pop("store", None) or make_store()
    return SipServer.objects.create(
        name=name, pool=store.pool, store=store, sip_host=f"{name}.example.com",
        rpc_url=f"https://{name}.example.com/RPC", **values,
    )  # fmt: skip


def pending(store: Any, key: str, *, dead: bool = False, kind: str = "subscriber") -> None:
    PendingChange.objects.create(
        store=store, kind=kind, key=key, dead=dead, marked_at=timezone.now()
    )


def titles(found: Overview) -> list[str]:
    return [notice.title for notice in found.alerts]


def test_the_figures_count_what_is_there_now() -> None:
    source = make_source()
    make_person("Here", source=source)
    make_person("Gone", source=source, left_at=timezone.now())
    make_person("Torn", source=source, problem="The number is taken.")
    for state in (State.ACTIVE, State.ACTIVE, State.ACTIVE, State.BLOCKED, State.REMOVED):
        make_account(state=state)
    make_server("sip1", registration_count=2)
    make_server("sip2", registration_count=None)
    found = overview()
    assert (found.people, found.conflicts, found.accounts, found.active) == (2, 1, 4, 3)
    assert (found.registered, found.registered_percent) == (2, 67)
    assert [(share.state, share.count, share.start, share.width) for share in found.shares] == [
        (State.ACTIVE, 3, 0.0, 75.0),
        (State.BLOCKED, 1, 75.0, 25.0),
    ]


def test_nobody_knows_the_registrations_before_a_server_was_asked() -> None:
    make_server(registration_count=None)
    found = overview()
    assert (found.registered, found.registered_percent) == (None, None)


def test_a_server_that_is_down_says_whom_it_concerns() -> None:
    server = make_server(
        health="down", health_problem="No answer in 3 s", down_since=timezone.now()
    )
    make_account(pool=server.pool)
    [notice] = overview().alerts
    assert notice.title == "sip1 does not answer."
    assert "1 account of Frankfurt may be unable to register. No answer in 3 s." in notice.text
    make_server("sip2", store=server.store, health="up")
    [notice] = overview().alerts
    assert "The other servers of Frankfurt still do." in notice.text


def test_a_server_that_does_not_let_the_console_in_is_not_down() -> None:
    server = make_server(
        health="refused", health_problem="Set the secret", down_since=timezone.now()
    )
    make_account(pool=server.pool)
    [notice] = overview().alerts
    assert notice.title == "sip1 does not let the console in."
    assert notice.text.startswith("Calls and registrations go on")
    assert notice.text.endswith("Set the secret.")


def test_a_server_that_was_switched_off_is_no_alert() -> None:
    make_server(health="down", enabled=False)
    assert overview().alerts == []


def test_a_store_that_cannot_be_written_says_what_waits() -> None:
    store = make_store(name="voice db", problem="The password is not accepted.\nDETAIL: …")
    pending(store, "a@x")
    pending(store, "b@x")
    pending(store, "c@x", dead=True)
    found = overview()
    assert titles(found) == ["voice db cannot be written.", "voice db did not take 1 change."]
    assert found.alerts[0].text == (
        "The password is not accepted. 2 changes wait until it works; none is lost."
    )
    assert (found.pending.single, found.given_up) == (2, 1)


def test_comparing_everything_is_not_one_change(as_viewer: Client) -> None:
    store = make_store(name="voice db")
    pending(store, PendingChange.ALL)
    pending(store, PendingChange.ALL, kind="alias")
    for number in range(3):
        pending(store, f"{number}@x")
    waiting = overview().pending
    assert waiting.headline == "Everything"
    assert waiting.text == "everything at voice db is compared, and 3 single changes"
    assert waiting.text in text_of(as_viewer.get("/"))
    assert waiting.text.capitalize() in text_of(as_viewer.get(f"/stores/{store.pk}/"))
    assert "Everything + 3" in text_of(as_viewer.get("/pools/"))
    store.problem = "Refused."
    store.save()
    assert "Everything is compared as soon as it works" in overview().alerts[0].text


def test_a_failed_sync_is_an_alert_until_one_succeeds() -> None:
    source = make_source(name="corp")
    Run.objects.create(kind="sync", source=source, state="failed", problem="Time-out")
    assert titles(overview()) == ["corp could not be read."]
    Run.objects.create(kind="sync", source=source, state="failed", dry=True, problem="preview")
    Run.objects.create(kind="sync", source=source, state="done")
    assert overview().alerts == []


def test_groups_that_could_not_be_read_are_an_alert() -> None:
    make_source(name="corp", groups_stale_since=timezone.now())
    assert titles(overview()) == ["The groups of corp are out of date."]


def test_what_waits_is_what_somebody_has_to_decide() -> None:
    source = make_source(name="corp")
    run = Run.objects.create(kind="sync", source=source, state="waiting", breaches=["one", "two"])
    make_person("Torn", source=source, problem="The number is taken.")
    [held, conflict] = overview().waiting
    assert (held.noun, held.pk) == ("run", run.pk)
    assert held.text == "2 limits passed; what passes them waits for you"
    assert conflict.title == "One person has a conflict"


def test_the_first_steps_are_ticked_off_one_by_one() -> None:
    assert (overview().steps_done, overview().setting_up) == (0, True)
    source = make_source()
    make_rule()
    make_server(store=make_store(mode="observe"))
    done = {step.key for step in overview().steps if step.done}
    assert done == {"source", "domain", "pool", "store", "server", "rule"}
    source.last_complete_at = timezone.now()
    source.save()
    make_store(mode="manage")
    ClientProfile.objects.create(name="Softphone")
    assert not overview().setting_up
    AccountRule.objects.all().delete()
    assert overview().setting_up


def test_the_page_needs_few_queries_however_much_there_is(
    as_viewer: Client, django_assert_max_num_queries: Any
) -> None:
    source = make_source()
    for number in range(5):
        server = make_server(f"sip{number}", health="down")
        pending(server.store, "a@x")
        make_account(f"Room {number}")
        make_person(f"Person {number}", source=source, problem="conflict")
        Run.objects.create(kind="sync", source=source, state="waiting")
        audit.record(actor=COMMAND_LINE, action=f"did {number}")
    as_viewer.get("/")
    with django_assert_max_num_queries(29):
        page = as_viewer.get("/").content.decode()
    assert "sip4 does not answer." in page
    assert "Did 4" in page


def test_a_newcomer_finds_the_first_steps(as_administrator: Client, as_viewer: Client) -> None:
    page = as_administrator.get("/").content.decode()
    assert "First steps" in page
    assert "0 of 9 done" in page
    assert "Pause pushes" in page
    assert "Pause pushes" not in as_viewer.get("/").content.decode()


def test_people_with_conflicts_lead_to_the_list_of_them(as_viewer: Client) -> None:
    make_person("Torn", source=make_source(), problem="The number is taken.")
    assert (
        '<a class="rt-waiting" href="/changes/conflicts/">' in as_viewer.get("/").content.decode()
    )


def test_without_a_managed_store_nobody_claims_that_servers_are_as_intended(
    as_viewer: Client,
) -> None:
    make_store(mode="observe")
    assert "no store is managed yet" in text_of(as_viewer.get("/"))
    make_store()
    assert "servers are as intended" in text_of(as_viewer.get("/"))


def test_a_server_that_has_not_reloaded_is_not_as_intended(as_viewer: Client) -> None:
    store = make_store()
    server = make_server(store=store, reload_pending=["gateway"])
    assert "sip1 has not reloaded yet" in text_of(as_viewer.get("/"))
    make_server("sip2", store=store, reload_pending=["route"])
    page = text_of(as_viewer.get("/"))
    assert "2 servers have not reloaded yet" in page
    assert "servers are as intended" not in page
    SipServer.objects.exclude(pk=server.pk).update(reload_pending=[])
    SipServer.objects.filter(pk=server.pk).update(enabled=False)
    assert "servers are as intended" in text_of(as_viewer.get("/"))


def test_servers_with_drift_are_not_as_intended(as_viewer: Client) -> None:
    store = make_store(drift_count=1)
    assert "1 row at the servers differs" in text_of(as_viewer.get("/"))
    store.drift_count = 2
    store.save()
    page = text_of(as_viewer.get("/"))
    assert "2 rows at the servers differ" in page
    assert "servers are as intended" not in page


def test_activity_names_the_kind_of_what_was_made_and_leaves_its_fields_to_the_audit_log(
    as_viewer: Client,
) -> None:
    detail = {"name": ["", "Everybody"], "enabled": ["", True]}
    audit.record(actor=COMMAND_LINE, action="created", obj=make_rule(name="Staff"), detail=detail)
    page = text_of(as_viewer.get("/"))
    assert "Created account rule Staff" in page
    assert "Everybody" not in page
    assert "yes" in text_of(as_viewer.get("/audit/"))
