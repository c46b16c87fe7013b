"""Runs in the browser: progress while one runs, approval of what a limit held back."""

from __future__ import annotations

from provisioning.core.states import State
from provisioning.models import Account, ConsoleUser, Run
from provisioning.services.actor import Actor
from provisioning.services.runs.runs import execute_run, request_rules_run
from tests.browser.console import Console
from tests.browser.scene import hold_everybody
from tests.factories import make_account, make_person, make_rule, make_source


def test_the_page_of_a_run_follows_it_until_it_is_done(
    signed_in: Console, administrator: ConsoleUser
) -> None:
    make_rule()
    person = make_person("Ann Lee", phone="+442079460123")
    run = request_rules_run(actor=Actor.of(administrator))
    signed_in.open(f"/changes/{run.pk}/")
    signed_in.find("#standing[hx-trigger]")
    assert signed_in.violations() == []
    execute_run(run_id=run.pk)
    signed_in.wait(lambda: not signed_in.all("#standing[hx-trigger]"), "the end of the run")
    signed_in.wait_for_text("Ann Lee")
    assert Run.objects.get().state == Run.State.DONE
    assert Account.objects.get(person=person).state == State.ACTIVE


def test_changes_that_a_limit_holds_are_approved_after_a_question(
    signed_in: Console, administrator: ConsoleUser
) -> None:
    rule, source = make_rule(), make_source()
    for number in range(10):
        make_account(person=make_person(f"Person {number}", source=source), rule=rule)
    run = hold_everybody(rule, administrator)
    signed_in.open(f"/changes/{run.pk}/")
    signed_in.button("Approve all 10").click()
    signed_in.wait_for_text("Apply 10 changes of 10 people or groups?")
    signed_in.button("Approve", "dialog[open]").click()
    signed_in.wait_for_text("The changes are being applied.")
    execute_run(run_id=run.pk)
    signed_in.wait(lambda: not signed_in.all("#standing[hx-trigger]"), "the end of the run")
    assert Run.objects.get(pk=run.pk).state == Run.State.DONE
    assert Account.objects.filter(state=State.GRACE).count() == 10


def test_a_single_person_is_released_and_the_rest_waits(
    signed_in: Console, administrator: ConsoleUser
) -> None:
    rule, source = make_rule(), make_source()
    for number in range(10):
        make_account(person=make_person(f"Person {number}", source=source), rule=rule)
    run = hold_everybody(rule, administrator)
    signed_in.open(f"/changes/{run.pk}/")
    signed_in.find("input[name=pk]").click()
    signed_in.wait_for_text("1 selected")
    signed_in.button("Release chosen").click()
    signed_in.button("Release", "dialog[open]").click()
    signed_in.wait_for_text("Released 1 person")
    execute_run(run_id=run.pk)
    signed_in.wait_for_text("9 changes of 9 people")
    assert Account.objects.filter(state=State.GRACE).count() == 1
    assert Run.objects.get(pk=run.pk).state == Run.State.WAITING
