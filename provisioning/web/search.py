"""The search box: every word must occur in the folded search key; numbers in any notation."""

from __future__ import annotations

import re
from typing import TypeVar

from django.db.models import Model, Q, QuerySet

from provisioning.core.text import fold

M = TypeVar("M", bound=Model)

MAX_QUERY = 100
MAX_WORDS = 6
# Up to so many matches are kept by id: counting and sorting then need no second look at each row.
FEW = 500
# So far matches are counted: no more can be changed at once, and who finds more types another word.
COUNTED = 1000

_PHONE = re.compile(r"[+0-9][0-9 ()./-]*", re.ASCII)


def words(query: str) -> list[str]:
    """What must occur: the folded words of `query`, at most six."""
    return fold(query.replace("\x00", "")[:MAX_QUERY]).split()[:MAX_WORDS]


def phone_digits(query: str) -> str:
    """The digits of a telephone number without `+` and trunk zeros; empty if it is none.

    "020 7946 0123", "+44 (0)20 7946 0123" and "0044 20…" all occur in +442079460123 that way.
    """
    text = query.strip()[:MAX_QUERY]
    if not _PHONE.fullmatch(text):
        return ""
    digits = re.sub(r"[^0-9]", "", text.replace("(0)", "")).lstrip("0")
    return digits if len(digits) >= 3 else ""


def matching(queryset: QuerySet[M], query: str, column: str = "search_key") -> QuerySet[M]:
    """The rows of `queryset` in whose `column` (made by core.text.search_key) every word occurs.

    Runs one bounded query where there is something to search for. Both sides are folded, so that
    LIKE compares rightly on SQLite, which reads every row, and on PostgreSQL, which has an index of
    trigrams where there are many (docs/decisions/0024-search.md).
    """
    wanted = words(query)
    if not wanted:
        return queryset
    contains = f"{column}__contains"
    condition = Q()
    for word in wanted:
        condition &= Q((contains, word))
    if digits := phone_digits(query):
        condition |= Q((contains, digits))
    # Without the other filters, which SQLite would try first on every row.
    everywhere = queryset.model._default_manager.filter(condition)
    ids = list(everywhere.values_list("pk", flat=True)[: FEW + 1])
    return queryset.filter(condition) if len(ids) > FEW else queryset.filter(pk__in=ids)
