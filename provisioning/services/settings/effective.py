"""Effective settings: of a place with their origin, and of any number of accounts at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from provisioning.core.errors import InvalidInput
from provisioning.core.settings.catalogue import CATALOGUE, settings_at
from provisioning.core.settings.resolver import Effective, Given, resolve
from provisioning.core.settings.setting import Family, SettingScope
from provisioning.core.settings.types import Value
from provisioning.models import Account, GroupMember, SettingValue
from provisioning.services.clients.profile_settings import profile_of, profile_values
from provisioning.services.rules.matching import has_joined
from provisioning.services.settings.places import Place, as_given, places_above, ranks

# From the weakest to the strongest; groups come between pool and account, by rank.
_BENEATH_GROUPS = (SettingScope.DOMAIN, SettingScope.SITE, SettingScope.POOL)
_PLACES = ("domain", "site", "pool", "server", "group", "account")


class Holder(NamedTuple):
    """What the settings of an account depend on."""

    pk: int
    domain_id: int
    site_id: int | None
    pool_id: int
    person_id: int | None


HOLDER_COLUMNS = ("pk", "domain_id", "site_id", "pool_id", "person_id")


def holder_of(account: Account) -> Holder:
    """The account as what its settings depend on."""
    return Holder(*(getattr(account, name) for name in HOLDER_COLUMNS))


def effective_at(*, place: Place) -> list[Effective]:
    """Every setting that may be given at a place, with its effective value there; few queries."""
    rows = list(SettingValue.objects.filter(places_above(place)).select_related(*_PLACES))
    given = as_given(rows)
    if isinstance(place.obj, Account) and (profile := profile_of(place.obj)) is not None:
        for key, value in profile_values(profile).items():
            given.setdefault(key, []).append(Given(value, None, profile.name))
    return [resolve(each, given.get(each.key, ())) for each in settings_at(place.scope)]


def explain_setting(*, place: Place, key: str) -> Effective:
    """One of them: the winner, and what it beats."""
    for effective in effective_at(place=place):
        if effective.setting.key == key:
            return effective
    raise InvalidInput(f"“{key[:40]}” is not a setting of {place.label}.")


@dataclass(slots=True)
class Desk:
    """What accounts are given, from values that were read once: two queries, and two per batch.

    Only `keys` count; None means all settings of accounts and client policies.
    """

    keys: Collection[str] | None = None
    _at: dict[tuple[SettingScope, int], dict[str, Value]] = field(default_factory=dict)
    _ranks: dict[int, int] = field(default_factory=dict)
    _merged: dict[tuple[object, ...], Mapping[str, Value]] = field(default_factory=dict)
    _has_accounts: bool = False
    _joined: bool = False

    def __post_init__(self) -> None:
        if self.keys is None:
            self.keys = frozenset(
                key for key, each in CATALOGUE.items() if each.family is not Family.SERVER
            )
        rows = SettingValue.objects.filter(key__in=self.keys)
        self._has_accounts = rows.filter(scope=SettingScope.ACCOUNT).exists()
        for row in rows.exclude(scope=SettingScope.ACCOUNT):
            value = _checked(row.key, row.value)
            if value is not None:
                at = self._at.setdefault((SettingScope(row.scope), row.place_id), {})
                at[row.key] = value
        if any(scope is SettingScope.GROUP for scope, _ in self._at):
            self._ranks = ranks()
            self._joined = has_joined()

    def given_to(self, holders: Sequence[Holder]) -> list[Mapping[str, Value]]:
        """What each account is given, by key, the strongest of each; without defaults."""
        groups = self._groups_of(holders)
        own = self._own_of(holders)
        return [
            {**self._shared(each, groups.get(each.person_id or 0, ())), **own[each.pk]}
            if each.pk in own
            else self._shared(each, groups.get(each.person_id or 0, ()))
            for each in holders
        ]

    def given_everywhere(self) -> Mapping[str, Value]:
        """What is given everywhere, by key."""
        return self._at.get((SettingScope.GLOBAL, 0), {})

    def _shared(self, holder: Holder, groups: tuple[int, ...]) -> Mapping[str, Value]:
        """What comes from places that accounts share; the same mapping for the same places."""
        key = (holder.domain_id, holder.site_id, holder.pool_id, groups)
        found = self._merged.get(key)
        if found is None:
            places: list[tuple[SettingScope, int]] = [(SettingScope.GLOBAL, 0)]
            ids = (holder.domain_id, holder.site_id or 0, holder.pool_id)
            places += zip(_BENEATH_GROUPS, ids, strict=True)
            places += [(SettingScope.GROUP, group) for group in groups]
            merged: dict[str, Value] = {}
            for place in places:
                merged |= self._at.get(place, {})
            found = self._merged[key] = merged
        return found

    def _groups_of(self, holders: Iterable[Holder]) -> dict[int, tuple[int, ...]]:
        """The ranked groups of each person, from the weakest to the strongest."""
        if not self._ranks:
            return {}
        people = [each.person_id for each in holders if each.person_id is not None]
        members = GroupMember.objects.filter(group__in=list(self._ranks))
        found: dict[int, set[int]] = {}
        # Their own entry, and those of other sources that belong to them.
        for owner in ("person", "person__same_as") if self._joined else ("person",):
            rows = members.filter(**{f"{owner}__in": people})
            for person, group in rows.values_list(f"{owner}_id", "group_id"):
                found.setdefault(person, set()).add(group)
        rank = self._ranks.__getitem__
        return {
            person: tuple(sorted(groups, key=rank, reverse=True))
            for person, groups in found.items()
        }

    def _own_of(self, holders: Sequence[Holder]) -> dict[int, dict[str, Value]]:
        if not self._has_accounts or not holders:
            return {}
        rows = SettingValue.objects.filter(
            scope=SettingScope.ACCOUNT,
            key__in=self.keys or (),
            account__in=[each.pk for each in holders],
        )
        found: dict[int, dict[str, Value]] = {}
        for account, key, raw in rows.values_list("account_id", "key", "value"):
            value = _checked(key, raw)
            if value is not None:
                found.setdefault(account, {})[key] = value
        return found


def effective_of(account: Account) -> dict[str, Value]:
    """All effective values of one account, defaults among them."""
    (given,) = Desk().given_to([holder_of(account)])
    defaults = {
        key: each.default for key, each in CATALOGUE.items() if each.family is not Family.SERVER
    }
    return {**defaults, **given}


def _checked(key: str, raw: object) -> Value | None:
    """The value, or None where the catalogue has changed and it fits no more."""
    setting = CATALOGUE.get(key)
    try:
        return setting.type.check(raw) if setting else None
    except InvalidInput:
        return None
