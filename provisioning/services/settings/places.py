"""Places: where a setting may be given, and which of them apply where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Model, Q

from provisioning.core.errors import InvalidInput
from provisioning.core.settings.catalogue import CATALOGUE
from provisioning.core.settings.resolver import Given
from provisioning.core.settings.setting import SettingScope
from provisioning.models import (
    Account,
    DirectoryGroup,
    GroupMember,
    GroupRank,
    ServerPool,
    SettingValue,
    SipDomain,
    SipServer,
    Site,
)

_MODELS: Mapping[SettingScope, tuple[type[Model], str]] = {
    SettingScope.DOMAIN: (SipDomain, "domain"),
    SettingScope.SITE: (Site, "name"),
    SettingScope.POOL: (ServerPool, "name"),
    SettingScope.SERVER: (SipServer, "name"),
    SettingScope.GROUP: (DirectoryGroup, "name"),
    SettingScope.ACCOUNT: (Account, "aor"),
}


@dataclass(frozen=True, slots=True)
class Place:
    """One scope, and the pool, site, account, … there; everywhere has none."""

    scope: SettingScope
    obj: Model | None = None

    @property
    def pk(self) -> int:
        """The id of the object; 0 for everywhere."""
        return 0 if self.obj is None else int(self.obj.pk)

    @property
    def name(self) -> str:
        """What the object is called."""
        if isinstance(self.obj, Account):
            return self.obj.aor
        return "" if self.obj is None else str(self.obj)

    @property
    def label(self) -> str:
        """Such as "Pool Berlin"."""
        return f"{self.scope.label} {self.name}".rstrip()

    def values(self) -> Q:
        """Matches the values that are given here."""
        here = {self.scope.value: self.obj} if self.obj is not None else {}
        return Q(scope=self.scope, **here)


EVERYWHERE = Place(SettingScope.GLOBAL)


def find_place(scope: str, pk: int = 0) -> Place:
    """The place of that scope and id; raises InvalidInput where there is none."""
    try:
        found = SettingScope(scope)
    except ValueError as error:
        raise InvalidInput(f"“{scope[:40]}” is no scope of settings.") from error
    if found is SettingScope.GLOBAL:
        return EVERYWHERE
    model, _ = _MODELS[found]
    obj = model._default_manager.filter(pk=pk).first()
    if obj is None:
        raise InvalidInput(f"There is no {found.label} with the id {pk}.")
    return Place(found, obj)


def find_place_named(scope: str, name: str) -> Place:
    """The place of that scope that is called so; raises InvalidInput where none or several are."""
    if scope == SettingScope.GLOBAL:
        return EVERYWHERE
    if scope not in set(SettingScope):
        raise InvalidInput(
            f"“{scope[:40]}” is no scope of settings; there are {', '.join(SettingScope)}."
        )
    found = SettingScope(scope)
    model, field = _MODELS[found]
    wanted = name.removeprefix("sip:") if found is SettingScope.ACCOUNT else name
    rows = model._default_manager.filter(**{f"{field}__iexact": wanted})
    if found is SettingScope.ACCOUNT:
        rows = rows.exclude(state="removed")
    chosen = list(rows[:2])
    if len(chosen) != 1:
        many = "several are" if chosen else "none is"
        raise InvalidInput(f"{found.label}: {many} called “{name[:80]}”.")
    return Place(found, chosen[0])


def places_above(place: Place) -> Q:
    """Matches the values that apply at `place`, those that are given there among them.

    Of an account that is its SIP domain, site, pool and groups; of a server its pool. A pool, site
    or group says nothing of the others: its accounts may have any.
    """
    condition = EVERYWHERE.values()
    if isinstance(place.obj, SipServer):
        condition |= Q(scope=SettingScope.POOL, pool=place.obj.pool_id)
    if isinstance(place.obj, Account):
        account = place.obj
        mine = Q(pk__in=())
        if account.person_id is not None:
            mine = Q(person=account.person_id) | Q(person__same_as=account.person_id)
        groups = GroupMember.objects.filter(mine, group__rank__isnull=False)
        condition |= Q(scope=SettingScope.DOMAIN, domain=account.domain_id)
        condition |= Q(scope=SettingScope.SITE, site=account.site_id)
        condition |= Q(scope=SettingScope.POOL, pool=account.pool_id)
        condition |= Q(scope=SettingScope.GROUP, group__in=groups.values("group_id"))
    return condition | place.values() if place.obj is not None else condition


def ranks() -> dict[int, int]:
    """The rank of each group that has settings, by id; 1 beats 2."""
    ordered = GroupRank.objects.values_list("group_id", flat=True)
    return {group: rank for rank, group in enumerate(ordered, 1)}


def as_given(rows: Sequence[SettingValue]) -> dict[str, list[Given]]:
    """What `rows` (with their places) give, by key; a value that no longer fits is left out."""
    order = ranks() if any(row.group_id for row in rows) else {}
    found: dict[str, list[Given]] = {}
    for row in rows:
        setting = CATALOGUE.get(row.key)
        if setting is None:
            continue
        try:
            value = setting.type.check(row.value)
        except InvalidInput:
            continue
        scope = SettingScope(row.scope)
        place = Place(scope, getattr(row, scope.value, None))
        given = Given(value, scope, place.name, order.get(row.place_id, 0))
        found.setdefault(row.key, []).append(given)
    return found
