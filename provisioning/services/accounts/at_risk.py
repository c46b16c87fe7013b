"""Who of many accounts loses something that limits count: shown before it is done, held to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction

from provisioning.core.limits import Category
from provisioning.core.states import MEANINGS, State
from provisioning.models import Account
from provisioning.services.bulk import among_numbers
from provisioning.services.runs.limit_use import AtRisk, find_passed


@dataclass(frozen=True, slots=True)
class Toll:
    """How many of the accounts that were chosen work now, and the limits that this passes."""

    working: int
    breaches: tuple[str, ...]


def weigh(*, category: Category, account_ids: Sequence[int]) -> Toll:
    """What blocking all of them (SERVICE), or new credentials for all (CREDENTIAL), would take."""
    with transaction.atomic():
        accounts = list(Account.objects.filter(pk__in=among_numbers(account_ids)))
        at_risk = find_at_risk(accounts)
        passed = find_passed(category=category, at_risk=at_risk)
    return Toll(sum(map(_works, accounts)), passed)


def find_at_risk(accounts: Sequence[Account]) -> list[AtRisk]:
    """Those that work now; one alone is an explicit choice and uses nothing up."""
    if len(accounts) == 1:
        return []
    return [
        AtRisk(account.pk, account.domain_id, account.pool_id)
        for account in accounts
        if _works(account)
    ]


def _works(account: Account) -> bool:
    return MEANINGS[State(account.state)].usable
