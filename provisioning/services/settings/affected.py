"""Whom a new value reaches: the accounts of a place, and those whose effective value changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from django.db.models import QuerySet

from provisioning.core.settings.setting import Setting, SettingScope
from provisioning.core.settings.types import Value
from provisioning.core.states import MEANINGS
from provisioning.models import Account, DirectoryGroup
from provisioning.services.directory.nesting import find_owners
from provisioning.services.settings.effective import HOLDER_COLUMNS, Desk, Holder, holder_of
from provisioning.services.settings.places import Place

_USABLE = [state.value for state, meaning in MEANINGS.items() if meaning.usable]
_ON_SERVER = [state.value for state, meaning in MEANINGS.items() if meaning.on_server]
# Accounts of one page: what is held in memory.
PAGE = 10_000


@dataclass(frozen=True, slots=True)
class Move:
    """An account whose effective value changes."""

    holder: Holder
    aor: str
    usable: bool
    before: Value
    after: Value


def accounts_at(place: Place) -> QuerySet[Account]:
    """The accounts that a value given at `place` may reach; those that no server has are left out.

    Of a server these are the accounts of its pool.
    """
    rows = Account.objects.filter(state__in=_ON_SERVER)
    obj = place.obj
    if place.scope is SettingScope.SERVER:
        return rows.filter(pool=getattr(obj, "pool", None))
    if isinstance(obj, DirectoryGroup):
        return rows.filter(person__in=find_owners(group=obj))
    if place.scope is SettingScope.ACCOUNT:
        return rows.filter(pk=place.pk)
    return rows if obj is None else rows.filter(**{place.scope.value: obj})


class Snapshot:
    """Effective values of one setting before it changes at `place`; made before the change."""

    def __init__(self, *, place: Place, setting: Setting) -> None:
        self.place, self.setting = place, setting
        self._desk = Desk(keys=(setting.key,))
        self._own: Value | None = None
        if isinstance(place.obj, Account):
            self._own = self._value(self._desk.given_to([holder_of(place.obj)])[0])

    def moves(self) -> Iterator[Move]:
        """The accounts whose effective value is another one now.

        A page of accounts at a time, and no row costs a query.
        """
        now = Desk(keys=(self.setting.key,))
        rows = accounts_at(self.place).order_by("pk").values_list(*HOLDER_COLUMNS, "aor", "state")
        last = 0
        while page := list(rows.filter(pk__gt=last)[:PAGE]):
            last = page[-1][0]
            holders = [Holder(*row[: len(HOLDER_COLUMNS)]) for row in page]
            pairs = zip(self._desk.given_to(holders), now.given_to(holders), strict=True)
            for row, holder, (before, after) in zip(page, holders, pairs, strict=True):
                old = self._value(before) if self._own is None else self._own
                new = self._value(after)
                if old != new:
                    yield Move(holder, row[-2], row[-1] in _USABLE, old, new)

    def _value(self, given: Mapping[str, Value]) -> Value:
        return given.get(self.setting.key, self.setting.default)
