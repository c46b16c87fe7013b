"""Pins: values that an administrator fixes against rules and sync."""

from __future__ import annotations

from datetime import date

from provisioning.core.errors import InvalidInput
from provisioning.core.states import MEANINGS, State
from provisioning.core.text import require_line
from provisioning.models import Account, ClientProfile, Pin, ServerPool, Site
from provisioning.services.actor import Actor

_NAMED = {Pin.Field.POOL: ServerPool, Pin.Field.SITE: Site, Pin.Field.PROFILE: ClientProfile}


def set_pin(
    *,
    account: Account,
    field: Pin.Field,
    value: str,
    reason: str,
    actor: Actor,
    ends_on: date | None = None,
) -> Pin:
    """Fix a value of an account against rules and sync, in the caller's transaction."""
    pin, _ = Pin.objects.update_or_create(
        account=account,
        field=field,
        defaults={"value": value, "reason": reason, "ends_on": ends_on, "by": actor.user},
    )
    return pin


def checked_reason(reason: str) -> str:
    """`reason` as one line; raises InvalidInput when there is none."""
    reason = require_line(reason.strip(), "The reason")
    if not reason:
        raise InvalidInput("Say why, so that the next administrator understands it.")
    if len(reason) > 200:
        raise InvalidInput("The reason is longer than 200 characters.")
    return reason


def value_in_words(pin: Pin) -> str:
    """What the pin fixes, as people read it: names instead of ids, "none" for nothing."""
    if pin.field == Pin.Field.STATE:
        return MEANINGS[State(pin.value)].label
    if not pin.value:
        return "none"
    model = _NAMED.get(Pin.Field(pin.field))
    if model is None:
        return pin.value
    return str(model._default_manager.filter(pk=pin.value).first() or "deleted since")
