"""Changes: the list of runs, the page of one, and what is decided there."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from provisioning.core.states import State
from provisioning.models import (
    Account,
    AuditEvent,
    ConsoleUser,
    PendingChange,
    PlannedChange,
    Proposal,
    Run,
)
from provisioning.services.actor import COMMAND_LINE, Actor
from provisioning.services.push.outbox import mark_store
from provisioning.services.push.pause import pause
from provisioning.services.rules.rules import switch_rule
from provisioning.services.runs.review import approve_run, discard_run
from provisioning.services.runs.runs import execute_run, request_rules_run
from tests.factories import (
    make_account,
    make_group,
    make_person,
    make_rule,
    make_source,
    make_store,
)
from tests.web.pages import text_of

pytestmark = [pytest.mark.django_db, pytest.mark.database]
HTMX = {"HX-Request": "true"}


def rules_run(*, dry: bool = False) -> Run:
    return execute_run(run_id=request_rules_run(actor=COMMAND_LINE, dry=dry).pk)


@pytest.fixture
def waiting() -> Run:
    """A run that would take their accounts from ten people, so that all of them are held."""
    rule, source = make_rule(), make_source()
    for number in range(10):
        person = make_person(f"Person {number}", source=source)
        make_account(person=person, rule=rule, user_part=person.login)
    switch_rule(rule=rule, enabled=False, actor=COMMAND_LINE)
    run = execute_run(run_id=Run.objects.get().pk)
    assert run.state == Run.State.WAITING
    return run


def plan_row(run: Run, ordinal: int, **values: Any) -> PlannedChange:
    guid = f"{ordinal:036}"
    columns = {
        "source_id": 1,
        "kind": "account",
        "key": f"{guid}/main",
        "subject": guid,
        "name": f"Name {ordinal}",
        "action": "create",
        "at": timezone.now(),
        "status": "applied",
        **values,
    }
    return PlannedChange.objects.create(run=run, ordinal=ordinal, **columns)


@pytest.mark.parametrize("page", ["/changes/", "/changes/conflicts/", "/changes/1/"])
def test_nobody_sees_changes_without_signing_in(client: Client, page: str) -> None:
    response = client.get(page)
    assert response.status_code == 302
    assert response["Location"].startswith("/sign-in/")


@pytest.mark.parametrize("act", ["approve", "release", "discard"])
def test_only_who_may_approve_decides(as_helpdesk: Client, waiting: Run, act: str) -> None:
    response = as_helpdesk.post(f"/changes/{waiting.pk}/{act}/", {"digest": waiting.digest})
    assert response.status_code == 403
    assert Run.objects.get(pk=waiting.pk).state == Run.State.WAITING
    page = as_helpdesk.get(f"/changes/{waiting.pk}/").content.decode()
    assert "Person 1" in page
    assert "Approve all" not in page
    assert "Release chosen" not in page


@pytest.mark.parametrize("act", ["approve", "release", "discard", "stop"])
def test_a_link_alone_decides_nothing(as_administrator: Client, waiting: Run, act: str) -> None:
    assert as_administrator.get(f"/changes/{waiting.pk}/{act}/").status_code == 405


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


def test_approving_applies_everything(as_administrator: Client, waiting: Run) -> None:
    response = as_administrator.post(
        f"/changes/{waiting.pk}/approve/", {"digest": waiting.digest}, follow=True
    )
    assert "Approved." in response.content.decode()
    execute_run(run_id=waiting.pk)
    assert set(Account.objects.values_list("state", flat=True)) == {State.GRACE}
    page = as_administrator.get(f"/changes/{waiting.pk}/").content.decode()
    assert "approved by Anna Admin" in page


def test_releasing_some_applies_them_and_leaves_the_rest_waiting(
    as_administrator: Client, waiting: Run
) -> None:
    chosen = waiting.changes.order_by("ordinal")[:3]
    response = as_administrator.post(
        f"/changes/{waiting.pk}/release/",
        {"digest": waiting.digest, "pk": [change.pk for change in chosen], "all": ""},
        follow=True,
    )
    assert "Released 3 people or groups" in response.content.decode()
    run = execute_run(run_id=waiting.pk)
    assert Account.objects.filter(state=State.GRACE).count() == 3
    assert run.state == Run.State.WAITING
    assert "7 changes of 7 people" in as_administrator.get(f"/changes/{run.pk}/").content.decode()


def test_releasing_everything_that_matches_a_filter(as_administrator: Client, waiting: Run) -> None:
    as_administrator.post(
        f"/changes/{waiting.pk}/release/?show=held&q=Person+4",
        {"digest": waiting.digest, "all": "1"},
    )
    execute_run(run_id=waiting.pk)
    assert list(Account.objects.filter(state=State.GRACE).values_list("name", flat=True)) == [
        "Person 4"
    ]


def test_releasing_nobody_is_refused_in_words(as_administrator: Client, waiting: Run) -> None:
    response = as_administrator.post(
        f"/changes/{waiting.pk}/release/", {"digest": waiting.digest, "all": ""}, follow=True
    )
    assert "Nobody was chosen" in response.content.decode()


@pytest.mark.parametrize("act", ["approve", "release"])
def test_a_decision_about_a_plan_that_changed_is_refused_and_explained(
    as_administrator: Client, waiting: Run, act: str
) -> None:
    pk = waiting.changes.values_list("pk", flat=True)[0]
    response = as_administrator.post(
        f"/changes/{waiting.pk}/{act}/", {"digest": "what was seen before", "pk": pk}, follow=True
    )
    page = response.content.decode()
    assert "Nothing was approved: the plan changed." in page
    assert "a newer run replaced them or somebody else decided" in page
    assert set(Account.objects.values_list("state", flat=True)) == {State.ACTIVE}


def test_discarding_applies_nothing(as_administrator: Client, waiting: Run) -> None:
    response = as_administrator.post(f"/changes/{waiting.pk}/discard/", follow=True)
    assert "nothing of it was applied" in response.content.decode()
    assert set(Account.objects.values_list("state", flat=True)) == {State.ACTIVE}
    page = as_administrator.get(f"/changes/{waiting.pk}/").content.decode()
    assert "What waited for approval was discarded." in page
    assert "on their way" not in page


def test_discarding_twice_says_that_somebody_decided(
    as_administrator: Client, waiting: Run, administrator: ConsoleUser
) -> None:
    discard_run(run=waiting, actor=Actor.of(administrator))
    response = as_administrator.post(f"/changes/{waiting.pk}/discard/", follow=True)
    assert "somebody else decided" in response.content.decode()


def test_a_preview_shows_the_plan_and_offers_the_real_run(as_helpdesk: Client) -> None:
    make_rule()
    make_person("Ann Lee", login="ann")
    run = rules_run(dry=True)
    page = as_helpdesk.get(f"/changes/{run.pk}/").content.decode()
    assert "A preview: 1 change, nothing was applied." in page
    assert "ann@voice.example.com" in page
    assert "Apply the rules" in page
    assert not Account.objects.exists()


def test_references_are_shown_by_name(as_viewer: Client) -> None:
    make_rule(name="All of them")
    make_person("Ann Lee", login="ann")
    page = as_viewer.get(f"/changes/{rules_run().pk}/").content.decode()
    assert "Frankfurt" in page
    assert "All of them" in page
    assert "search_key" not in page
    assert "name_key" not in page


def test_a_large_group_is_shown_by_counts_and_a_few_names(as_viewer: Client) -> None:
    source = make_source()
    people = [make_person(f"Person {number}", source=source) for number in range(5)]
    run = Run.objects.create(kind="sync", source=source, state="done")
    added = [[person.guid, True] for person in people]
    added += [[f"{number:036}", True] for number in range(20_000)]
    plan_row(
        run, 1, kind="group", key="g" * 36, subject="g" * 36, source_id=source.pk, name="Everybody",
        action="update",
        after={"added": added, "removed": [people[0].guid], "member_count": 20_005},
    )  # fmt: skip
    response = as_viewer.get(f"/changes/{run.pk}/")
    page = response.content.decode()
    assert "20,005 joining, 1 leaving" in page
    assert "20,005 people: Person 0, Person 1, Person 2 and others" in page
    assert len(response.content) < 60_000
    assert people[4].guid not in page


def test_a_long_plan_comes_in_pages(as_viewer: Client) -> None:
    run = Run.objects.create(kind="rules", state="done", counts={"account.create": 120})
    for ordinal in range(1, 121):
        plan_row(run, ordinal, after={"aor": f"u{ordinal}@example.com"})
    page = as_viewer.get(f"/changes/{run.pk}/")
    assert [row.change.ordinal for row in page.context["changes"]] == list(range(1, 51))
    cursor = page.context["page"].next
    following = as_viewer.get(f"/changes/{run.pk}/", {"cursor": cursor}, headers=HTMX)
    assert [row.change.ordinal for row in following.context["changes"]] == list(range(51, 101))
    assert "<html" not in following.content.decode()


def test_changes_are_filtered_by_action_status_and_kind(as_viewer: Client) -> None:
    run = Run.objects.create(kind="sync", source=make_source(), state="done")
    plan_row(run, 1, name="New one")
    plan_row(run, 2, name="Refreshed", kind="person", action="refresh")
    plan_row(run, 3, name="Gone", kind="person", action="leave")
    plan_row(run, 4, name="Clash", action="none", status="problem", message="It is taken.")

    def shown(query: str) -> set[str]:
        page = as_viewer.get(f"/changes/{run.pk}/?{query}", headers=HTMX)
        return {row.change.name for row in page.context["changes"]}

    assert shown("") == {"New one", "Gone", "Clash"}
    assert shown("show=create") == {"New one"}
    assert shown("show=leave") == {"Gone"}
    assert shown("show=problem") == {"Clash"}
    assert shown("kind=person") == {"Gone"}
    assert shown("q=new") == {"New one"}
    assert as_viewer.get(f"/changes/{run.pk}/?show=nonsense").status_code == 400


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


def proposal() -> tuple[Account, PlannedChange]:
    person = make_person("Ann Smith", login="ann.smith")
    account = make_account(person=person, user_part="ann.lee")
    run = Run.objects.create(kind="sync", source=person.source, state="done")
    row = plan_row(
        run, 1, source_id=person.source_id, key=f"{person.guid}/main", subject=person.guid,
        action="update", status="proposed", base_version=account.version,
        before={"SIP URI": account.aor}, after={"SIP URI": "ann.smith@voice.example.com"},
    )  # fmt: skip
    Proposal.objects.create(
        account=account, aor="ann.smith@voice.example.com", run=run, created_at=timezone.now()
    )
    return account, row


def test_a_proposed_sip_uri_is_taken(as_administrator: Client) -> None:
    make_store()
    account, row = proposal()
    page = as_administrator.get(f"/changes/{row.run_id}/?show=proposed").content.decode()
    assert "Take the new SIP URI" in page
    response = as_administrator.post(
        f"/changes/{row.run_id}/proposals/{row.pk}/", {"take": "1"}, follow=True
    )
    assert "must fetch their profile again" in response.content.decode()
    account.refresh_from_db()
    assert account.aor == "ann.smith@voice.example.com"
    assert account.credential.auth_user == "ann.smith"
    assert account.credential.version == 2
    pending = PendingChange.objects.filter(kind="subscriber").values_list("key", flat=True)
    assert set(pending) == {"ann.lee@voice.example.com", "ann.smith@voice.example.com"}
    row.refresh_from_db()
    assert row.status == "applied"


def test_a_proposed_sip_uri_is_not_taken(as_administrator: Client) -> None:
    account, row = proposal()
    as_administrator.post(f"/changes/{row.run_id}/proposals/{row.pk}/", {"take": "0"})
    account.refresh_from_db()
    row.refresh_from_db()
    assert account.aor == "ann.lee@voice.example.com"
    assert row.status == "discarded"


@pytest.mark.parametrize("meanwhile", ["renamed", "taken", "decided"])
def test_a_proposal_that_fits_no_more_changes_nothing(
    as_administrator: Client, meanwhile: str
) -> None:
    account, row = proposal()
    if meanwhile == "renamed":
        Account.objects.filter(pk=account.pk).update(aor="x@voice.example.com", user_part="x")
    elif meanwhile == "taken":
        make_account(user_part="ann.smith")
    else:
        PlannedChange.objects.update(status="discarded")
    before = Account.objects.get(pk=account.pk).aor
    response = as_administrator.post(
        f"/changes/{row.run_id}/proposals/{row.pk}/", {"take": "1"}, follow=True
    )
    assert "Nothing was changed." in response.content.decode()
    assert Account.objects.get(pk=account.pk).aor == before


def test_the_help_desk_decides_on_no_proposal(as_helpdesk: Client) -> None:
    _, row = proposal()
    response = as_helpdesk.post(f"/changes/{row.run_id}/proposals/{row.pk}/", {"take": "1"})
    assert response.status_code == 403


def test_conflicts_say_who_what_and_what_to_do(as_viewer: Client) -> None:
    make_person("Ann Lee", problem="“n/a” is not a telephone number.")
    make_person("Bo Ek", problem="The SIP URI bo@example.com already belongs to Bo Fox.")
    make_person("Cy Fox")
    page = as_viewer.get("/changes/conflicts/").content.decode()
    assert "Correct the number in the directory" in page
    assert "another SIP URI by hand" in page
    assert "Cy Fox" not in page
    assert "Ann Lee" not in as_viewer.get("/changes/conflicts/?q=bo", headers=HTMX).content.decode()


def test_names_from_the_directory_are_escaped(as_viewer: Client) -> None:
    run = Run.objects.create(kind="sync", source=make_source(), state="done")
    plan_row(run, 1, name="<b>Bold</b>", after={"name": "<script>alert(1)</script>"})
    page = as_viewer.get(f"/changes/{run.pk}/").content.decode()
    assert "<b>Bold</b>" not in page
    assert "<script>alert" not in page


def test_a_group_that_left_is_shown_as_leaving(as_viewer: Client) -> None:
    group = make_group("Old project")
    run = Run.objects.create(kind="sync", source=group.source, state="done")
    plan_row(run, 1, kind="group", key=group.guid, subject=group.guid, name=group.name,
             source_id=group.source_id, action="leave", before={"member_count": 3},
             after={"left": True, "removed": []})  # fmt: skip
    page = as_viewer.get(f"/changes/{run.pk}/").content.decode()
    assert "not found any more" in page


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


def test_a_run_that_only_finds_conflicts_does_not_say_that_all_is_well(as_viewer: Client) -> None:
    make_person(source=make_source())
    make_rule(user_formula="'no spaces'")
    page = as_viewer.get(f"/changes/{rules_run().pk}/").content.decode()
    assert "One person has a conflict, and keeps what was there before." in page
    assert "Everything is as the directory" not in page


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


def test_a_conflict_that_is_gone_is_shown_as_that(as_viewer: Client) -> None:
    run = Run.objects.create(
        kind="rules", state="done", phase="finished", counts={"account.resolve": 1}
    )
    plan_row(run, 1, action="resolve", before={"problem": "The number is taken."})
    page = as_viewer.get(f"/changes/{run.pk}/")
    [shown] = page.context["changes"]
    assert (shown.look.word, shown.look.tone) == ("Conflict gone", "green")
    words = text_of(page)
    assert "1 no longer in conflict" in words
    assert "The number is taken." in words
    assert "Conflicts gone 1" in words
    listed = as_viewer.get(f"/changes/{run.pk}/?show=resolve", headers=HTMX)
    assert "Name 1" in text_of(listed)
    assert "1 no longer in conflict" in text_of(as_viewer.get("/changes/"))


@pytest.fixture
def disabled(waiting: Run) -> Run:
    """A run that took their accounts from ten people, as an administrator approved."""
    approve_run(run=waiting, digest=waiting.digest, actor=COMMAND_LINE)
    return execute_run(run_id=waiting.pk)


def test_a_run_tells_what_approving_it_does(as_administrator: Client, waiting: Run) -> None:
    make_store()
    words = text_of(as_administrator.get(f"/changes/{waiting.pk}/"))
    assert "What approving does Losing service 10 Registrations end of 10 accounts" in words
    assert "10 account rows written" in words


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


def test_help_desk_neither_undoes_a_run_nor_is_offered_to(
    as_helpdesk: Client, disabled: Run
) -> None:
    assert "undo" not in text_of(as_helpdesk.get(f"/changes/{disabled.pk}/")).lower()
    for act in ("undo", "end-pins"):
        assert as_helpdesk.post(f"/changes/{disabled.pk}/{act}/").status_code == 403
    assert Run.objects.count() == 1


def test_a_run_of_which_everything_waits_is_not_called_applied(waiting: Run) -> None:
    told = AuditEvent.objects.filter(object_name=str(waiting)).values_list("action", flat=True)
    assert list(told) == ["held back"]
