"""The state of accounts: computed anew, kept, and everything that follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from provisioning.core.moments import moment
from provisioning.core.states import MEANINGS, Standing, State, decide_state
from provisioning.drivers.base import Kind
from provisioning.models import Account, Alias, Number, Pin, ProvisioningLink
from provisioning.services.push import outbox
from provisioning.services.rules.matching import Judged, judge_people

# How long an account without a person is kept after its end date; people's sources have their own.
GRACE = timedelta(days=30)
_BATCH = 200


@dataclass(frozen=True, slots=True)
class Move:
    """An account whose state was computed anew: what it was and what it is."""

    account: Account
    before: State
    after: State


def locked(account_ids: Sequence[int]) -> list[Account]:
    """The accounts, locked for the caller's transaction, with person, source and SIP domain."""
    return list(
        Account.objects.select_for_update(of=("self",))
        .select_related("person__source", "domain", "site", "rule")
        .filter(pk__in=account_ids)
        .order_by("pk")
    )


def settle(accounts: Sequence[Account], *, now: datetime | None = None) -> list[Move]:
    """Compute the state of each account and save it, in the caller's transaction.

    Saves `blocked` and `blocked_reason` too, raises the version, revokes the links of accounts that
    are not usable and marks all of them for the push.
    """
    now = now or timezone.now()
    pinned = dict(
        Pin.objects.filter(account__in=accounts, field=Pin.Field.STATE).values_list(
            "account_id", "value"
        )
    )
    judged = judge_people([account.person for account in accounts if account.person is not None])
    moves = []
    for account in accounts:
        pin = pinned.get(account.pk)
        standing = Standing(
            present=_is_present(account, judged, now),
            disabled=account.person is not None and _is_disabled(judged[account.person.pk], now),
            matched=account.person is None or judged[account.person.pk].rule is not None,
            blocked=account.blocked,
            pinned=State(pin) if pin else None,
            existed=account.state != State.PREPARED,
        )
        move = Move(account, State(account.state), decide_state(standing))
        _move(account, move, now)
        moves.append(move)
    Account.objects.bulk_update(
        accounts,
        [
            "state",
            "state_since",
            "grace_until",
            "blocked",
            "blocked_reason",
            "version",
            "changed_at",
        ],
        batch_size=_BATCH,
    )
    revoke_links([move.account for move in moves if not MEANINGS[move.after].usable], now=now)
    mark(accounts)
    return moves


def revoke_links(accounts: Sequence[Account], *, now: datetime) -> None:
    """Make every provisioning link of the accounts useless."""
    if accounts:
        ProvisioningLink.objects.filter(account__in=accounts, revoked_at__isnull=True).update(
            revoked_at=now
        )


def mark(accounts: Sequence[Account]) -> None:
    """Ask for the subscribers and aliases of the accounts wherever they concern, in one go."""
    outbox.mark_concerned(kind=Kind.SUBSCRIBER, keys=[account.aor for account in accounts])
    numbers = Number.objects.filter(account__in=accounts).select_related("account__domain")
    keys = [
        outbox.alias_key(number.e164, number.account.domain.domain)
        for number in numbers
        if number.account
    ]
    former = Alias.objects.filter(account__in=accounts).values_list("aor", flat=True)
    outbox.mark_concerned(kind=Kind.ALIAS, keys=[*keys, *former])


def _is_present(account: Account, judged: dict[int, Judged], now: datetime) -> bool:
    """Whether there is still somebody, or something until its end date, to have the account."""
    if account.person is not None:
        return judged[account.person.pk].view.present
    return account.ends_on is None or account.ends_on >= timezone.localdate(now)


def _is_disabled(judged: Judged, now: datetime) -> bool:
    view, rule = judged.view, judged.rule
    return view.is_out(moment(now)) or (
        rule is not None
        and rule.disables(
            locked_out=view.values["locked_out"],
            must_change_password=view.values["must_change_password"],
        )
    )


def _move(account: Account, move: Move, now: datetime) -> None:
    if move.after is not move.before:
        account.state_since = now
        account.grace_until = None
        if move.after is State.GRACE:
            account.grace_until = now + _grace_of(account)
    account.state = move.after
    account.version += 1
    account.changed_at = now


def _grace_of(account: Account) -> timedelta:
    if account.person is None:
        return GRACE
    rule_days = account.rule.grace_days if account.rule else None
    source_days = account.person.source.grace_days
    return timedelta(days=source_days if rule_days is None else rule_days)
