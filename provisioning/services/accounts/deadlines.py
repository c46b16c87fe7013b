"""What ends by itself: pins, leave, end dates, expiry, grace, old SIP URIs, quarantine."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from provisioning.core.states import State
from provisioning.models import Account, Alias, Number, Pin
from provisioning.services.accounts.accounts import retire
from provisioning.services.accounts.aliases import end_aliases
from provisioning.services.accounts.blocks import end_pin, record_moves
from provisioning.services.accounts.standing import locked, settle
from provisioning.services.actor import SCHEDULE
from provisioning.services.console import audit
from provisioning.services.directory.expiry import is_expiry_due
from provisioning.services.runs.runs import request_expiry_run
from provisioning.services.runs.undo_pins import forget_pins

# One transaction each, so that no lock is held long.
_BATCH = 200


def keep_deadlines(*, now: datetime | None = None) -> dict[str, int]:
    """End what is due; how many of each. Safe to call at any time and as often as wanted.

    Whoever expired in the directory loses service by a run of its own, within the limits.
    """
    now = now or timezone.now()
    if is_expiry_due(now=now):
        request_expiry_run()
    return {
        "pins": _until_done(_end_pins, now),
        "accounts": _until_done(_end_accounts, now),
        "removed": _until_done(_end_grace, now),
        "aliases": _until_done(_end_aliases, now),
        "numbers": _end_quarantine(now),
    }


def _until_done(end: Callable[[datetime], int], now: datetime) -> int:
    total = 0
    while ended := end(now):
        total += ended
    return total


def _end_pins(now: datetime) -> int:
    due = Pin.objects.filter(ends_on__lt=timezone.localdate(now)).order_by("pk")[:_BATCH]
    with transaction.atomic():
        forget_pins([pin.pk for pin in due if pin.run_id is not None])
    for pin in due:
        if pin.run_id is None:
            end_pin(pin=pin, actor=SCHEDULE)
    return len(due)


def _end_accounts(now: datetime) -> int:
    over = Account.objects.filter(
        person__isnull=True, ends_on__lt=timezone.localdate(now), state=State.ACTIVE
    ).exclude(pins__field=Pin.Field.STATE)
    with transaction.atomic():
        ids = list(over.order_by("pk").values_list("pk", flat=True)[:_BATCH])
        accounts = locked(ids)
        record_moves(settle(accounts, now=now), "reached its end date", SCHEDULE)
    return len(accounts)


def _end_grace(now: datetime) -> int:
    few = Account.objects.exclude(state=State.ACTIVE)  # as the index of states has them
    over = few.filter(state=State.GRACE, grace_until__lte=now).order_by("pk")
    ids = list(over.values_list("pk", flat=True)[:_BATCH])
    with transaction.atomic():
        accounts = locked(ids)
        for account in accounts:
            retire(account, actor=SCHEDULE)
            audit.record(actor=SCHEDULE, action="removed", obj=account, detail={"grace": "over"})
    return len(accounts)


def _end_aliases(now: datetime) -> int:
    with transaction.atomic():
        due = Alias.objects.select_for_update().filter(ends_at__lte=now).order_by("pk")[:_BATCH]
        over = list(due.select_related("account"))
        end_aliases(over, actor=SCHEDULE)
    return len(over)


def _end_quarantine(now: datetime) -> int:
    return Number.objects.filter(state=Number.State.QUARANTINED, quarantined_until__lte=now).update(
        state=Number.State.FREE, quarantined_until=None, changed_at=now
    )
