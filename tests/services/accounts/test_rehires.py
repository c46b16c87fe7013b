"""Somebody who comes back under a new key is offered, never guessed, and gets everything back."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from provisioning.core.errors import StalePlan
from provisioning.core.states import State
from provisioning.models import Account, AuditEvent, Credential, Number, PendingChange, Rehire
from provisioning.services.accounts import rehires
from provisioning.services.accounts.blocks import block_account
from provisioning.services.accounts.deadlines import keep_deadlines
from provisioning.services.actor import COMMAND_LINE
from tests.services.company import Company, Somebody, company, rows_of

__all__ = ["company"]

pytestmark = [pytest.mark.database, pytest.mark.django_db]

PHONE = "+442079460001"


@pytest.fixture
def former(company: Company) -> Somebody:
    """Somebody who left, with an account in grace."""
    company.relax()
    company.directory.add("bob")
    ann = company.directory.add(
        "ann", phone=PHONE, employee_id="4711", mail="ann@example.com", custom="1990-02-01"
    )
    company.sync()
    company.directory.remove(ann)
    company.sync()
    assert company.account(ann).state == State.GRACE
    return ann


def _accept() -> Account:
    return rehires.accept_rehire(rehire=Rehire.objects.get(), actor=COMMAND_LINE)


def test_the_account_moves_with_sip_uri_number_secret_and_pins(
    company: Company, former: Somebody
) -> None:
    before = company.account(former)
    secret = Credential.objects.get(account=before).secret()
    new = company.directory.add("ann", phone=PHONE, employee_id="4711")
    company.sync()
    rehire = Rehire.objects.get()
    assert rehire.evidence == [
        ["employee ID", "4711"], ["name", "Ann"], ["user name", "ann"], ["phone", PHONE],
    ]  # fmt: skip
    assert company.account(former).state == State.GRACE, "an offer changes nothing"
    assert not Account.objects.filter(person=company.person(new)).exists()
    PendingChange.objects.all().delete()
    account = _accept()
    assert account == before
    assert account.person == company.person(new)
    assert (account.state, account.aor) == (State.ACTIVE, "ann@voice.example.com")
    assert Number.objects.get(e164=PHONE).account == account
    assert Credential.objects.get(account=account).secret() == secret
    assert PendingChange.objects.filter(kind="subscriber", key=account.aor).exists()
    company.sync()
    assert company.person(new).problem == ""
    assert rows_of(company.sync()) == []
    assert AuditEvent.objects.filter(action="given to a rehired person").exists()


def test_an_account_that_the_new_person_has_already_makes_way(
    company: Company, former: Somebody
) -> None:
    new = company.directory.add("ann2", mail="ANN@example.com", display_name="Ann Smith")
    company.sync()
    fresh = company.account(new)
    plan = rehires.plan_rehire(rehire=Rehire.objects.get())
    assert (plan.number, plan.replaced) == (PHONE, fresh)
    account = _accept()
    fresh.refresh_from_db()
    assert fresh.state == State.REMOVED
    assert fresh.person == company.person(former)
    assert company.account(new) == account
    company.sync()
    assert company.account(new).proposal.aor == "ann2@voice.example.com"


def test_an_accepted_rehire_is_undone_and_can_be_decided_anew(
    company: Company, former: Somebody
) -> None:
    new = company.directory.add("ann2", employee_id="4711")
    company.sync()
    account = _accept()
    assert rehires.undo_rehire(rehire=Rehire.objects.get(), actor=COMMAND_LINE) == account
    account.refresh_from_db()
    assert (account.person, account.state) == (company.person(former), State.GRACE)
    company.sync()
    assert company.account(new).aor == "ann2@voice.example.com"
    assert company.account(new).state == State.ACTIVE
    assert _accept().person == company.person(new)
    with pytest.raises(StalePlan):
        _accept()


def test_a_declined_rehire_is_not_offered_again(company: Company, former: Somebody) -> None:
    company.directory.add("ann2", employee_id="4711")
    company.sync()
    rehires.decline_rehire(rehire=Rehire.objects.get(), actor=COMMAND_LINE)
    company.directory.add("x", employee_id="4711")
    company.sync()
    assert [each.person.login for each in rehires.open_rehires()] == ["x"]


@pytest.mark.parametrize(
    ("values", "offered"),
    [
        ({"sid": ""}, False),
        ({"display_name": "Ann"}, False),
        ({"display_name": "Ann", "custom": "1990-02-01"}, True),
        ({"mail": "ann@example.com", "employee_id": "4712"}, False),
        ({"mail": "ann@example.com"}, True),
        ({"custom": "1990-02-01"}, False),
    ],
)
def test_what_is_enough_for_an_offer(
    company: Company, former: Somebody, values: dict[str, str], offered: bool
) -> None:
    company.directory.add("other", **{"display_name": "Somebody", **values})
    company.sync()
    assert rehires.open_rehires().exists() is offered


def test_the_new_entry_may_come_before_the_old_one_goes(company: Company) -> None:
    company.relax()
    company.directory.add("bob")
    old = company.directory.add("ann", employee_id="4711")
    company.sync()
    company.directory.add("ann.lee", employee_id="4711")
    company.sync()
    assert not Rehire.objects.exists()
    company.directory.remove(old)
    company.sync()
    assert rehires.open_rehires().count() == 1


def test_a_block_of_either_stays_a_block(company: Company, former: Somebody) -> None:
    new = company.directory.add("ann2", employee_id="4711")
    company.sync()
    block_account(account=company.account(new), reason="theft", actor=COMMAND_LINE)
    account = _accept()
    assert (account.state, account.blocked_reason) == (State.BLOCKED, "theft")


def test_nothing_is_given_back_after_the_removal(company: Company, former: Somebody) -> None:
    company.directory.add("ann2", employee_id="4711")
    company.sync()
    keep_deadlines(now=timezone.now() + timedelta(days=40))
    with pytest.raises(StalePlan, match="removed meanwhile"):
        _accept()
    assert Rehire.objects.get().state == "open"


def test_the_old_key_that_comes_back_gets_everything_back_and_ends_the_offer(
    company: Company, former: Somebody
) -> None:
    company.directory.add("ann2", employee_id="4711")
    company.sync()
    before = company.account(former)
    company.directory.people.append(former)
    company.sync()
    assert company.account(former) == before
    assert company.account(former).state == State.ACTIVE
    assert not rehires.open_rehires().exists()
