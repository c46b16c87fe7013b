"""`runs`: listed, shown, decided on by a console user who may; nothing without --apply."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from provisioning.core.roles import Role
from provisioning.core.states import State
from provisioning.models import AuditEvent, ConsoleUser, PlannedChange, Run
from provisioning.services.runs import runs
from tests.services.company import Company, Somebody, company

__all__ = ["company"]

pytestmark = [pytest.mark.database, pytest.mark.django_db]

PASSWORD = "a very long password"
Say = Callable[[str], None]


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch) -> Say:
    """Type a password."""
    return lambda text: monkeypatch.setattr("sys.stdin", io.StringIO(f"{text}\n"))


@pytest.fixture(autouse=True)
def users(db: None) -> None:
    ConsoleUser.objects.create_user("bea", PASSWORD, role=Role.ADMINISTRATOR)
    ConsoleUser.objects.create_user("hal", PASSWORD, role=Role.HELPDESK)


@pytest.fixture
def leavers(company: Company) -> list[Somebody]:
    """Ten of forty people, gone from the directory; two may leave without approval."""
    people = company.directory.add_many(40)
    company.sync()
    company.directory.remove(*people[:10])
    return people[:10]


@pytest.fixture
def waiting(company: Company, leavers: list[Somebody]) -> Run:
    return company.sync()


def run(*arguments: str | int) -> str:
    out = io.StringIO()
    call_command("runs", *map(str, arguments), stdout=out)
    return out.getvalue()


def refused(*arguments: str | int) -> str:
    with pytest.raises(CommandError) as ended:
        run(*arguments)
    assert ended.value.returncode == 1
    return str(ended.value)


def _gone(company: Company, people: list[Somebody]) -> int:
    return sum(company.account(one).state == State.GRACE for one in people)


def test_they_are_listed_with_what_they_found_and_hold(waiting: Run) -> None:
    said = run()
    assert f"#{waiting.pk} Directory sync, Head office: waiting for approval" in said
    assert "20 wait" in said
    assert run("--state", "waiting").count("#") == 1
    assert run("--state", "failed") == run("--kind", "join") == "No run.\n"
    listed = json.loads(run("--source", "Head office", "--json"))["runs"]
    assert [each["held"] for each in listed] == [20, 0]
    assert listed[0]["figures"]["person"] == {"leave": 10}
    assert "no source “Berlin”" in refused("--source", "Berlin")


def test_the_list_costs_the_same_however_many_there_are(
    company: Company, waiting: Run, django_assert_num_queries: Any
) -> None:
    for _ in range(5):
        company.sync()
    with django_assert_num_queries(2):
        run("--json")


def test_one_is_shown_with_figures_limits_and_who_waits_why(waiting: Run) -> None:
    said = run(waiting.pk)
    assert "10 leaving" in said
    assert "at most 2 of 40 pass without approval" in said
    assert "Waiting: 20" in said
    told = json.loads(run(waiting.pk, "--json"))
    assert {(each["status"], each["kind"]) for each in told["changes"]} == {
        ("held", "person"), ("held", "account"),
    }  # fmt: skip
    assert (told["run"], told["held"], len(told["changes"])) == (waiting.pk, 20, 20)
    assert told["approved_by"] is None
    first = Run.objects.earliest("pk")
    assert json.loads(run(first.pk, "--json"))["changes"] == []
    assert len(json.loads(run(first.pk, "--details", "--json"))["changes"]) == 80
    assert "no run #99999" in refused(99999)


def test_what_waits_is_shown_twenty_at_most_and_all_with_details(waiting: Run) -> None:
    PlannedChange.objects.filter(run=waiting, status="held").update(message="too many")
    assert run(waiting.pk).count("too many") == 20
    assert run(waiting.pk, "--details").count("too many") == 20


def test_nothing_is_decided_without_apply(company: Company, waiting: Run, say: Say) -> None:
    assert "was not stopped" in refused(waiting.pk, "--stop")
    for act in ("--approve", "--discard"):
        assert "Nothing was changed; --apply does it" in run(waiting.pk, act)
    waiting.refresh_from_db()
    assert waiting.state == Run.State.WAITING
    assert "Say which run" in refused("--approve", "--apply")


def test_only_a_console_user_who_may_approves_and_the_run_says_who(
    company: Company, leavers: list[Somebody], waiting: Run, say: Say
) -> None:
    approve = (waiting.pk, "--approve", "--apply")
    assert "Say who approves" in refused(*approve)
    say("wrong")
    assert "Wrong user name or password" in refused(*approve, "--user", "bea")
    say(PASSWORD)
    assert "Wrong user name or password" in refused(*approve, "--user", "nobody")
    say(PASSWORD)
    assert "does not let them approve" in refused(*approve, "--user", "hal")
    assert _gone(company, leavers) == 0
    say(PASSWORD)
    assert "Done: apply everything that waits" in run(*approve, "--user", "bea")
    runs.execute_run(run_id=waiting.pk)
    waiting.refresh_from_db()
    assert str(waiting.approved_by) == "bea"
    assert _gone(company, leavers) == 10
    assert AuditEvent.objects.filter(action="approved", actor_name="bea").exists()
    say(PASSWORD)
    assert "Nothing waits in" in refused(*approve, "--user", "bea")


def test_people_are_released_by_name_user_name_or_guid(
    company: Company, leavers: list[Somebody], waiting: Run, say: Say
) -> None:
    one, two, three = leavers[:3]
    names = (company.person(one).display_name, company.person(two).login, three.guid)
    assert f"release {names[0]}" in run(waiting.pk, "--release", *names)
    say(PASSWORD)
    run(waiting.pk, "--release", *names, "--user", "bea", "--apply")
    runs.execute_run(run_id=waiting.pk)
    assert _gone(company, leavers[:3]) == 3
    assert _gone(company, leavers[3:]) == 0
    waiting.refresh_from_db()
    assert waiting.state == Run.State.WAITING


def test_who_does_not_wait_or_is_not_clear_is_said(
    company: Company, leavers: list[Somebody], waiting: Run
) -> None:
    stays = company.person(company.directory.people[0]).login
    assert "does not wait in" in refused(waiting.pk, "--release", stays)
    assert "Nobody has the user name" in refused(waiting.pk, "--release", "nobody at all")
    PlannedChange.objects.filter(run=waiting, status="held").update(name="John Smith")
    assert "names 10 of those who wait" in refused(waiting.pk, "--release", "john smith")


def test_what_is_discarded_is_not_applied(
    company: Company, leavers: list[Somebody], waiting: Run, say: Say
) -> None:
    say(PASSWORD)
    said = run(waiting.pk, "--discard", "--user", "bea", "--apply")
    assert "plans it again" in said
    waiting.refresh_from_db()
    assert waiting.state == Run.State.DONE
    assert _gone(company, leavers) == 0


def test_a_queued_run_is_stopped_and_one_that_is_over_is_not(company: Company) -> None:
    queued = Run.objects.create(kind=Run.Kind.RULES)
    assert "Nothing waits in" in refused(queued.pk, "--approve")
    assert "stop it before" in run(queued.pk, "--stop")
    queued.refresh_from_db()
    assert queued.state == Run.State.QUEUED
    assert "stop it before" in run(queued.pk, "--stop", "--apply")
    queued.refresh_from_db()
    assert queued.state == Run.State.STOPPED
    assert "was not stopped" in refused(queued.pk, "--stop", "--apply")
