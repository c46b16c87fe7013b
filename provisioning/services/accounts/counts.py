"""How many accounts the rows have that accounts refer to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeVar

from django.db.models import Count, Model

from provisioning.core.states import State
from provisioning.models import Account

M = TypeVar("M", bound=Model)


def with_account_counts(
    rows: Iterable[M], *, by: Literal["domain", "pool", "rule", "site"]
) -> list[tuple[M, int]]:
    """Each of `rows` with how many accounts refer to it as `by`, without removed ones.

    One pass over the accounts by themselves: joined with wide rows and grouped by all their columns
    it takes ten to forty times as long.
    """
    living = Account.objects.exclude(state__in=[State.REMOVED]).order_by()
    counts = dict(living.values_list(f"{by}_id").annotate(count=Count("pk")))
    return [(row, counts.get(row.pk, 0)) for row in rows]
