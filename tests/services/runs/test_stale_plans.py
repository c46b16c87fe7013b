"""What was approved is applied as it was shown; what somebody changed since is never forced."""

from __future__ import annotations

import pytest
from django.db import connection

from provisioning.core.errors import StalePlan
from provisioning.core.states import State
from provisioning.models import Account, ClientProfile, Number, Pin, PlannedChange, Run
from provisioning.services.accounts.addresses import rename_account
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.clients.profiles import delete_profile
from provisioning.services.numbers.numbers import assign_number, release_number
from provisioning.services.rules.domains import delete_sip_domain
from provisioning.services.rules.rules import delete_rule
from provisioning.services.runs import review, runs
from tests.factories import make_account, make_domain, make_rule
from tests.services.company import Company, Somebody, company

__all__ = ["company"]

# References are checked when a transaction ends.
pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]

HELD, STALE = PlannedChange.Status.HELD, PlannedChange.Status.STALE


@pytest.fixture
def people(company: Company) -> list[Somebody]:
    """Twenty people with numbers from the directory, of whom one may change a day."""
    company.rule.follow_user = company.rule.follow_number = True
    company.rule.save()
    found = company.directory.add_many(20)
    company.sync()
    return found


def approved(run: Run) -> Run:
    """Approve what waits as it was shown, and apply it."""
    assert run.state == Run.State.WAITING
    review.approve_run(run=run, digest=run.digest, actor=COMMAND_LINE)
    runs.execute_run(run_id=run.pk)
    run.refresh_from_db()
    return run


def stale(run: Run) -> set[str]:
    """Whose rows did not fit any more."""
    return set(run.changes.filter(status=STALE, kind="account").values_list("subject", flat=True))


def test_everything_that_was_shown_is_made_so_and_nothing_else(
    company: Company, people: list[Somebody]
) -> None:
    for one in people[:5]:
        one.set(login=f"new.{one.values['login']}", locked="yes")
    run = company.sync()
    others = list(Account.objects.exclude(person__guid__in=[p.guid for p in people[:5]]).values())
    approved(run)
    for row in run.changes.filter(kind="account"):
        account = Account.objects.get(person__guid=row.subject)
        made = {"aor": account.aor, "user_part": account.user_part, "state": account.state}
        assert made == {field: row.after[field] for field in made}
        assert account.version == row.base_version + 1
    ids = [account["id"] for account in others]
    assert list(Account.objects.filter(pk__in=ids).values()) == others
    assert stale(run) == set()


def test_an_account_that_somebody_renamed_by_hand_keeps_that_name(
    company: Company, people: list[Somebody]
) -> None:
    for one in people[:5]:
        one.set(login=f"new.{one.values['login']}")
    run = company.sync()
    account = company.account(people[0])
    rename_account(account=account, user_part="chosen", reason="x", actor=COMMAND_LINE)
    approved(run)
    assert stale(run) == {people[0].guid}
    assert company.account(people[0]).aor == "chosen@voice.example.com"
    assert company.account(people[1]).aor == "new.p0001@voice.example.com"
    assert company.sync().state == Run.State.DONE
    assert company.account(people[0]).aor == "chosen@voice.example.com"


def test_a_sip_uri_that_a_room_got_meanwhile_stays_the_rooms(
    company: Company, people: list[Somebody]
) -> None:
    for one in people[:5]:
        one.set(login=f"new.{one.values['login']}")
    run = company.sync()
    room = make_account(user_part="new.p0000")
    approved(run)
    assert stale(run) == {people[0].guid}
    assert company.account(people[0]).aor == "p0000@voice.example.com"
    assert Account.objects.get(pk=room.pk).aor == "new.p0000@voice.example.com"
    company.sync()
    assert "already belongs to Meeting room 1" in company.person(people[0]).problem


def test_a_number_that_somebody_else_got_meanwhile_stays_there(
    company: Company, people: list[Somebody]
) -> None:
    for n, one in enumerate(people[:5]):
        one.set(phone=f"+44207946000{n}")
    run = company.sync()
    room = make_account()
    assign_number(account=room, e164="+442079460000", actor=COMMAND_LINE)
    approved(run)
    assert stale(run) == {people[0].guid}
    assert Number.objects.get(e164="+442079460000").account == room
    assert Number.objects.get(e164="+442079460001").account == company.account(people[1])


