"""Keyset pagination: page 2,000 of a list costs what page 1 costs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from django.core import signing
from django.core.exceptions import BadRequest
from django.db.models import Model, Q, QuerySet

M = TypeVar("M", bound=Model)

PAGE_SIZE = 50


@dataclass(frozen=True, slots=True)
class Order:
    """A sort order: one column that is never null, ties broken by id in the same direction.

    `column` is a field of the model or an annotation; an index on (column, id) keeps every page
    cheap.
    """

    column: str = "name_key"
    descending: bool = False

    def fields(self, *, backwards: bool = False) -> tuple[str, str]:
        """The arguments of `order_by`."""
        sign = "-" if self.descending is not backwards else ""
        return f"{sign}{self.column}", f"{sign}pk"

    def beyond(self, value: Any, pk: int, *, backwards: bool) -> Q:
        """The rows after (or before) the row with this value and id; can use an index."""
        side = "lt" if self.descending is not backwards else "gt"
        return Q(**{f"{self.column}__{side}e": value}) & (
            Q(**{f"{self.column}__{side}": value}) | Q(**{f"pk__{side}": pk})
        )


@dataclass(frozen=True, slots=True)
class KeysetPage(Generic[M]):
    """One page of a list.

    `first`, `previous` and `next` are values of the query parameter `cursor`, empty where there is
    no such page; `start` is the position of the first row, counted from 1 (0 on an empty page).
    More than `total` rows match where `uncounted` is set.
    """

    rows: list[M]
    total: int
    start: int
    previous: str
    next: str
    first: str = ""
    uncounted: bool = False

    @property
    def end(self) -> int:
        """The position of the last row."""
        return self.start + len(self.rows) - 1 if self.rows else 0

    @property
    def has_next(self) -> bool:
        """Whether rows follow."""
        return bool(self.next)

    @property
    def has_previous(self) -> bool:
        """Whether rows come before."""
        return bool(self.previous)


def paginate(
    queryset: QuerySet[M],
    *,
    cursor: str = "",
    order: Order | None = None,
    size: int = PAGE_SIZE,
    count_to: int | None = None,
) -> KeysetPage[M]:
    """The page of `queryset` at `cursor` (empty: the first one); two queries, one of them a count.

    The count ends at `count_to`, where given. Raises BadRequest (400) for a cursor that the console
    did not hand out for this order.
    """
    order = order or Order()
    if count_to is None:
        return _at(queryset, cursor, order, size, queryset.count())
    found = queryset.order_by()[: count_to + 1].count()
    page = _at(queryset, cursor, order, size, min(found, count_to))
    return replace(page, uncounted=found > count_to)


def _at(queryset: QuerySet[M], cursor: str, order: Order, size: int, total: int) -> KeysetPage[M]:
    if not total:
        return KeysetPage([], 0, 0, "", "")
    if not cursor:
        return _first(queryset, order, size, total)
    backwards, value, pk, start = _decode(cursor, order)
    side = queryset.filter(order.beyond(value, pk, backwards=backwards))
    rows = list(side.order_by(*order.fields(backwards=backwards))[: size + 1])
    more = len(rows) > size
    rows = rows[:size]
    if not backwards:
        if not rows:
            return _first(queryset, order, size, total)
        return _page(rows, order, total, start, before=True, after=more)
    if not more:
        return _first(queryset, order, size, total)
    return _page(rows[::-1], order, total, max(1, start - size), before=True, after=True)


def _first(queryset: QuerySet[M], order: Order, size: int, total: int) -> KeysetPage[M]:
    rows = list(queryset.order_by(*order.fields())[: size + 1])
    return _page(rows[:size], order, total, 1, before=False, after=len(rows) > size)


def _page(
    rows: list[M], order: Order, total: int, start: int, *, before: bool, after: bool
) -> KeysetPage[M]:
    if not rows:
        return KeysetPage([], total, 0, "", "")
    return KeysetPage(
        rows,
        total,
        start,
        _encode(rows[0], order, start, backwards=True) if before else "",
        _encode(rows[-1], order, start + len(rows), backwards=False) if after else "",
    )


def _salt(order: Order) -> str:
    return f"keyset:{order.column}:{order.descending}"


def _encode(row: Model, order: Order, start: int, *, backwards: bool) -> str:
    value = getattr(row, order.column)
    if not isinstance(value, int):
        value = str(value)
    return signing.dumps([backwards, value, row.pk, start], salt=_salt(order))


def _decode(cursor: str, order: Order) -> tuple[bool, Any, int, int]:
    try:
        backwards, value, pk, start = signing.loads(cursor, salt=_salt(order))
    except (signing.BadSignature, ValueError) as error:
        raise BadRequest("This page of the list does not exist; start at the first one.") from error
    return backwards, value, pk, start
