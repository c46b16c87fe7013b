"""From disabled over leave and grace to removed: what is kept, what ends by itself, what wins."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from django.utils import timezone

from provisioning.core.errors import InvalidInput
from provisioning.core.states import State
from provisioning.models import Account, Credential, Number, Pin, ProvisioningLink
from provisioning.services.accounts import blocks
from provisioning.services.accounts.deadlines import keep_deadlines
from provisioning.services.accounts.explain import explain_account
from provisioning.services.actor import COMMAND_LINE
from tests.factories import make_account
from tests.services.company import Company, Somebody, company

__all__ = ["company"]

pytestmark = [pytest.mark.database, pytest.mark.django_db]

TODAY = datetime(2030, 6, 1, 12, tzinfo=UTC)
PHONE = "+442079460001"
Clock = Callable[[datetime], None]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Sets the time that everything reads."""

    def set_to(at: datetime) -> None:
        monkeypatch.setattr(timezone, "now", lambda: at)

    set_to(TODAY)
    return set_to


@pytest.fixture
def ann(company: Company, clock: Clock) -> Somebody:
    """Somebody with an account and a number, another one, and no limits."""
    company.relax()
    company.directory.add("bob")
    one = company.directory.add("ann", phone=PHONE)
    company.sync()
    return one


def _hold(company: Company, one: Somebody, days: int = 60) -> Account:
    until = (TODAY + timedelta(days=days)).date()
    return blocks.hold_account(
        account=company.account(one), reason="parental leave", ends_on=until, actor=COMMAND_LINE
    )


def test_a_leave_ends_registrations_and_links_and_keeps_everything(
    company: Company, ann: Somebody
) -> None:
    account = company.account(ann)
    link = ProvisioningLink.objects.create(
        account=account, format="linphone", token_hash="x", expires_at=TODAY + timedelta(days=9)
    )
    assert _hold(company, ann).state == State.HELD
    link.refresh_from_db()
    assert link.revoked_at is not None
    assert Number.objects.get(e164=PHONE).account == account
    said = {each.title: each.because for each in explain_account(account=company.account(ann))}
    assert "on leave until 31 Jul 2030: parental leave" in said["State"]


@pytest.mark.parametrize("meanwhile", ["disabled", "left"])
def test_a_leave_outlasts_disabled_leaving_and_grace_and_ends_by_itself(
    company: Company, ann: Somebody, clock: Clock, meanwhile: str
) -> None:
    _hold(company, ann)
    if meanwhile == "left":
        company.directory.remove(ann)
    else:
        ann.set(locked="yes")
    company.sync()
    clock(TODAY + timedelta(days=60))
    keep_deadlines()
    assert company.account(ann).state == State.HELD
    clock(TODAY + timedelta(days=61))
    keep_deadlines()
    account = company.account(ann)
    if meanwhile == "disabled":
        assert account.state == State.DISABLED
        return
    assert account.state == State.GRACE
    assert account.grace_until == timezone.now() + timedelta(days=30)
    company.directory.people.append(ann)
    company.sync()
    assert company.account(ann).state == State.ACTIVE
    assert Number.objects.get(e164=PHONE).account == account


def test_a_leave_over_gives_service_back(company: Company, ann: Somebody, clock: Clock) -> None:
    _hold(company, ann)
    clock(TODAY + timedelta(days=61))
    keep_deadlines()
    assert company.account(ann).state == State.ACTIVE
    assert not Pin.objects.exists()


def test_a_block_beats_a_leave_and_the_leave_goes_on_after_it(
    company: Company, ann: Somebody
) -> None:
    _hold(company, ann)
    blocked = blocks.block_account(account=company.account(ann), reason="theft", actor=COMMAND_LINE)
    assert blocked.state == State.BLOCKED
    assert _hold(company, ann).state == State.BLOCKED
    assert blocks.unblock_account(account=blocked, actor=COMMAND_LINE).state == State.HELD


def test_a_leave_needs_a_day_to_come_and_an_account_that_is_there(
    company: Company, ann: Somebody
) -> None:
    with pytest.raises(InvalidInput, match="end date has passed"):
        _hold(company, ann, days=-1)
    Account.objects.update(state=State.REMOVED)
    with pytest.raises(InvalidInput, match="was removed"):
        _hold(company, ann)


@pytest.mark.parametrize("flag", ["locked_out", "must_change"])
def test_the_locked_out_lose_service_only_where_the_rule_says_so(
    company: Company, ann: Somebody, flag: str
) -> None:
    ann.set(**{flag: "yes"})
    company.sync()
    assert company.account(ann).state == State.ACTIVE
    company.rule.locked_out_is_disabled = flag == "locked_out"
    company.rule.must_change_is_disabled = flag == "must_change"
    company.rule.save()
    company.apply_rules()
    account = company.account(ann)
    assert account.state == State.DISABLED
    said = {each.title: each.because for each in explain_account(account=account)}
    assert "and the rule Everybody disables" in said["State"]
    blocks.block_account(account=account, reason="x", actor=COMMAND_LINE)
    assert blocks.unblock_account(account=account, actor=COMMAND_LINE).state == State.DISABLED
    ann.set(**{flag: ""})
    company.sync()
    assert company.account(ann).state == State.ACTIVE


@pytest.mark.parametrize("days", [None, 0, 7, 400])
def test_grace_lasts_as_the_rule_says_or_else_the_source(
    company: Company, ann: Somebody, clock: Clock, days: int | None
) -> None:
    company.rule.grace_days = days
    company.rule.save()
    company.directory.remove(ann)
    company.sync()
    account = company.account(ann)
    assert account.grace_until is not None
    expected = TODAY + timedelta(days=30 if days is None else days)
    assert abs(account.grace_until - expected) < timedelta(seconds=2)
    blocks.block_account(account=account, reason="x", actor=COMMAND_LINE)
    again = blocks.unblock_account(account=account, actor=COMMAND_LINE)
    assert again.grace_until == expected


def test_a_leaver_gets_everything_back_inside_grace_and_the_number_rests_after_it(
    company: Company, ann: Somebody, clock: Clock
) -> None:
    account = company.account(ann)
    secret = Credential.objects.get(account=account).secret()
    company.directory.remove(ann)
    company.sync()
    company.directory.people.append(ann)
    clock(TODAY + timedelta(days=29))
    company.sync()
    assert company.account(ann).state == State.ACTIVE
    assert Credential.objects.get(account=account).secret() == secret
    company.directory.remove(ann)
    company.sync()
    clock(TODAY + timedelta(days=60))
    keep_deadlines()
    number = Number.objects.get(e164=PHONE)
    assert company.account(ann).state == State.REMOVED
    assert (number.account, number.state) == (None, Number.State.QUARANTINED)
    assert number.quarantined_until == TODAY + timedelta(days=150)
    clock(TODAY + timedelta(days=150))
    keep_deadlines()
    number.refresh_from_db()
    assert number.state == Number.State.FREE


def test_no_sync_touches_an_account_without_a_person(company: Company, ann: Somebody) -> None:
    room = make_account("Room", user_part="room", ends_on=date(2031, 1, 1))
    company.directory.remove(*company.directory.people[1:])
    company.sync()
    company.apply_rules()
    after = Account.objects.get(pk=room.pk)
    assert (after.state, after.version, after.aor) == (State.ACTIVE, room.version, room.aor)
