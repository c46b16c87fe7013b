"""Changes: the list of runs, the page of one, its progress and its undoing."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from provisioning.core.states import State
from provisioning.models import (
    Account,
    Pin,
    Run,
)
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.push.outbox import mark_store
from provisioning.services.push.pause import pause
from provisioning.services.runs.runs import execute_run
from tests.factories import (
    make_person,
    make_rule,
    make_source,
    make_store,
)
from tests.web.pages import text_of
from tests.web.runs.scene import HTMX, rules_run

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.mark.parametrize("page", ["/changes/", "/changes/conflicts/", "/changes/1/"])
def test_nobody_sees_changes_without_signing_in(client: Client, page: str) -> None:
    response = client.get(page)
    assert response.status_code == 302
    assert response["Location"].startswith("/sign-in/")


def test_what_waits_comes_first_in_the_list(as_viewer: Client, waiting: Run) -> None:
    page = as_viewer.get("/changes/").content.decode()
    assert "Waiting for approval" in page
    assert "10 changes of 10 people or groups" in page


def test_the_list_needs_the_same_queries_for_one_run_and_for_many(
    as_viewer: Client, django_assert_max_num_queries: Any
) -> None:
    source = make_source()
    for _ in range(30):
        Run.objects.create(kind="sync", source=source, state="done", counts={"person.update": 2})
    with django_assert_max_num_queries(15):
        assert b"2 changed" in as_viewer.get("/changes/").content


def test_the_list_filters_and_refuses_what_it_does_not_offer(as_viewer: Client) -> None:
    Run.objects.create(kind="sync", source=make_source(name="North"), state="failed")
    Run.objects.create(kind="rules", state="done")
    page = as_viewer.get("/changes/?state=failed", headers=HTMX).content.decode()
    assert "North" in page
    assert "Account rules #" not in page
    assert as_viewer.get("/changes/?state=nonsense").status_code == 400


def test_runs_that_found_nothing_can_be_left_out(as_viewer: Client, waiting: Run) -> None:
    nothing = Run.objects.create(kind="rules", state="done")
    failed = Run.objects.create(kind="rules", state="failed", problem="The disk is full.")
    found = {
        name: {run for run in (waiting, nothing, failed) if f"/changes/{run.pk}/" in page}
        for name in ("something", "nothing")
        for page in [as_viewer.get(f"/changes/?found={name}", headers=HTMX).content.decode()]
    }
    assert found == {"something": {waiting, failed}, "nothing": {nothing}}


def test_the_page_says_which_limit_is_passed_and_names_the_people(
    as_administrator: Client, waiting: Run
) -> None:
    page = as_administrator.get(f"/changes/{waiting.pk}/").content.decode()
    assert "10 changes of 10 people or groups wait for approval" in page
    assert "loss of service, 10 planned" in page
    assert "Approve all 10" in page
    assert "becomes grace" in page
    assert page.count('name="pk"') == 10


def test_the_page_of_a_run_needs_few_queries(
    as_administrator: Client, waiting: Run, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(24):
        as_administrator.get(f"/changes/{waiting.pk}/")


def test_a_preview_shows_the_plan_and_offers_the_real_run(as_helpdesk: Client) -> None:
    make_rule()
    make_person("Ann Lee", login="ann")
    run = rules_run(dry=True)
    page = as_helpdesk.get(f"/changes/{run.pk}/").content.decode()
    assert "A preview: 1 change, nothing was applied." in page
    assert "ann@voice.example.com" in page
    assert "Apply the rules" in page
    assert not Account.objects.exists()


def test_progress_is_polled_until_the_run_is_over(as_viewer: Client) -> None:
    run = Run.objects.create(kind="sync", source=make_source(), state="running", phase="read",
                             done=400, total=1200)  # fmt: skip
    response = as_viewer.get(f"/changes/{run.pk}/progress/", headers=HTMX)
    assert response.status_code == 200
    assert "400 of about 1,200 people" in response.content.decode()
    assert "hx-get" in response.content.decode()
    Run.objects.update(state="failed", problem="The directory said no. Nothing was changed.")
    response = as_viewer.get(f"/changes/{run.pk}/progress/", headers=HTMX)
    assert response.status_code == 286
    assert response["HX-Refresh"] == "true"
    assert "The directory said no." in response.content.decode()


def test_a_run_that_no_worker_takes_says_so(as_viewer: Client) -> None:
    run = Run.objects.create(kind="rules")
    Run.objects.update(created_at=timezone.now() - timedelta(minutes=2))
    assert "No worker has taken it" in as_viewer.get(f"/changes/{run.pk}/").content.decode()


def test_a_run_is_stopped_before_it_applies_and_not_after(as_helpdesk: Client) -> None:
    queued = Run.objects.create(kind="rules")
    as_helpdesk.post(f"/changes/{queued.pk}/stop/")
    assert Run.objects.get(pk=queued.pk).state == Run.State.STOPPED
    applying = Run.objects.create(kind="rules", state="running", phase="apply")
    response = as_helpdesk.post(f"/changes/{applying.pk}/stop/", follow=True)
    assert "It was not stopped." in response.content.decode()


def test_a_finished_run_promises_a_push_only_where_there_will_be_one(as_viewer: Client) -> None:
    make_person(source=make_source())
    make_rule()
    address = f"/changes/{rules_run().pk}/"
    assert "No store is managed yet" in as_viewer.get(address).content.decode()
    store = make_store()
    assert "The SIP servers were told" in as_viewer.get(address).content.decode()
    mark_store(store)
    assert "on their way to the SIP servers" in as_viewer.get(address).content.decode()
    pause(reason="Maintenance", actor=COMMAND_LINE)
    assert "wait until the pause ends" in as_viewer.get(address).content.decode()


def test_a_run_that_failed_shows_no_figures_and_can_be_asked_for_again(
    as_helpdesk: Client,
) -> None:
    source = make_source()
    failed = Run.objects.create(
        kind="sync", source=source, state="failed", phase="read", problem="Nobody listens there."
    )
    page = as_helpdesk.get(f"/changes/{failed.pk}/").content.decode()
    assert "Nobody listens there." in page
    assert "Within every limit" not in page
    assert "Sync again" in page


def test_an_undo_is_looked_at_done_and_its_pins_ended(
    as_administrator: Client, disabled: Run
) -> None:
    page = as_administrator.get(f"/changes/{disabled.pk}/")
    assert "Preview an undo" in text_of(page)
    response = as_administrator.post(f"/changes/{disabled.pk}/undo/", {"dry": "1"})
    preview = execute_run(run_id=Run.objects.latest("id").pk)
    assert response["Location"] == f"/changes/{preview.pk}/"
    words = text_of(as_administrator.get(response["Location"]))
    assert f"It undoes {disabled}" in words
    assert "In service again 10" in words
    assert "Pinned until" in words
    assert not Account.objects.filter(state=State.ACTIVE).exists()
    response = as_administrator.post(f"/changes/{disabled.pk}/undo/")
    back = execute_run(run_id=Run.objects.latest("id").pk)
    assert Account.objects.filter(state=State.ACTIVE).count() == 10
    assert f"It was undone by {back}" in text_of(as_administrator.get(f"/changes/{disabled.pk}/"))
    assert "End its 10 pins" in text_of(as_administrator.get(f"/changes/{back.pk}/"))
    response = as_administrator.post(f"/changes/{back.pk}/end-pins/", follow=True)
    assert "Ended 10 pins." in text_of(response)
    response = as_administrator.post(f"/changes/{back.pk}/end-pins/", follow=True)
    assert "No pin was ended." in text_of(response)
    response = as_administrator.post(f"/changes/{back.pk}/undo/", follow=True)
    assert "Nothing was undone." in text_of(response)


def test_an_account_tells_of_an_undo_in_words_and_of_no_preview(
    as_administrator: Client, disabled: Run
) -> None:
    as_administrator.post(f"/changes/{disabled.pk}/undo/", {"dry": "1"})
    preview = execute_run(run_id=Run.objects.latest("id").pk)
    as_administrator.post(f"/changes/{disabled.pk}/undo/")
    back = execute_run(run_id=Run.objects.latest("id").pk)
    until = Pin.objects.latest("id").ends_on
    page = as_administrator.get(f"/accounts/{Account.objects.latest('id').pk}/history/")
    told = text_of(page)
    assert f"{back} " in told
    assert f"{preview} " not in told
    assert f"pinned until {until:%-d %b %Y}" in told
    assert "{" not in told


def test_waiting_for_an_approval_is_not_told_as_time_that_a_run_took(
    as_viewer: Client, disabled: Run
) -> None:
    assert disabled.started_at
    began = disabled.started_at - timedelta(days=1)
    Run.objects.filter(pk=disabled.pk).update(started_at=began)
    assert re.search(
        r"It took (less than a second|\d s) after the approval\.",
        text_of(as_viewer.get(f"/changes/{disabled.pk}/")),
    )


def test_help_desk_neither_undoes_a_run_nor_is_offered_to(
    as_helpdesk: Client, disabled: Run
) -> None:
    assert "undo" not in text_of(as_helpdesk.get(f"/changes/{disabled.pk}/")).lower()
    for act in ("undo", "end-pins"):
        assert as_helpdesk.post(f"/changes/{disabled.pk}/{act}/").status_code == 403
    assert Run.objects.count() == 1
