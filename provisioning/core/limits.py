"""Limits: how much may be lost or changed in 24 hours before somebody has to look."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Category(StrEnum):
    """What a planned change risks; changes without a category are never held."""

    NONE = ""
    SERVICE = "service"
    AOR = "aor"
    NUMBER = "number"
    POOL = "pool"
    CREDENTIAL = "credential"
    MEMBERSHIP = "membership"
    DIRECTORY = "directory"


LABELS: dict[Category, str] = {
    Category.SERVICE: "loss of service",
    Category.AOR: "changed SIP URI",
    Category.NUMBER: "changed number",
    Category.POOL: "changed home pool",
    Category.CREDENTIAL: "new credential",
    Category.MEMBERSHIP: "removed membership",
    Category.DIRECTORY: "changed value in the directory",
}

_TAKES_AWAY = (Category.SERVICE, Category.MEMBERSHIP)


@dataclass(frozen=True, slots=True)
class Limit:
    """The smaller of `percent` of `population` and `ceiling`, never below one."""

    percent: int = 5
    ceiling: int = 250
    membership_percent: int = 20

    def allowed(self, category: Category, population: int) -> int:
        """How many changes of `category` may pass in 24 hours where `population` things exist."""
        if category is Category.MEMBERSHIP:
            return max(1, math.ceil(population * self.membership_percent / 100))
        return max(1, min(math.ceil(population * self.percent / 100), self.ceiling))


@dataclass(frozen=True, slots=True)
class Breach:
    """A limit that a plan passes: of what, where, how many of how many allowed."""

    scope: str
    category: Category
    count: int
    earlier: int
    allowed: int
    population: int

    def __str__(self) -> str:
        earlier = f" on top of {self.earlier:,} in the last 24 hours" if self.earlier else ""
        return (
            f"{self.scope}: {LABELS[self.category]}, {self.count:,} planned{earlier}; "
            f"at most {self.allowed:,} of {self.population:,} pass without approval."
        )


@dataclass(frozen=True, slots=True)
class InUse:
    """Something that goes although others ask for it: held, whatever the limits say."""

    what: str
    users: str

    def __str__(self) -> str:
        return (
            f"{self.what} is not in the directory any more, but {self.users} asks for it. Give "
            "that another group, or approve: it then applies to nobody."
        )


@dataclass(frozen=True, slots=True)
class Emptied:
    """So many values that a directory would lose: held, whatever the limits say."""

    count: int

    def __str__(self) -> str:
        what = "1 value" if self.count == 1 else f"{self.count:,} values"
        return (
            f"{what} that the console wrote would be emptied in the directory. That never happens "
            "without approval."
        )


@dataclass(frozen=True, slots=True)
class NoHome:
    """Accounts that would move to a pool that would not serve them: held, whatever limits say."""

    pool: str
    count: int
    reason: str

    def __str__(self) -> str:
        what = "1 account" if self.count == 1 else f"{self.count:,} accounts"
        return f"{what} would move to {self.pool}. {self.reason}"


def find_breaches(
    *,
    scope: str,
    limit: Limit,
    population: int,
    planned: Mapping[Category, int],
    earlier: Mapping[Category, int],
) -> list[Breach]:
    """The categories in which `planned` plus `earlier` pass the limit.

    `earlier` counts what waits and what was applied in the last 24 hours. Taking everything away is
    a breach whatever the percentage, unless only one thing exists.
    """
    breaches = []
    for category, count in planned.items():
        if category is Category.NONE or not count:
            continue
        allowed = limit.allowed(category, population)
        before = earlier.get(category, 0)
        empties = category in _TAKES_AWAY and population > 1 and count >= population
        if before + count > allowed or empties:
            breaches.append(Breach(scope, category, count, before, allowed, population))
    return breaches
