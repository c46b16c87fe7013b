"""A kind of which more is refused than what its columns cannot hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from provisioning.drivers.base import Row
from provisioning.drivers.database.stored_kind import StoredKind, Values


def nothing(_row: Row) -> str:
    """That there is no further reason to refuse a row."""
    return ""


@dataclass(frozen=True, eq=False)
class CheckedKind(StoredKind):
    """`defect` says why else a row cannot be written; empty where it can be."""

    defect: Callable[[Row], str] = nothing

    def defects(self, rows: Sequence[Row], values: Sequence[Values] | None) -> dict[int, str]:
        found = super().defects(rows, values)
        further = ((n, self.defect(row)) for n, row in enumerate(rows) if n not in found)
        return found | {n: said for n, said in further if said}
