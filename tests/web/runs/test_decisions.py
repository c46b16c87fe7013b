"""Decisions about what waits in a run: who may, what is applied, what is left."""

from __future__ import annotations

import pytest
from django.test import Client

from provisioning.core.states import State
from provisioning.models import (
    Account,
    AuditEvent,
    ConsoleUser,
    Run,
)
from provisioning.services.actor import Actor
from provisioning.services.runs.review import discard_run
from provisioning.services.runs.runs import execute_run
from tests.factories import (
    make_store,
)
from tests.web.pages import text_of

pytestmark = [pytest.mark.django_db, pytest.mark.database]


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


def test_a_run_tells_what_approving_it_does(as_administrator: Client, waiting: Run) -> None:
    make_store()
    words = text_of(as_administrator.get(f"/changes/{waiting.pk}/"))
    assert "What approving does Losing service 10 Registrations end of 10 accounts" in words
    assert "10 account rows written" in words


def test_a_run_of_which_everything_waits_is_not_called_applied(waiting: Run) -> None:
    told = AuditEvent.objects.filter(object_name=str(waiting)).values_list("action", flat=True)
    assert list(told) == ["held back"]
