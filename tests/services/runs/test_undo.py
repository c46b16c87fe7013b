"""Undo: what a run did to accounts goes back, as a plan, where nobody changed it since."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from provisioning.core.errors import InvalidInput, StalePlan
from provisioning.core.states import State
from provisioning.models import Account, AuditEvent, Number, Pin, PlannedChange, Run
from provisioning.services.accounts import blocks
from provisioning.services.accounts.deadlines import keep_deadlines
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.runs import plan_undo, review, runs, undo
from provisioning.services.runs.undo_pins import end_pins_of
from tests.factories import make_account
from tests.services.company import Company, Somebody, company, rows_of

__all__ = ["company"]

pytestmark = [pytest.mark.database, pytest.mark.django_db]

HELD, STALE = PlannedChange.Status.HELD, PlannedChange.Status.STALE


def take_back(run: Run, *, dry: bool = False) -> Run:
    """Undo a run here; the undo as it ended."""
    found = undo.undo_here(run=run, actor=COMMAND_LINE, dry=dry)
    found.refresh_from_db()
    return found


def approve(run: Run) -> Run:
    """Approve what waits and apply it."""
    review.approve_run(run=run, digest=run.digest, actor=COMMAND_LINE)
    runs.execute_run(run_id=run.pk)
    run.refresh_from_db()
    return run


def facts() -> dict[str, tuple[str, str, str]]:
    """State, SIP URI and number of everybody."""
    rows = Account.objects.values_list("person__guid", "state", "aor", "number__e164")
    return {guid: (state, aor, number or "") for guid, state, aor, number in rows}


@pytest.fixture
def people(company: Company) -> list[Somebody]:
    """Ten people with numbers, whose SIP URIs follow their user names; no limit stands in a way."""
    company.relax()
    company.rule.follow_user = True
    company.rule.save()
    found = company.directory.add_many(10)
    company.sync()
    return found


def test_whoever_a_run_disabled_is_in_service_again_and_stays_so(
    company: Company, people: list[Somebody]
) -> None:
    before = facts()
    for one in people[:9]:
        one.set(locked="yes")
    run = company.sync()
    assert company.account(people[0]).state == State.DISABLED
    back = take_back(run)
    assert back.state == Run.State.DONE
    assert facts() == before
    pin = Pin.objects.get(account=company.account(people[0]))
    assert (pin.field, pin.value, pin.reason) == ("state", "active", f"Undone: {run}")
    assert pin.ends_on == timezone.localdate() + timedelta(days=30)
    assert rows_of(company.sync()) == []
    assert rows_of(company.apply_rules()) == []
    assert AuditEvent.objects.filter(action="applied", object_name=str(back)).exists()


def test_leavers_come_back_with_their_numbers(company: Company, people: list[Somebody]) -> None:
    before = facts()
    company.directory.remove(*people[:9])
    run = company.sync()
    assert company.account(people[0]).state == State.GRACE
    take_back(run)
    assert facts() == before
    assert company.account(people[0]).grace_until is None
    assert rows_of(company.sync()) == []


def test_renames_and_numbers_that_changed_hands_go_back(
    company: Company, people: list[Somebody]
) -> None:
    before = facts()
    company.rule.follow_number = True
    company.rule.save()
    ann, bob, cid, dan = people[:4]
    logins = [one.values["login"] for one in (ann, bob, cid)]
    ann.set(login=logins[1], phone=bob.values["phone"])
    bob.set(login=logins[2], phone=cid.values["phone"])
    cid.set(login=logins[0], phone="+442079460999")
    dan.set(login="daniel", phone="")
    run = company.sync()
    assert company.account(dan).aor == "daniel@voice.example.com"
    changed = facts()
    assert changed != before
    back = take_back(run)
    assert rows_of(back, status=STALE) == []
    assert facts() == before
    assert company.account(ann).credential.auth_user == logins[0]
    assert Number.objects.get(e164="+442079460999").state == Number.State.QUARANTINED
    assert rows_of(company.sync()) == []
    assert facts() == before


def test_an_account_that_the_run_made_goes_into_grace_where_nothing_is_lost(
    company: Company,
) -> None:
    company.relax()
    company.directory.add_many(3)
    back = take_back(company.sync())
    assert back.state == Run.State.WAITING  # it takes service from everybody
    assert "loss of service" in back.breaches[0]
    approve(back)
    assert {state for state, _, _ in facts().values()} == {State.GRACE}
    assert all(number for _, _, number in facts().values())
    assert rows_of(company.sync()) == []


def test_what_moved_on_since_is_left_out_and_named(
    company: Company, people: list[Somebody]
) -> None:
    for one in people[:6]:
        one.set(locked="yes")
    run = company.sync()
    blocks.block_account(account=company.account(people[0]), reason="x", actor=COMMAND_LINE)
    people[1].set(locked="")
    company.sync()
    pinned = company.account(people[2])
    Pin.objects.create(account=pinned, field="state", value="disabled", reason="x")
    preview = take_back(run, dry=True)
    assert facts()[people[3].guid][0] == State.DISABLED
    assert preview.state == Run.State.PREVIEW
    assert len(rows_of(preview, status="planned")) == 3
    messages = dict(preview.changes.filter(status=STALE).values_list("subject", "message"))
    assert messages == {
        people[0].guid: "An administrator blocked the account since.",
        people[2].guid: "An administrator pinned the state since.",
    }  # whoever the directory enabled again needs nothing
    take_back(run)
    assert company.account(people[0]).state == State.BLOCKED
    assert company.account(people[2]).state == State.DISABLED
    assert company.account(people[3]).state == State.ACTIVE


def test_a_sip_uri_that_somebody_else_has_by_now_is_left_where_it_is(
    company: Company, people: list[Somebody]
) -> None:
    people[0].set(login="robert", title="Director")
    run = company.sync()
    make_account(user_part="p0000")
    back = take_back(run)
    (left,) = back.changes.filter(status=STALE)
    assert left.message == (
        "The SIP URI p0000@voice.example.com already belongs to Meeting room 1."
    )
    assert company.account(people[0]).aor == "robert@voice.example.com"


def test_what_changes_between_the_plan_and_the_approval_of_an_undo_is_not_forced(
    company: Company, people: list[Somebody]
) -> None:
    for one in people:
        one.set(login=f"new.{one.values['login']}")
    run = company.sync()
    company.relax(percent=10)
    back = take_back(run)
    assert back.state == Run.State.WAITING
    blocks.block_account(account=company.account(people[0]), reason="x", actor=COMMAND_LINE)
    approve(back)
    assert company.account(people[0]).aor == "new.p0000@voice.example.com"
    assert company.account(people[1]).aor == "p0001@voice.example.com"
    assert not Pin.objects.filter(account=company.account(people[0])).exists()


def test_a_newer_undo_of_the_same_run_takes_the_place_of_the_first_not_of_another(
    company: Company, people: list[Somebody]
) -> None:
    people[0].set(login="anna")
    first = company.sync()
    people[1].set(login="bert")
    second = company.sync()
    company.relax(percent=0, ceiling=0)
    waiting = [take_back(first), take_back(second)]
    assert [run.state for run in waiting] == [Run.State.WAITING] * 2
    review.discard_run(run=waiting[1], actor=COMMAND_LINE)
    again = take_back(first)
    assert f"run #{waiting[0].pk} still wait" in again.remark
    with pytest.raises(StalePlan):
        review.approve_run(run=again, digest=again.digest, actor=COMMAND_LINE)


def test_when_its_pins_end_the_directory_decides_again_within_the_limits(
    company: Company, people: list[Somebody]
) -> None:
    for one in people[:9]:
        one.set(locked="yes")
    back = take_back(company.sync())
    company.relax(percent=10)
    Pin.objects.filter(run=back).update(ends_on=timezone.localdate() - timedelta(days=1))
    assert keep_deadlines()["pins"] == 9
    assert company.account(people[0]).state == State.ACTIVE
    again = company.sync()
    assert len(rows_of(again, "account", HELD)) == 9


def test_all_pins_of_an_undo_end_at_once(company: Company, people: list[Somebody]) -> None:
    for one in people[:2]:
        one.set(locked="yes")
    back = take_back(company.sync())
    assert end_pins_of(run=back, actor=COMMAND_LINE) == 2
    assert AuditEvent.objects.latest("id").detail == {"pins": 2}
    assert company.account(people[0]).state == State.ACTIVE
    company.sync()
    assert company.account(people[0]).state == State.DISABLED
    with pytest.raises(InvalidInput, match="No pin"):
        end_pins_of(run=back, actor=COMMAND_LINE)


def test_a_run_that_did_nothing_to_accounts_and_an_undo_are_not_undone(
    company: Company, people: list[Somebody]
) -> None:
    with pytest.raises(InvalidInput, match="nothing to undo"):
        undo.request_undo(run=company.sync(), actor=COMMAND_LINE)
    with pytest.raises(InvalidInput, match="nothing to undo"):
        undo.request_undo(run=company.sync(dry=True), actor=COMMAND_LINE)
    people[0].set(locked="yes")
    back = take_back(company.sync())
    with pytest.raises(InvalidInput, match="end its pins"):
        undo.request_undo(run=back, actor=COMMAND_LINE)


def test_a_large_run_is_undone_page_by_page(
    company: Company, people: list[Somebody], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_undo, "_CHUNK", 2)
    before = facts()
    numbers = [one.values["phone"] for one in people]
    for one, number in zip(people, [*numbers[1:], numbers[0]], strict=True):
        one.set(phone=number)
    company.rule.follow_number = True
    company.rule.save()
    run = company.sync()
    assert facts() != before
    back = take_back(run)
    assert len(rows_of(back, status=HELD)) == 10  # on top of the ten that the run itself changed
    approve(back)
    assert (rows_of(back, status=STALE), facts()) == ([], before)
