"""Number ranges: what lies in them, how full they are, which number is next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Length

from provisioning.core.errors import InvalidInput
from provisioning.core.telephone import check_range, numbers_between
from provisioning.core.text import require_line
from provisioning.models import Number, NumberRange
from provisioning.services import bulk
from provisioning.services.actor import Actor
from provisioning.services.console import saving

# The last known number before the first gap. Numbers of a range have one length, so their order as
# text is their order as numbers.
_NEXT_GAP = """
SELECT e164 FROM (
    SELECT e164, LEAD(e164) OVER (ORDER BY e164) AS following
    FROM provisioning_number WHERE e164 BETWEEN %s AND %s AND LENGTH(e164) = %s
) numbered
WHERE following IS NULL
   OR CAST(SUBSTR(following, 2) AS BIGINT) > CAST(SUBSTR(e164, 2) AS BIGINT) + 1
ORDER BY e164 LIMIT 1
"""

_COUNTS = """
SELECT r.id, n.state, COUNT(*) FROM provisioning_numberrange r
JOIN provisioning_number n ON n.e164 BETWEEN r.first AND r.last AND LENGTH(n.e164) = LENGTH(r.first)
GROUP BY r.id, n.state
"""


def save_range(*, number_range: NumberRange, actor: Actor) -> None:
    """Keep a new or changed range; raises InvalidInput when it is none or overlaps another."""
    number_range.name = require_line(number_range.name, "The name").strip()
    number_range.first = number_range.first.replace(" ", "")
    number_range.last = number_range.last.replace(" ", "")
    low, high = check_range(number_range.first, number_range.last)
    if not 1 <= number_range.extension_digits <= len(number_range.first) - 1:
        raise InvalidInput("An extension has at least one digit and no more than the number.")
    saving.check_fields(number_range)
    with transaction.atomic():
        for other in _same_length(number_range.first).exclude(pk=number_range.pk):
            if low <= int(other.last[1:]) and int(other.first[1:]) <= high:
                raise InvalidInput(
                    f"It overlaps with {other}. Nothing was saved; ranges may not share numbers."
                )
        saving.save(row=number_range, before=saving.find_stored(number_range), actor=actor)


def delete_range(*, number_range: NumberRange, actor: Actor) -> None:
    """Delete a range that no rule names; its numbers stay."""
    saving.delete(row=number_range, actor=actor)


def numbers_in(
    number_range: NumberRange, among: QuerySet[Number] | None = None
) -> QuerySet[Number]:
    """The known numbers from the first to the last of the range, or those of them in `among`."""
    return (
        (Number.objects.all() if among is None else among)
        .alias(digits=Length("e164"))
        .filter(e164__range=(number_range.first, number_range.last))
        .filter(digits=len(number_range.first))
    )


def range_holds(number_range: NumberRange, e164: str) -> bool:
    """Whether the number lies in the range."""
    return len(e164) == len(number_range.first) and (
        number_range.first <= e164 <= number_range.last
    )


def range_of(e164: str) -> NumberRange | None:
    """The range that holds the number."""
    return _same_length(e164).filter(first__lte=e164, last__gte=e164).first()


def next_free(number_range: NumberRange) -> str | None:
    """The smallest number of the range that nobody has or had lately; None when the range is full.

    A few index lookups and one pass inside the database, whatever the size of the range.
    """
    known = numbers_in(number_range)
    candidates = [
        known.filter(state=Number.State.FREE)
        .order_by("e164")
        .values_list("e164", flat=True)
        .first(),
        _first_unknown(number_range),
    ]
    return min((e164 for e164 in candidates if e164), default=None)


def free_numbers(number_range: NumberRange) -> Iterator[str]:
    """Every free number of the range in order, one at a time: for handing out many at once.

    Reads the known numbers as a stream, so memory does not grow with the range.
    """
    taken = (
        numbers_in(number_range)
        .exclude(state=Number.State.FREE)
        .order_by("e164")
        .values_list("e164", flat=True)
        .iterator(chunk_size=2000)
    )
    following = next(taken, "")
    for e164 in numbers_between(number_range.first, number_range.last):
        if e164 == following:
            following = next(taken, "")
        else:
            yield e164


@dataclass(frozen=True, slots=True)
class Fill:
    """How full a range is: its numbers, those that nobody can get now, and known ones by state."""

    size: int
    taken: int
    states: dict[str, int]

    @property
    def free(self) -> int:
        """Numbers that can be handed out."""
        return self.size - self.taken


def find_fills(ranges: list[NumberRange]) -> dict[int, Fill]:
    """The fill level of each range by its id, in one query."""
    counts: dict[int, dict[str, int]] = {}
    for range_id, state, count in bulk.fetch(_COUNTS):
        counts.setdefault(range_id, {})[state] = count
    return {row.pk: _fill(row, counts.get(row.pk, {})) for row in ranges}


def _fill(number_range: NumberRange, states: dict[str, int]) -> Fill:
    low, high = int(number_range.first[1:]), int(number_range.last[1:])
    taken = sum(count for state, count in states.items() if state != Number.State.FREE)
    return Fill(high - low + 1, taken, states)


def _first_unknown(number_range: NumberRange) -> str | None:
    first, last = number_range.first, number_range.last
    if not Number.objects.filter(e164=first).exists():
        return first
    rows = bulk.fetch(_NEXT_GAP, [first, last, len(first)])
    before = rows[0][0]
    return None if before == last else f"+{int(before[1:]) + 1}"


def _same_length(e164: str) -> QuerySet[NumberRange]:
    return NumberRange.objects.alias(digits=Length("first")).filter(digits=len(e164))
