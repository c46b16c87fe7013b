"""What waits to be pushed, told truthfully: comparing everything is not one change."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Count, Q, QuerySet

from provisioning.models import ConfigStore, PendingChange

_ALIVE = Q(pending__dead=False)
_ALL = Q(pending__key=PendingChange.ALL)


@dataclass(frozen=True, slots=True)
class Waiting:
    """Single changes that wait, and the names of the stores at which everything is compared.

    `held` of all of them are held back by rollouts until their stage opens.
    """

    single: int
    compared: tuple[str, ...] = ()
    held: int = 0

    def __bool__(self) -> bool:
        return bool(self.single or self.compared)

    @property
    def headline(self) -> str:
        """How much it is, in a word or a number."""
        return "Everything" if self.compared else f"{self.single:,}"

    @property
    def text(self) -> str:
        """All of it in a few words, with the stores' names; empty where nothing waits."""
        later = f"; a rollout holds back {self.held:,}" if self.held else ""
        changes = f"{self.single:,} single change{'' if self.single == 1 else 's'}"
        if not self.compared:
            return f"{changes}{later}" if self.single else ""
        named = self.compared[0] if len(self.compared) == 1 else f"{len(self.compared):,} stores"
        more = f", and {changes}" if self.single else ""
        return f"everything at {named} is compared{more}{later}"


def with_waiting(stores: QuerySet[ConfigStore]) -> QuerySet[ConfigStore]:
    """The stores with the `single_`, `everything_`, `dead_` and `held_count` of their changes."""
    return stores.annotate(
        single_count=Count("pending", filter=_ALIVE & ~_ALL),
        everything_count=Count("pending", filter=_ALIVE & _ALL),
        dead_count=Count("pending", filter=Q(pending__dead=True)),
        held_count=Count("pending", filter=_ALIVE & Q(pending__stage__open=False)),
    )


def waiting_at(stores: Iterable[ConfigStore]) -> Waiting:
    """What waits at stores that `with_waiting` found."""
    found = list(stores)
    return Waiting(
        sum(store.single_count for store in found),  # type: ignore[attr-defined]
        tuple(store.name for store in found if store.everything_count),  # type: ignore[attr-defined]
        sum(store.held_count for store in found),  # type: ignore[attr-defined]
    )
