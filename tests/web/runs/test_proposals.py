"""Proposed SIP URIs and conflicts, as the pages of runs show and settle them."""

from __future__ import annotations

import pytest
from django.test import Client
from django.utils import timezone

from provisioning.models import (
    Account,
    PendingChange,
    PlannedChange,
    Proposal,
    Run,
)
from tests.factories import (
    make_account,
    make_person,
    make_rule,
    make_source,
    make_store,
)
from tests.web.pages import text_of
from tests.web.runs.scene import HTMX, plan_row, rules_run

pytestmark = [pytest.mark.django_db, pytest.mark.database]


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


def test_a_run_that_only_finds_conflicts_does_not_say_that_all_is_well(as_viewer: Client) -> None:
    make_person(source=make_source())
    make_rule(user_formula="'no spaces'")
    page = as_viewer.get(f"/changes/{rules_run().pk}/").content.decode()
    assert "One person has a conflict, and keeps what was there before." in page
    assert "Everything is as the directory" not in page


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
