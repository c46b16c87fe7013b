"""The number desk: hands each number to one account, lets accounts swap, says who is in the way."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from provisioning.core.telephone import numbers_between
from provisioning.models import Account, Number, NumberRange
from provisioning.services import bulk
from provisioning.services.accounts.claims import Claims
from provisioning.services.rules.decide import Decision

_HOLDERS = f"""
SELECT n.e164, n.account_id, a.name, n.state FROM {Number._meta.db_table} n
LEFT JOIN {Account._meta.db_table} a ON a.id = n.account_id WHERE
"""  # noqa: S608
# Why a number that nobody has cannot be given away.
_UNAVAILABLE = {
    Number.State.USED_ELSEWHERE: "is used elsewhere",
    Number.State.QUARANTINED: "is in quarantine; make it free first if that does not matter",
}


@dataclass(frozen=True, slots=True)
class Holding:
    """A known number: the account that has it, if any, and its state."""

    account_id: int | None
    account_name: str
    state: str


@dataclass(slots=True, eq=False)
class Wish:
    """A decision about an account (None for a new one) that has the number `current` until now."""

    account_id: int | None
    current: str
    decision: Decision
    after: dict[str, Any]
    holder: str = ""

    @property
    def wanted(self) -> str:
        """The number in question."""
        return str(self.after["number"])

    @property
    def name(self) -> str:
        """Whose account it is."""
        return str(self.after["name"])

    @property
    def keeps(self) -> bool:
        """A number that somebody gives up is there for others of the same plan."""
        return False

    def refuse(self, holder: str) -> None:
        """Leave the number as it is, for `holder` has the other one."""
        self.leave(f"The number {self.wanted} already belongs to {holder}.")

    def leave(self, problem: str) -> None:
        """Leave the number as it is and say why."""
        self.decision.problems.append(problem)
        self.after["number"] = self.current


class NumberDesk:
    """Keeps numbers unique over one plan; holds only the numbers that the plan moves.

    The `returning` numbers are in quarantine and may be given all the same: to who had them before.
    """

    def __init__(self, *, returning: Collection[str] = ()) -> None:
        self._returning = returning
        self._claims: Claims[Wish] = Claims()
        self._holdings: dict[str, Holding] = {}
        self._free: dict[int, Iterator[str]] = {}

    def look_up(self, numbers: set[str]) -> None:
        """Read who has these numbers, which the next wishes want: one query for all of them."""
        self._holdings = {}
        if numbers:
            rows = bulk.fetch(_HOLDERS + bulk.one_of("n.e164"), [bulk.array(numbers)])
            self._holdings = {
                e164: Holding(owner, name or "", state) for e164, owner, name, state in rows
            }

    def settle(self, wish: Wish) -> bool:
        """Give the wish its number or refuse it; False when only `finish` can tell."""
        rule = wish.decision.rule
        if wish.decision.wants_number_of_range and rule and rule.rule.number_range:
            self._take_free(rule.rule.number_range, wish)
        if wish.wanted == wish.current:
            return True
        holding = self._holdings.get(wish.wanted)
        if holding is None:
            self._claims.claim(wish)
        elif holding.account_id is not None and holding.account_id != wish.account_id:
            wish.holder = holding.account_name
            self._claims.wait(wish)
            return False
        elif (
            holding.account_id is None
            and holding.state in _UNAVAILABLE
            and wish.wanted not in self._returning
        ):
            why = _UNAVAILABLE[Number.State(holding.state)]
            wish.leave(f"The number {wish.wanted} {why}.")
        else:
            self._claims.claim(wish)
        return True

    def finish(self) -> None:
        """Settle the wishes for numbers that others have."""
        self._claims.finish()

    def _take_free(self, number_range: NumberRange, wish: Wish) -> None:
        if number_range.pk not in self._free:
            taken = set(
                Number.objects.filter(e164__gte=number_range.first, e164__lte=number_range.last)
                .exclude(state=Number.State.FREE)
                .values_list("e164", flat=True)
            )
            every = numbers_between(number_range.first, number_range.last)
            self._free[number_range.pk] = (number for number in every if number not in taken)
        number = next((n for n in self._free[number_range.pk] if not self._claims.holder(n)), "")
        if not number:
            wish.leave(f"The range {number_range.name} has no free number left.")
            return
        wish.after["number"] = number
