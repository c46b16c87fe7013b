"""Why an account is in its state, in plain words."""

from __future__ import annotations

from django.utils import timezone

from provisioning.core.states import State
from provisioning.models import Account, Person, Pin
from provisioning.services.rules.rule_book import CompiledRule


def why_state(account: Account, pin: Pin | None, winner: CompiledRule | None) -> str:
    """What decided the state, the first that applies."""
    person = account.person
    if account.state == State.REMOVED:
        return "it was removed"
    if account.blocked:
        return f"an administrator blocked it: {account.blocked_reason}; a block beats the directory"
    if pin is not None and pin.value == State.HELD:
        until = f" until {pin.ends_on:%-d %b %Y}" if pin.ends_on else ""
        return f"on leave{until}: {pin.reason}; leave beats the directory and grace"
    if pin is not None:
        return f"pinned: {pin.reason}"
    if person is None:
        ended = account.ends_on is not None and account.ends_on < timezone.localdate()
        return f"its end date was {account.ends_on}" if ended else "made in the console"
    return _why_by_directory(person, winner)


def _why_by_directory(person: Person, winner: CompiledRule | None) -> str:
    if person.left_at is not None:
        return "the person left the directory"
    if winner is None:
        return "no enabled rule matches the person"
    if person.disabled:
        return "the directory says that the person is disabled"
    if person.is_out():
        return "the person's account in the directory has expired"
    if winner.disables(
        locked_out=person.locked_out, must_change_password=person.must_change_password
    ):
        what = "is locked out" if person.locked_out else "must change the password"
        return f"the person {what}, and the rule {winner.rule} disables for that"
    return "the person is in the directory and a rule matches"
