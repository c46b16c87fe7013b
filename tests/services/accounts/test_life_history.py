"""Any order of events of a life: no account, number or block is lost, nobody has another's."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioning.core.errors import ProvisioningError
from provisioning.core.states import MEANINGS, State
from provisioning.models import (
    Account,
    Alias,
    Credential,
    GroupMember,
    Number,
    Person,
    Pin,
    PlannedChange,
    Proposal,
    Rehire,
    Run,
)
from provisioning.services.accounts import blocks, rehires
from provisioning.services.accounts.addresses import rename_account
from provisioning.services.accounts.deadlines import keep_deadlines
from provisioning.services.accounts.proposals import accept_proposals
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.runs import apply
from provisioning.services.runs.runs import execute_run
from tests.factories import make_account
from tests.services.company import Company, Somebody, company

__all__ = ["company"]

pytestmark = [pytest.mark.database, pytest.mark.django_db]

TODAY = datetime(2030, 6, 1, 12, tzinfo=UTC)
WHO = st.integers(0, 3)
EVENT = st.one_of(
    st.tuples(st.just("login"), WHO, st.sampled_from(["ann", "bob", "cid", "dan"])),
    st.tuples(
        st.sampled_from([
            "disable", "enable", "leave", "return", "rehire", "accept", "undo", "hold", "end hold",
            "block", "unblock", "restore", "rename", "accept proposals", "sync", "day", "month",
        ]),
        WHO, st.just(""),
    ),
)  # fmt: skip


class Life:
    """Four people with numbers of their own and a room, through the months."""

    def __init__(self, company: Company, clock: Callable[[datetime], None]) -> None:
        self.company, self.directory = company, company.directory
        self.clock, self.now = clock, TODAY
        self.directory.people.clear()
        self.people = [
            self.directory.add(f"p{n}", phone=f"+44207946000{n}", employee_id=str(n))
            for n in range(4)
        ]
        self.directory.add("constant")
        self.room = make_account("Room", user_part="room")
        self.company.sync()

    def tell(self, event: tuple[str, int, str]) -> None:
        """Let one thing happen; what the console refuses has not happened."""
        what, which, value = event
        one = self.people[which]
        if what == "login":
            one.set(login=value)
        elif what in ("disable", "enable"):
            one.set(locked="yes" if what == "disable" else "")
        elif what in ("leave", "return"):
            self._put(one, there=what == "return")
        elif what == "rehire":
            self._put(one, there=False)
            self.people[which] = self.directory.add(f"r{which}", **self._same(one))
        elif what in ("day", "month"):
            self.now += timedelta(days=1 if what == "day" else 31)
            self.clock(self.now)
            keep_deadlines()
        elif what == "sync":
            self.company.sync()
        else:
            with suppress(ProvisioningError):
                self._decide(what, one)

    def _decide(self, what: str, one: Somebody) -> None:
        if what == "accept proposals":
            run = accept_proposals(proposals=Proposal.objects.all(), actor=COMMAND_LINE)
            execute_run(run_id=run.pk)
            return
        if what in ("accept", "undo"):
            for rehire in Rehire.objects.order_by("id"):
                decide = rehires.accept_rehire if what == "accept" else rehires.undo_rehire
                decide(rehire=rehire, actor=COMMAND_LINE)
            return
        account = Account.objects.filter(person__guid=one.guid).first()
        if account is not None:
            self._act(what, account)

    def _act(self, what: str, account: Account) -> None:
        if what == "hold":
            until = (self.now + timedelta(days=40)).date()
            blocks.hold_account(account=account, reason="x", ends_on=until, actor=COMMAND_LINE)
        elif what == "end hold":
            for pin in account.pins.filter(field=Pin.Field.STATE):
                blocks.end_pin(pin=pin, actor=COMMAND_LINE)
        elif what == "block":
            blocks.block_account(account=account, reason="x", actor=COMMAND_LINE)
        elif what == "unblock":
            blocks.unblock_account(account=account, actor=COMMAND_LINE)
        elif what == "restore":
            blocks.restore_leaver(account=account, reason="x", actor=COMMAND_LINE)
        else:
            rename_account(
                account=account, user_part=f"{account.user_part}x"[-20:], reason="x",
                alias_days=20, actor=COMMAND_LINE,
            )  # fmt: skip

    def _put(self, one: Somebody, *, there: bool) -> None:
        if there is not (one in self.directory.people):
            (self.directory.people.append if there else self.directory.people.remove)(one)

    def _same(self, one: Somebody) -> dict[str, str]:
        return {name: one.values[name] for name in ("phone", "employee_id", "display_name")}


@settings(max_examples=12)
@given(st.lists(EVENT, min_size=4, max_size=16), st.booleans(), st.sampled_from([0, 20]))
def test_no_order_of_events_loses_an_account_a_number_or_a_block(
    company: Company, events: list[tuple[str, int, str]], follow: bool, alias_days: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(apply, "WINDOW", 3)

        def clock(at: datetime) -> None:
            patch.setattr(timezone, "now", lambda: at)

        clock(TODAY)
        _forget_everything()
        company.relax()
        company.rule.follow_user, company.rule.alias_days = follow, alias_days
        company.rule.save()
        life = Life(company, clock)
        for event in events:
            known = dict(Account.objects.values_list("pk", "blocked"))
            life.tell(event)
            _check(life, known, event[0])
        for _ in range(3):
            company.sync()
        _check(life, {}, "")


def _forget_everything() -> None:
    models = (Number, Alias, Proposal, Rehire, Credential, Account, GroupMember, Person,
              PlannedChange, Run)  # fmt: skip
    for model in models:
        model.objects.all().delete()


def _check(life: Life, known: dict[int, bool], event: str) -> None:
    accounts = {account.pk: account for account in Account.objects.select_related("person")}
    assert known.keys() <= accounts.keys(), "no account is ever lost"
    if event not in ("unblock", "accept"):
        for pk, blocked in known.items():
            gone = accounts[pk].state == State.REMOVED
            assert accounts[pk].blocked or not blocked or gone, "only somebody ends a block"
    living = [account for account in accounts.values() if account.state != State.REMOVED]
    aors = [account.aor for account in living]
    assert len(aors) == len(set(aors))
    assert not set(aors) & set(Alias.objects.values_list("aor", flat=True))
    held = set(Account.objects.filter(number__isnull=False).values_list("pk", flat=True))
    for account in living:
        assert account.aor == f"{account.user_part}@voice.example.com"
        assert Credential.objects.get(account=account).auth_user == account.user_part
        if account.blocked:
            assert account.state == State.BLOCKED
        elif account.person is not None and account.person.left_at is not None:
            assert account.state in (State.GRACE, State.HELD, State.ACTIVE)
            assert (account.grace_until is not None) is (account.state == State.GRACE)
    for account in accounts.values():
        assert account.state != State.REMOVED or account.pk not in held
    for number in Number.objects.all():
        assert number.account is not None or number.state in ("quarantined", "free")
    room = accounts[life.room.pk]
    assert (room.state, room.version) == (State.ACTIVE, life.room.version)
    assert all(MEANINGS[State(account.state)] for account in living)
