"""Blocking many accounts, and new credentials for many, are held to the limits of a day."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from provisioning.core.errors import UnsafePlan
from provisioning.core.limits import Category
from provisioning.core.states import State
from provisioning.models import Account, AuditEvent, ConsoleUser, Credential, LimitUse
from provisioning.services.accounts.at_risk import weigh
from provisioning.services.accounts.blocks import block_account, block_accounts
from provisioning.services.accounts.credentials import rotate_credential, rotate_credentials
from provisioning.services.actor import COMMAND_LINE, Actor
from tests.factories import make_account, make_store
from tests.services.company import Company, company

__all__ = ["company"]

pytestmark = [pytest.mark.django_db, pytest.mark.database]

Act = Callable[..., int]
ACTS = [
    pytest.param(partial(block_accounts, reason="Audit"), Category.SERVICE, id="block"),
    pytest.param(rotate_credentials, Category.CREDENTIAL, id="credentials"),
]


def crowd(count: int) -> list[int]:
    make_store()
    return [make_account(f"Room {n:03}").pk for n in range(count)]


@pytest.mark.parametrize(("act", "category"), ACTS)
def test_what_is_done_to_many_adds_up_and_more_than_the_limit_needs_approval(
    act: Act, category: Category, administrator: ConsoleUser, helpdesk: ConsoleUser
) -> None:
    ids = crowd(100)
    act(account_ids=ids[:3], actor=Actor.of(helpdesk))
    assert LimitUse.objects.filter(category=category).count() == 3
    shown = weigh(category=category, account_ids=ids[3:6])
    assert shown.working == 3
    assert "3 planned on top of 3 in the last 24 hours" in shown.breaches[0]
    before = AuditEvent.objects.count()
    for actor, approved in ((COMMAND_LINE, False), (Actor.of(helpdesk), True)):
        with pytest.raises(UnsafePlan, match="3 planned on top of 3"):
            act(account_ids=ids[3:6], actor=actor, approved=approved)
    assert AuditEvent.objects.count() == before
    assert not Account.objects.filter(pk__in=ids[3:6], blocked=True).exists()
    assert not Credential.objects.filter(account__in=ids[3:6], version__gt=1).exists()
    assert act(account_ids=ids[3:6], actor=Actor.of(administrator), approved=True) == 3
    assert LimitUse.objects.count() == 3


@pytest.mark.parametrize(("act", "category"), ACTS)
def test_one_chosen_account_passes_and_uses_nothing_up(act: Act, category: Category) -> None:
    ids = crowd(2)
    assert not weigh(category=category, account_ids=ids[:1]).breaches
    assert act(account_ids=ids[:1], actor=COMMAND_LINE) == 1
    assert not LimitUse.objects.exists()


def test_single_accounts_are_blocked_and_renewed_whatever_the_limits_say() -> None:
    for pk in crowd(4):
        account = Account.objects.get(pk=pk)
        rotate_credential(account=account, actor=COMMAND_LINE)
        block_account(account=account, reason="Stolen", actor=COMMAND_LINE)
    assert Account.objects.filter(blocked=True).count() == 4


def test_who_does_not_work_anyway_is_not_counted() -> None:
    ids = crowd(1) + [make_account(state=State.DISABLED).pk for _ in range(5)]
    shown = weigh(category=Category.SERVICE, account_ids=ids)
    assert (shown.working, shown.breaches) == (1, ())
    assert block_accounts(account_ids=ids, reason="Audit", actor=COMMAND_LINE) == 6
    assert LimitUse.objects.count() == 1


def test_a_sync_counts_who_was_blocked_by_hand(company: Company) -> None:
    people = company.directory.add_many(60)
    company.relax()
    company.sync()
    company.relax(percent=5, ceiling=250)
    ids = list(Account.objects.values_list("pk", flat=True)[:2])
    block_accounts(account_ids=ids, reason="Audit", actor=COMMAND_LINE)
    gone = [one for one in people if company.account(one).pk not in ids][:2]
    company.directory.remove(*gone)
    run = company.sync()
    assert "2 planned on top of 2 in the last 24 hours" in " ".join(run.breaches)
    assert not Account.objects.filter(state=State.GRACE).exists()
