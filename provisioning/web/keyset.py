"""Keyset pagination: page 2,000 of a list costs what page 1 costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

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
    """The page of `queryset` at `cursor` (empty: the first one).

    The first page counts what matches, up to `count_to` where given; the others take its word for
    it. Raises BadRequest (400) for a cursor that the console did not hand out for this order.
    """
    order = order or Order()
    if not cursor:
        return _first(queryset, order, size, _count(queryset, count_to))
    backwards, value, pk, start, total = _decode(cursor, order)
    side = queryset.filter(order.beyond(value, pk, backwards=backwards))
    rows = list(side.order_by(*order.fields(backwards=backwards))[: size + 1])
    more = len(rows) > size
    rows = rows[:size]
    # The list has become shorter, or its beginning is reached.
    if not rows or (backwards and not more):
        return _first(queryset, order, size, _count(queryset, count_to))
    if backwards:
        return _page(rows[::-1], order, total, max(1, start - size), before=True, after=True)
    return _page(rows, order, total, start, before=True, after=more)


class _Total(NamedTuple):
    """How many rows match, and whether there are more than were counted."""

    rows: int
    uncounted: bool = False


def _count(queryset: QuerySet[M], count_to: int | None) -> _Total:
    if count_to is None:
        return _Total(queryset.count())
    found = queryset.order_by()[: count_to + 1].count()
    return _Total(min(found, count_to), found > count_to)


def _first(queryset: QuerySet[M], order: Order, size: int, total: _Total) -> KeysetPage[M]:
    rows = list(queryset.order_by(*order.fields())[: size + 1]) if total.rows else []
    return _page(rows[:size], order, total, 1, before=False, after=len(rows) > size)


def _page(
    rows: list[M], order: Order, total: _Total, start: int, *, before: bool, after: bool
) -> KeysetPage[M]:
    if not rows:
        return KeysetPage([], total.rows, 0, "", "")
    following = start + len(rows)
    return KeysetPage(
        rows,
        total.rows,
        start,
        _encode(rows[0], order, start, total, backwards=True) if before else "",
        _encode(rows[-1], order, following, total, backwards=False) if after else "",
        uncounted=total.uncounted,
    )


def _salt(order: Order) -> str:
    return f"keyset:{order.column}:{order.descending}"


def _encode(row: Model, order: Order, start: int, total: _Total, *, backwards: bool) -> str:
    value = getattr(row, order.column)
    if not isinstance(value, int):
        value = str(value)
    return signing.dumps([backwards, value, row.pk, start, *total], salt=_salt(order))


def _decode(cursor: str, order: Order) -> tuple[bool, Any, int, int, _Total]:
    try:
        place = signing.loads(cursor, salt=_salt(order))
        backwards, value, pk, start, *total = place
    except (signing.BadSignature, ValueError) as error:
        raise BadRequest("This page of the list does not exist; start at the first one.") from error
    return backwards, value, pk, start, _Total(*total)
