"""The rows of settings that a store should hold: of its servers, and of accounts that differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.db.models import Q, QuerySet

from provisioning.core.settings.account_settings import PRESENTED_NUMBER
from provisioning.core.settings.catalogue import CATALOGUE
from provisioning.core.settings.resolver import resolve
from provisioning.core.settings.setting import Family, SettingScope
from provisioning.core.states import MEANINGS
from provisioning.drivers.base import Kind, Row
from provisioning.drivers.registry import DRIVERS
from provisioning.drivers.setting_rows import CALLER_SITE, PreferenceRow, SettingRow, as_text
from provisioning.models import Account, ConfigStore, GroupMember, OwnedRow, SettingValue, SipDomain
from provisioning.services.bulk import among
from provisioning.services.routing.desired_routing import main_numbers, sites_that_dial
from provisioning.services.routing.probe_routes import PROBE_SITE, callers_at_site
from provisioning.services.servers.scope import narrow
from provisioning.services.settings.effective import HOLDER_COLUMNS, Desk, Holder
from provisioning.services.settings.places import EVERYWHERE, as_given

_ON_SERVER = [state.value for state, meaning in MEANINGS.items() if meaning.on_server]
_PAGE = 10_000

Values = tuple[Any, ...]
# An account as its rows are made: what its settings depend on, and its address.
_COLUMNS = (*HOLDER_COLUMNS, "user_part")


def held_keys(store: ConfigStore, family: Family) -> list[str]:
    """The settings of a family that the store's servers can hold."""
    held = DRIVERS[store.driver].settings
    return [key for key, each in CATALOGUE.items() if each.family is family and key in held]


def setting_rows(*, store: ConfigStore) -> dict[str, Row]:
    """What the servers of `store` should hold, by key: what somebody gave, and nothing else.

    And main numbers of sites, where accounts present them.

    Where nothing is given, what stands in the server's own configuration goes on counting.
    """
    rows: dict[str, Row] = {}
    of_pool = EVERYWHERE.values() | Q(scope=SettingScope.POOL, pool=store.pool_id)
    given = as_given(list(SettingValue.objects.filter(of_pool).select_related("pool")))
    for key in held_keys(store, Family.SERVER):
        if key in given:
            _keep(rows, SettingRow(key, as_text(resolve(CATALOGUE[key], given[key]).value)))
    for key in held_keys(store, Family.ACCOUNT):
        everybody = [each for each in given.get(key, ()) if each.scope is SettingScope.GLOBAL]
        if everybody:
            _keep(rows, SettingRow(key, as_text(everybody[0].value)))
    if PRESENTED_NUMBER in DRIVERS[store.driver].settings:
        for key, number in main_numbers().items():
            _keep(rows, SettingRow(key, number))
    own = SettingValue.objects.filter(server__store=store).select_related("server")
    for row in own:
        for key, (single, *_) in as_given([row]).items():
            if key in DRIVERS[store.driver].settings:
                _keep(rows, SettingRow(key, as_text(single.value), str(row.server_id)))
    return rows


def _keep(rows: dict[str, Row], row: SettingRow) -> None:
    rows[row.key] = row


def preference_values(*, store: ConfigStore, keys: Sequence[str]) -> list[Values]:
    """The accounts that `keys` name, of those that the store has."""
    aors = among({key.partition("/")[2] for key in keys})
    return list(_accounts(store).filter(aor__in=aors).values_list(*_COLUMNS))


def wanted_preferences(*, store: ConfigStore) -> Iterator[tuple[list[str], list[Values]]]:
    """Every account setting that `store` should hold, by pages: keys, and their accounts.

    Only accounts that some value below everybody's reaches are looked at.
    """
    rows = _differing(store).order_by("pk").values_list(*_COLUMNS)
    last = 0
    while page := list(rows.filter(pk__gt=last)[:_PAGE]):
        last = page[-1][0]
        yield list(preference_rows(store=store, values=page)), page


def unwanted_preferences(*, store: ConfigStore) -> Iterator[list[str]]:
    """Owned keys at which no account setting should be any more, by pages."""
    owned = OwnedRow.objects.filter(store=store, kind=Kind.PREFERENCE).order_by("key")
    last = ""
    while page := list(owned.filter(key__gt=last).values_list("key", flat=True)[:_PAGE]):
        last = page[-1]
        wanted = preference_rows(store=store, values=preference_values(store=store, keys=page))
        yield [key for key in page if key not in wanted]


def preference_rows(*, store: ConfigStore, values: Sequence[Values]) -> dict[str, Row]:
    """The rows of these accounts, by key: one for each setting that everybody has otherwise.

    And the site, where its callers differ from others.
    """
    keys = held_keys(store, Family.ACCOUNT)
    desk = Desk(keys=keys)
    everybody = {key: CATALOGUE[key].default for key in keys} | dict(desk.given_everywhere())
    domains = dict(SipDomain.objects.values_list("pk", "domain"))
    holders = [Holder(*each[: len(HOLDER_COLUMNS)]) for each in values]
    dialling = {PROBE_SITE, *sites_that_dial().values_list("pk", flat=True)}
    probing = callers_at_site()
    rows: dict[str, Row] = {}
    for holder, (*_, user), given in zip(holders, values, desk.given_to(holders), strict=True):
        domain = domains[holder.domain_id]
        for key, value in given.items():
            if value != everybody[key]:
                row = PreferenceRow(key, user, domain, as_text(value))
                rows[row.key] = row
        site = PROBE_SITE if holder.pk in probing else holder.site_id
        if site in dialling:
            row = PreferenceRow(CALLER_SITE, user, domain, str(site))
            rows[row.key] = row
    return rows


def _accounts(store: ConfigStore) -> QuerySet[Account]:
    rows = Account.objects.filter(pool_id=store.pool_id, state__in=_ON_SERVER)
    return narrow(store, Kind.PREFERENCE, rows)


def _differing(store: ConfigStore) -> QuerySet[Account]:
    """The accounts that some value below everybody's reaches, or whose site differs."""
    given = SettingValue.objects.filter(key__in=held_keys(store, Family.ACCOUNT))
    scopes = set(given.order_by().values_list("scope", flat=True).distinct())
    rows = _accounts(store)
    if given.filter(scope=SettingScope.POOL, pool=store.pool_id).exists():
        return rows
    reached = Q(site__in=sites_that_dial().values("pk"))
    for scope in {SettingScope.DOMAIN, SettingScope.SITE} & scopes:
        ids = given.filter(scope=scope).values(f"{scope.value}_id")
        reached |= Q(**{f"{scope.value}__in": ids})
    if SettingScope.GROUP in scopes:
        groups = given.filter(scope=SettingScope.GROUP).values("group_id")
        members = GroupMember.objects.filter(group__in=groups)
        reached |= Q(person__in=members.values("person_id"))
        reached |= Q(person__in=members.values("person__same_as_id"))
    if SettingScope.ACCOUNT in scopes:
        reached |= Q(pk__in=given.filter(scope=SettingScope.ACCOUNT).values("account_id"))
    return rows.filter(reached)
