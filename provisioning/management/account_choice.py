"""Accounts as the command line names them: one by one, or by a filter."""

from __future__ import annotations

from collections.abc import Sequence

from django.core.management.base import CommandParser
from django.db.models import Q, QuerySet

from provisioning.core.errors import InvalidInput
from provisioning.core.states import State
from provisioning.models import Account, DirectoryGroup, Person
from provisioning.services.accounts.find import find_subjects
from provisioning.services.directory.nesting import find_owners

FILTERS = {
    "state": "state",
    "kind": "kind",
    "domain": "domain__domain",
    "pool": "pool__name",
    "site": "site__name",
    "rule": "rule__name",
}
_KEYS = ", ".join([*FILTERS, "group"])


def add_filter(parser: CommandParser, *, default: str) -> None:
    """The option --filter; `default` says what it is without one."""
    parser.add_argument(
        "--filter", nargs="+", action="extend", default=[], metavar="KEY=VALUE",
        help=f"only these accounts ({default}); keys: {_KEYS}",
    )  # fmt: skip


def filter_accounts(accounts: QuerySet[Account], filters: Sequence[str]) -> QuerySet[Account]:
    """Those of `accounts` that match every KEY=VALUE; several values of one key are alternatives.

    Raises InvalidInput for another key and for a value that nothing has.
    """
    wanted: dict[str, list[str]] = {}
    for given in filters:
        key, equals, value = given.partition("=")
        if not equals or key not in (*FILTERS, "group"):
            raise InvalidInput(f"“{given[:80]}” is not KEY=VALUE with one of the keys {_KEYS}.")
        wanted.setdefault(key, []).append(value)
    for key, values in wanted.items():
        if key == "group":
            accounts = accounts.filter(_in_groups(values))
            continue
        _check(key, values)
        accounts = accounts.filter(**{f"{FILTERS[key]}__in": values})
    return accounts


def find_account(name: str) -> Account:
    """The one account that a user name, SIP URI or number names; raises InvalidInput otherwise."""
    found = find_subjects(text=name)
    people = [each.same_as or each for each in found if isinstance(each, Person)]
    mine = [subject for subject in found if isinstance(subject, Account)]
    mine += Account.objects.exclude(state=State.REMOVED).filter(person__in=people)
    if len(mine) != 1:
        raise InvalidInput(
            f"“{name[:80]}” names {len(mine)} accounts, not one. Nothing was changed; give a SIP "
            "URI."
        )
    return mine[0]


def _in_groups(names: Sequence[str]) -> Q:
    among = Q(pk__in=())
    for name in names:
        groups = DirectoryGroup.objects.filter(name=name)
        if not groups:
            raise InvalidInput(f"There is no group “{name[:80]}”.")
        for group in groups:
            among |= Q(person__in=find_owners(group=group))
    return among


def _check(key: str, values: Sequence[str]) -> None:
    """Raise InvalidInput for a value that cannot be: a typing error must not look like nobody."""
    field = Account._meta.get_field(FILTERS[key].partition("__")[0])
    if field.related_model is not None:
        column = FILTERS[key].partition("__")[2]
        rows = field.related_model._default_manager.order_by(column)
        there = list(rows.values_list(column, flat=True))
    else:
        there = [value for value, _ in field.choices or ()]
    for value in values:
        if value not in there:
            listed = ", ".join(there[:20]) or "none"
            raise InvalidInput(f"There is no {key} “{value[:80]}”. There are: {listed}.")