def test_a_swap_of_numbers_of_which_one_was_taken_away_by_hand_is_left_alone_whole(
    company: Company, people: list[Somebody]
) -> None:
    ann, bob, cid = people[:3]
    numbers = [one.values["phone"] for one in people[:3]]
    for one, number in zip((ann, bob, cid), (*numbers[1:], numbers[0]), strict=True):
        one.set(phone=number)
    run = company.sync()
    taken = Number.objects.get(e164=numbers[1])
    release_number(number=taken, actor=COMMAND_LINE)
    approved(run)
    held = {n.e164: n.account_id for n in Number.objects.filter(e164__in=numbers)}
    assert held[numbers[1]] is None
    assert len({owner for owner in held.values() if owner}) == 2
    assert company.account(bob).pk not in held.values()
    assert bob.guid in stale(run)


@pytest.mark.parametrize("gone", ["domain", "rule", "profile"])
def test_what_leads_to_something_deleted_meanwhile_is_left_and_the_rest_applied(
    company: Company, people: list[Somebody], gone: str
) -> None:
    other = make_rule(name="Other", position=0, follow_user=True)
    other.condition = "equals(department, 'Other')"
    if gone == "domain":
        other.domain = make_domain("other.example.com")
    else:
        other.user_formula = "'x-{login}'"
    if gone == "profile":
        other.profile = ClientProfile.objects.create(name="Office")
    other.save()
    for one in people[:5]:
        one.set(department="Other")
    for one in people[5:8]:
        one.set(login=f"new.{one.values['login']}")
    run = company.sync()
    assert run.changes.filter(status=HELD, kind="account").count() == 8
    if gone == "rule":
        delete_rule(rule=other, actor=COMMAND_LINE)
    else:
        deleted = getattr(other, gone)
        setattr(other, gone, company.rule.domain if gone == "domain" else None)
        other.save()
        if gone == "domain":
            delete_sip_domain(domain=deleted, actor=COMMAND_LINE)
        else:
            delete_profile(profile=deleted, actor=COMMAND_LINE)
    assert approved(run).state == Run.State.DONE
    assert stale(run) == {one.guid for one in people[:5]}
    assert company.account(people[0]).aor == "p0000@voice.example.com"
    assert company.account(people[5]).aor == "new.p0005@voice.example.com"
    connection.check_constraints()


def test_an_approval_after_a_newer_run_found_something_else_is_refused(
    company: Company, people: list[Somebody]
) -> None:
    for one in people[:5]:
        one.set(locked="yes")
    seen = company.sync()
    people[5].set(locked="yes")
    newer = company.sync()
    with pytest.raises(StalePlan, match="newer run"):
        review.approve_run(run=seen, digest=seen.digest, actor=COMMAND_LINE)
    with pytest.raises(StalePlan, match="newer run"):
        review.approve_run(run=newer, digest=seen.digest, actor=COMMAND_LINE)
    assert not Account.objects.filter(state=State.DISABLED).exists()
    assert len(stale(approved(newer))) == 0
    assert Account.objects.filter(state=State.DISABLED).count() == 6


def test_somebody_released_and_pinned_meanwhile_is_not_taken_along(
    company: Company, people: list[Somebody]
) -> None:
    for one in people[:5]:
        one.set(phone="")
    run = company.sync()
    account = company.account(people[0])
    assign_number(account=account, e164="+442079460555", actor=COMMAND_LINE)
    chosen = [one.guid for one in people[:2]]
    review.release_people(run=run, digest=run.digest, subjects=chosen, actor=COMMAND_LINE)
    runs.execute_run(run_id=run.pk)
    assert Pin.objects.get(account=account).value == "+442079460555"
    assert Number.objects.get(e164="+442079460555").account == account
    assert not Number.objects.filter(account=company.account(people[1])).exists()
    assert Number.objects.filter(account=company.account(people[2])).exists()
