"""Blocking, unblocking and restoring accounts, and ending pins: each takes effect at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from django.db import transaction
from django.utils import timezone

from provisioning.core.errors import InvalidInput, StalePlan
from provisioning.core.limits import Category
from provisioning.core.states import MEANINGS, State
from provisioning.models import Account, Person, Pin
from provisioning.services.accounts.asked import ask
from provisioning.services.accounts.at_risk import find_at_risk
from provisioning.services.accounts.pins import checked_reason, set_pin
from provisioning.services.accounts.standing import Move, locked, settle
from provisioning.services.actor import Actor
from provisioning.services.console import audit
from provisioning.services.runs.limit_use import use_limits

# A bulk action holds the write lock for about a second at this size.
MOST_AT_ONCE = 1000


def block_account(*, account: Account, reason: str, actor: Actor) -> Account:
    """Block one account, whatever the directory says; the account as it is now."""
    return _block([account.pk], reason, actor)[0].account


def block_accounts(
    *, account_ids: Sequence[int], reason: str, actor: Actor, approved: bool = False
) -> int:
    """Block up to 1,000 accounts, all or none; how many were not blocked before.

    Raises UnsafePlan where that passes a limit and nobody who may approve says `approved`.
    """
    return len(_block(account_ids, reason, actor, approved=approved))


def unblock_account(*, account: Account, actor: Actor) -> Account:
    """End the block; the state follows the pins, the directory and the rules again."""
    moves = _unblock([account.pk], actor)
    return moves[0].account


def unblock_accounts(*, account_ids: Sequence[int], actor: Actor) -> int:
    """End the block of up to 1,000 accounts, all or none; how many were blocked."""
    return len(_unblock(account_ids, actor, every=False))


def restore_leaver(
    *, account: Account, reason: str, ends_on: date | None = None, actor: Actor
) -> Account:
    """Make the account of somebody who left work again, until `ends_on` or the pin's end."""
    reason = checked_reason(reason)
    _check_end(ends_on)
    with transaction.atomic():
        current = _one(account.pk)
        if State(current.state) is not State.GRACE:
            raise InvalidInput(
                f"{current} is {_label(current)}, not in grace. Nothing was changed; only an "
                "account whose owner left can be restored."
            )
        set_pin(account=current, field=Pin.Field.STATE, value=State.ACTIVE, reason=reason,
                ends_on=ends_on, actor=actor)  # fmt: skip
        record_moves(settle([current]), "restored", actor, reason=reason, until=_text(ends_on))
        return current


def hold_account(*, account: Account, reason: str, ends_on: date, actor: Actor) -> Account:
    """Leave: no service until the end of `ends_on`, and everything is kept until then.

    Whether the directory disables or forgets the person meanwhile does not matter, nor does grace;
    on the next day rules and directory decide again, by themselves. Only a block wins.
    """
    reason = checked_reason(reason)
    _check_end(ends_on)
    with transaction.atomic():
        current = _one(account.pk)
        if State(current.state) is State.REMOVED:
            raise InvalidInput("The account was removed. Nothing was changed.")
        set_pin(account=current, field=Pin.Field.STATE, value=State.HELD, reason=reason,
                ends_on=ends_on, actor=actor)  # fmt: skip
        record_moves(settle([current]), "held", actor, reason=reason, until=_text(ends_on))
        return current


def end_pin(*, pin: Pin, actor: Actor) -> Account:
    """Take a pin away; the state is computed anew, other values follow with the next sync."""
    with transaction.atomic():
        current = _one(pin.account_id)
        audit.record(
            actor=actor,
            action="ended a pin",
            obj=current,
            detail={"pin": [f"{pin.get_field_display()}: {pin.value}", ""]},
        )
        pin.delete()
        if current.person_id is not None:
            ask(Person.objects.filter(pk=current.person_id))
        if pin.field == Pin.Field.STATE:
            record_moves(settle([current]), "changed state", actor, only_changes=True)
        return current


def _block(
    account_ids: Sequence[int], reason: str, actor: Actor, *, approved: bool = False
) -> list[Move]:
    reason = checked_reason(reason)
    with transaction.atomic():
        accounts = [account for account in _several(account_ids) if not account.blocked]
        if not accounts:
            raise InvalidInput("Already blocked. Nothing was changed.")
        use_limits(
            category=Category.SERVICE, at_risk=find_at_risk(accounts), actor=actor,
            approved=approved,
        )  # fmt: skip
        for account in accounts:
            account.blocked, account.blocked_reason = True, reason
        moves = settle(accounts)
        record_moves(moves, "blocked", actor, reason=reason)
        return moves


def _unblock(account_ids: Sequence[int], actor: Actor, *, every: bool = True) -> list[Move]:
    with transaction.atomic():
        accounts = [account for account in _several(account_ids) if account.blocked]
        if not accounts and every:
            raise InvalidInput("It is not blocked. Nothing was changed.")
        for account in accounts:
            account.blocked, account.blocked_reason = False, ""
        moves = settle(accounts) if accounts else []
        record_moves(moves, "unblocked", actor)
        return moves


def _several(account_ids: Sequence[int]) -> list[Account]:
    if len(account_ids) > MOST_AT_ONCE:
        raise InvalidInput(
            f"{len(account_ids):,} accounts are too many at once; at most {MOST_AT_ONCE:,}. "
            "Nothing was changed. Narrow the filter."
        )
    accounts = [a for a in locked(account_ids) if a.state != State.REMOVED]
    if not accounts:
        raise InvalidInput("No such account is left. Nothing was changed.")
    return accounts


def _one(account_id: int) -> Account:
    accounts = locked([account_id])
    if not accounts:
        raise StalePlan("The account is gone. Nothing was changed.")
    return accounts[0]


def record_moves(
    moves: Sequence[Move], action: str, actor: Actor, *, only_changes: bool = False, **facts: str
) -> None:
    """Audit what happened to each account, with its state before and after where that changed."""
    for move in moves:
        changed = move.before is not move.after
        if only_changes and not changed:
            continue
        detail: dict[str, object] = {name: fact for name, fact in facts.items() if fact}
        if changed:
            detail["state"] = [MEANINGS[move.before].label, MEANINGS[move.after].label]
        audit.record(actor=actor, action=action, obj=move.account, detail=detail)


def _check_end(ends_on: date | None) -> None:
    if ends_on is not None and ends_on < timezone.localdate():
        raise InvalidInput("The end date has passed. Nothing was changed.")


def _label(account: Account) -> str:
    return MEANINGS[State(account.state)].label.lower()


def _text(day: date | None) -> str:
    return day.isoformat() if day else ""
