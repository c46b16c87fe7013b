"""Why an account is in its state, in plain words."""

from __future__ import annotations

from django.utils import timezone

from provisioning.core.moments import moment
from provisioning.core.states import State
from provisioning.models import Account, Pin
from provisioning.services.rules.decide import PersonView
from provisioning.services.rules.rule_book import CompiledRule


def why_state(
    account: Account, pin: Pin | None, winner: CompiledRule | None, view: PersonView | None
) -> str:
    """What decided the state, the first that applies."""
    if account.state == State.REMOVED:
        return "it was removed"
    if account.blocked:
        return f"an administrator blocked it: {account.blocked_reason}; a block beats the directory"
    if pin is not None and pin.value == State.HELD:
        until = f" until {pin.ends_on:%-d %b %Y}" if pin.ends_on else ""
        return f"on leave{until}: {pin.reason}; leave beats the directory and grace"
    if pin is not None:
        return f"pinned: {pin.reason}"
    if view is None:
        ended = account.ends_on is not None and account.ends_on < timezone.localdate()
        return f"its end date was {account.ends_on}" if ended else "made in the console"
    return _why_by_directory(view, winner)


def _why_by_directory(view: PersonView, winner: CompiledRule | None) -> str:
    if view.same_as is not None:
        return "this entry was joined to another one, and a person has one account"
    if not view.present:
        return "the person left the directory"
    if winner is None:
        return "no enabled rule matches the person"
    values = view.values
    if values["disabled"]:
        return "the directory says that the person is disabled"
    if view.is_out(moment(timezone.now())):
        return "the person's account in the directory has expired"
    if winner.disables(
        locked_out=values["locked_out"], must_change_password=values["must_change_password"]
    ):
        what = "is locked out" if values["locked_out"] else "must change the password"
        return f"the person {what}, and the rule {winner.rule} disables for that"
    return "the person is in the directory and a rule matches"
