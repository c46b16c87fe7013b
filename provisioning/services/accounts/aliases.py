"""Aliases: old SIP URIs that lead on to their account; renames make them, a date ends them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from provisioning.core.errors import InvalidInput, StalePlan
from provisioning.drivers.base import Kind
from provisioning.models import Account, Alias
from provisioning.services.actor import Actor
from provisioning.services.console import audit
from provisioning.services.push import outbox

LONGEST_DAYS = 3650


def check_alias_days(days: int) -> int:
    """`days` for which an old SIP URI may lead on, 0 for not at all; raises InvalidInput."""
    if not 0 <= days <= LONGEST_DAYS:
        raise InvalidInput(f"An old SIP URI leads on for 0 to {LONGEST_DAYS:,} days.")
    return days


def keep_alias(account: Account, *, days: int) -> Alias:
    """Let the SIP URI that the locked `account` has now lead on after it gets another one.

    In the caller's transaction, which gives it the other one and marks both for the push.
    """
    now = timezone.now()
    alias, _ = Alias.objects.update_or_create(
        aor=account.aor,
        defaults={
            "account": account,
            "domain": account.domain,
            "user_part": account.user_part,
            "ends_at": now + timedelta(days=days),
            "created_at": now,
        },
    )
    return alias


def end_alias(*, alias: Alias, actor: Actor) -> Account:
    """End an old SIP URI now: calls to it fail, and somebody else may get it. Its account."""
    with transaction.atomic():
        current = Alias.objects.select_for_update().filter(pk=alias.pk).first()
        if current is None:
            raise StalePlan("It has ended already. Nothing was changed.")
        end_aliases([current], actor=actor)
    return current.account


def end_aliases(aliases: Sequence[Alias], *, actor: Actor) -> None:
    """Delete the aliases, in the caller's transaction, and take them from the servers.

    Whoever could not get one of them is looked at by the next sync: a conflict always is.
    """
    for alias in aliases:
        audit.record(
            actor=actor, action="ended an old SIP URI of", obj=alias.account,
            detail={"old SIP URI": [alias.aor, ""]},
        )  # fmt: skip
    Alias.objects.filter(pk__in=[alias.pk for alias in aliases]).delete()
    outbox.mark_concerned(kind=Kind.ALIAS, keys=[alias.aor for alias in aliases])
