"""Numbers: who has which, in quarantine for a while when nobody has it any more."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from provisioning.core.account import account_search_key
from provisioning.core.errors import InvalidInput
from provisioning.core.states import State
from provisioning.core.telephone import normalise
from provisioning.core.text import require_line
from provisioning.models import Account, GroupAddress, Number, Pin, Run
from provisioning.services.accounts.pins import set_pin
from provisioning.services.accounts.standing import locked
from provisioning.services.actor import Actor
from provisioning.services.console import audit
from provisioning.services.push import outbox

QUARANTINE = timedelta(days=90)
_PIN_REASON = "Set in the console"


class NumberTaken(InvalidInput):
    """The number belongs to `holder`."""

    def __init__(self, e164: str, holder: Account) -> None:
        super().__init__(
            f"{e164} belongs to {holder.name} ({holder.aor}). Nothing was changed; "
            "release it there first."
        )
        self.holder = holder


def end_of_quarantine(run: Run) -> datetime:
    """When the numbers that `run` takes away are free again: one moment for all of them."""
    return (run.started_at or run.created_at) + QUARANTINE


def assign_number(*, account: Account, e164: str, actor: Actor) -> Number:
    """Give `account` a number, in any notation of its site's country; the former one is released.

    The number of a person is pinned, so that no sync takes it away. Raises NumberTaken when another
    account has it, InvalidInput when it cannot be used.
    """
    with transaction.atomic():
        current = locked([account.pk])[0]
        if current.state == State.REMOVED:
            raise InvalidInput("The account was removed. Nothing was changed.")
        value = normalise(e164, current.site.country if current.site else "")
        number = Number.objects.select_for_update().filter(e164=value).first()
        if number is None:
            number = Number(e164=value)
        elif number.account_id == current.pk:
            return number
        _check_available(number)
        former = Number.objects.select_for_update().filter(account=current).first()
        if former is not None:
            _put_away(former, free=False)
        number.account = current
        number.state = (
            Number.State.RESERVED if current.state == State.PREPARED else Number.State.ASSIGNED
        )
        number.quarantined_until = None
        number.save()
        if current.person_id is not None:
            set_pin(account=current, field=Pin.Field.NUMBER, value=value, reason=_PIN_REASON,
                    actor=actor)  # fmt: skip
        before = former.e164 if former else ""
        _touch(current, value, [before, value])
        audit.record(
            actor=actor, action="assigned a number to", obj=current,
            detail={"number": [before, value]},
        )  # fmt: skip
    return number


def release_number(*, number: Number, actor: Actor, free: bool = False, pin: bool = True) -> Number:
    """Take the number from its account: into quarantine for 90 days, or free at once if asked.

    With `pin`, a person stays without a number until the pin is ended.
    """
    with transaction.atomic():
        current = Number.objects.select_for_update().get(pk=number.pk)
        if current.account_id is None:
            raise InvalidInput(f"Nobody has {current}. Nothing was changed.")
        account = locked([current.account_id])[0]
        _put_away(current, free=free)
        if pin and account.person_id is not None:
            set_pin(account=account, field=Pin.Field.NUMBER, value="", reason=_PIN_REASON,
                    actor=actor)  # fmt: skip
        _touch(account, "", [current.e164])
        audit.record(
            actor=actor, action="released the number of", obj=account,
            detail={"number": [current.e164, ""], "then": current.get_state_display()},
        )  # fmt: skip
    return current


def set_number_state(
    *, number: Number, state: Number.State, note: str = "", actor: Actor
) -> Number:
    """Make a number that nobody has free, reserved, quarantined or used elsewhere."""
    note = require_line(note.strip(), "The note")[:200]
    if state == Number.State.ASSIGNED:
        raise InvalidInput("A number becomes assigned by giving it to an account.")
    with transaction.atomic():
        current = Number.objects.select_for_update().get(pk=number.pk)
        if current.account_id is not None:
            raise InvalidInput(f"{current} belongs to an account; release it first.")
        group = GroupAddress.objects.filter(number=current.e164).first()
        if group is not None:
            raise InvalidInput(
                f"{current} leads to the group address {group}. Nothing was changed; take it from "
                "there first."
            )
        before = {"state": current.get_state_display(), "note": current.note}
        _keep(current, state, note)
        after = {"state": current.get_state_display(), "note": note}
        changed = {name: [was, after[name]] for name, was in before.items() if was != after[name]}
        audit.record(actor=actor, action="changed", obj=current, detail=changed)
    return current


def add_number(
    *, e164: str, state: Number.State, note: str = "", country: str = "", actor: Actor
) -> Number:
    """Keep a number that the console did not know: free, reserved or used elsewhere."""
    value = normalise(e164, country)
    note = require_line(note.strip(), "The note")[:200]
    with transaction.atomic():
        known = Number.objects.filter(e164=value).select_related("account").first()
        if known is not None:
            what = known.account or known.get_state_display().lower()
            raise InvalidInput(f"{value} is known already ({what}). Nothing was changed.")
        number = Number(e164=value)
        _keep(number, state, note)
        audit.record(
            actor=actor, action="added", obj=number,
            detail={"state": number.get_state_display(), "note": note},
        )  # fmt: skip
    return number


def _keep(number: Number, state: Number.State, note: str) -> None:
    """Save a number that nobody has, with this state and note."""
    number.state, number.note, number.used_in = state, note, None
    quarantined = state == Number.State.QUARANTINED
    number.quarantined_until = timezone.now() + QUARANTINE if quarantined else None
    number.save()


def _check_available(number: Number) -> None:
    if number.account is not None:
        raise NumberTaken(number.e164, number.account)
    if number.state == Number.State.QUARANTINED:
        until = number.quarantined_until
        when = f" until {timezone.localtime(until):%-d %b %Y}" if until else ""
        raise InvalidInput(
            f"{number} is in quarantine{when}, so that callers of its former owner reach nobody "
            "else. Nothing was changed; make it free first if that does not matter."
        )
    if number.state == Number.State.USED_ELSEWHERE:
        note = f" ({number.note})" if number.note else ""
        raise InvalidInput(
            f"{number} is used elsewhere{note}. Nothing was changed; make it free first if it no "
            "longer is."
        )


def _put_away(number: Number, *, free: bool) -> None:
    number.account = None
    number.state = Number.State.FREE if free else Number.State.QUARANTINED
    number.quarantined_until = None if free else timezone.now() + QUARANTINE
    number.save()


def _touch(account: Account, number: str, marked: list[str]) -> None:
    account.search_key = account_search_key(account.name, account.aor, number)
    account.version += 1
    account.changed_at = timezone.now()
    account.save(update_fields=["search_key", "version", "changed_at"])
    outbox.mark_account(account, numbers=marked)
