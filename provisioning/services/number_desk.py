"""The number desk: hands each number to one account, lets accounts swap, and says who is in the way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from provisioning.core.telephone import numbers_between
from provisioning.models import Number, NumberRange
from provisioning.services.decide import Decision


@dataclass(frozen=True, slots=True)
class Holding:
    """A known number: the account that has it, if any, and its state."""

    account_id: int | None
    account_name: str
    state: str


@dataclass(slots=True)
class Wish:
    """A decision that wants a number that another account still has."""

    account_id: int | None
    current: str
    decision: Decision

    @property
    def wanted(self) -> str:
        """The number in question."""
        return str(self.decision.after["number"]) if self.decision.after else ""

    def refuse(self, problem: str) -> None:
        """Leave the number as it is and say why."""
        self.decision.problems.append(problem)
        if self.decision.after is not None:
            self.decision.after["number"] = self.current


class NumberDesk:
    """Keeps numbers unique over one plan; holds only the numbers that the plan moves."""

    def __init__(self) -> None:
        self._claimed: dict[str, str] = {}
        self._released: set[str] = set()
        self._waiting: list[Wish] = []
        self._holdings: dict[str, Holding] = {}
        self._free: dict[int, Iterator[str]] = {}

    def look_up(self, decisions: list[Decision]) -> None:
        """Read who has the numbers that `decisions` want: one query for all of them."""
        wanted = {d.after["number"] for d in decisions if d.after and d.after["number"]}
        self._holdings = {}
        if wanted:
            rows = Number.objects.filter(e164__in=wanted).values_list(
                "e164", "account_id", "account__name", "state"
            )
            self._holdings = {
                e164: Holding(owner, name or "", state) for e164, owner, name, state in rows
            }

    def settle(self, wish: Wish) -> bool:
        """Give the wish its number or refuse it; False when that is known only at the end of the plan."""
        rule = wish.decision.rule
        if wish.decision.wants_number_of_range and rule and rule.rule.number_range:
            self._take_free(rule.rule.number_range, wish.decision)
        if wish.wanted == wish.current:
            return True
        holding = self._holdings.get(wish.wanted)
        if holding and holding.account_id is not None and holding.account_id != wish.account_id:
            if wish.wanted in self._claimed or wish.wanted not in self._released:
                self._waiting.append(wish)
                return False
        elif holding and holding.state == Number.State.USED_ELSEWHERE:
            wish.refuse(f"The number {wish.wanted} is used elsewhere.")
            return True
        self._claim(wish)
        return True

    def finish(self) -> None:
        """Settle the wishes that waited: numbers given up meanwhile, chains and swaps; refuse the rest."""
        waiting, self._waiting = self._waiting, []
        progress = True
        while progress:
            ready = [wish for wish in waiting if wish.wanted in self._released]
            progress = bool(ready)
            waiting = [wish for wish in waiting if wish.wanted not in self._released]
            for wish in ready:
                self._claim(wish)
        by_current = {wish.current: wish for wish in waiting if wish.current}
        while waiting:
            circle = _circle(waiting[0], by_current)
            for wish in circle or waiting[:1]:
                if circle:
                    self._released.add(wish.wanted)
            for wish in circle or waiting[:1]:
                if circle:
                    self._claim(wish)
                else:
                    wish.refuse(f"The number {wish.wanted} already belongs to another account.")
                by_current.pop(wish.current, None)
            settled = {id(wish) for wish in circle or waiting[:1]}
            waiting = [wish for wish in waiting if id(wish) not in settled]

    def _claim(self, wish: Wish) -> None:
        wanted = wish.wanted
        if wanted and wanted in self._claimed:
            wish.refuse(f"The number {wanted} is also wanted for {self._claimed[wanted]}.")
            return
        if wanted:
            after: dict[str, Any] = wish.decision.after or {}
            self._claimed[wanted] = str(after["name"])
        if wish.current:
            self._released.add(wish.current)

    def _take_free(self, number_range: NumberRange, decision: Decision) -> None:
        if number_range.pk not in self._free:
            taken = set(
                Number.objects.filter(e164__gte=number_range.first, e164__lte=number_range.last)
                .exclude(state=Number.State.FREE)
                .values_list("e164", flat=True)
            )
            every = numbers_between(number_range.first, number_range.last)
            self._free[number_range.pk] = (number for number in every if number not in taken)
        number = next((n for n in self._free[number_range.pk] if n not in self._claimed), "")
        if not number:
            decision.problems.append(f"The range {number_range.name} has no free number left.")
        if decision.after is not None:
            decision.after["number"] = number


def _circle(start: Wish, by_current: dict[str, Wish]) -> list[Wish]:
    """The wishes that hand numbers round in a circle beginning with `start`; empty when there is none."""
    circle = [start]
    while True:
        following = by_current.get(circle[-1].wanted)
        if following is None or (following is not start and following in circle):
            return []
        if following is start:
            return circle
        circle.append(following)
