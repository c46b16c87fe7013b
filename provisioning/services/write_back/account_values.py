"""What an expression of the write-back may read of somebody's account."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce

from provisioning.core.errors import InvalidInput
from provisioning.core.expression import Expression, compile_expression
from provisioning.core.expression_functions import REGION
from provisioning.core.states import State
from provisioning.models import Account, NumberRange, Person

NAMES = (
    "aor", "user_part", "domain", "number", "extension", "name", "state", "kind", "site",
)  # fmt: skip
_COLUMNS = (
    "person_id", "aor", "user_part", "domain__domain", "number__e164", "name", "state", "kind",
    "site__name", "site__country",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class AccountValues:
    """The name of an account, and its values by the names that expressions know."""

    name: str
    values: Mapping[str, tuple[str, ...]]


class Extensions:
    """The internal extension of a number: the last digits, as many as its range says."""

    def __init__(self) -> None:
        ranges = sorted(
            (len(first), first, last, digits)
            for first, last, digits in NumberRange.objects.values_list(
                "first", "last", "extension_digits"
            )
        )
        self._starts = [(length, first) for length, first, _, _ in ranges]
        self._ranges = ranges

    def of(self, e164: str) -> str:
        """Empty for a number outside every range."""
        place = bisect_right(self._starts, (len(e164), e164)) - 1
        if not e164 or place < 0:
            return ""
        length, _, last, digits = self._ranges[place]
        return e164[-digits:] if length == len(e164) and e164 <= last else ""


def compile_value(text: str) -> Expression:
    """Compile an expression over account values; raises InvalidInput that says what there is."""
    expression = compile_expression(text)
    unknown = sorted(expression.names - set(NAMES))
    if unknown:
        raise InvalidInput(
            f"An account has no value “{unknown[0]}”. There are: {', '.join(NAMES)}."
        )
    return expression


def read_account_values(
    source_id: int, guids: Collection[str], extensions: Extensions
) -> dict[str, AccountValues]:
    """The values of the main accounts of these people, by GUID; a removed account is none.

    An entry of somebody with several gets the values of the person's account.
    """
    entries = Person.objects.filter(source=source_id, guid__in=guids)
    owners = dict(entries.values_list("guid", Coalesce("same_as", "pk")))
    accounts = Account.objects.filter(person__in=set(owners.values()), slot="main")
    by_owner: dict[int, AccountValues] = {}
    for row in accounts.exclude(state=State.REMOVED).values_list(*_COLUMNS):
        owner, aor, user_part, domain, number, name, state, kind, site, country = row
        given = {
            "aor": aor, "user_part": user_part, "domain": domain, "number": number or "",
            "extension": extensions.of(number or ""), "name": name, "state": state, "kind": kind,
            "site": site or "", REGION: country or "",
        }  # fmt: skip
        values = {key: (value,) for key, value in given.items() if value}
        by_owner[owner] = AccountValues(name, values)
    return {guid: by_owner[owner] for guid, owner in owners.items() if owner in by_owner}


def entries_changed_since(source_id: int, since: datetime | None) -> QuerySet[Person]:
    """The entries of a source whose person's account changed since then; None for all of them."""
    accounts = Account.objects.filter(slot="main", person__isnull=False)
    if since is not None:
        accounts = accounts.filter(changed_at__gt=since)
    owners = accounts.values("person_id")
    return Person.objects.filter(Q(pk__in=owners) | Q(same_as__in=owners), source=source_id)
