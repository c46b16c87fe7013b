"""How many accounts a new value reaches, who loses service by it, and which limits that passes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from django.db.models import Count

from provisioning.core.limits import Category, find_breaches
from provisioning.core.settings.resolver import Effective
from provisioning.core.settings.setting import Family, Setting, SettingScope
from provisioning.core.states import State
from provisioning.models import Account, ConfigStore, SettingValue, SipDomain
from provisioning.services.push import outbox
from provisioning.services.settings.affected import Snapshot, accounts_at
from provisioning.services.settings.places import Place


@dataclass(frozen=True, slots=True)
class SettingChange:
    """What giving or taking back a value does: to the place itself, and to how many accounts.

    `before` and `after` are effective at the place; `changed` counts accounts whose effective value
    changes, `losing` those of them that lose service, `breaches` the limits that this passes.
    `reached` are addresses-of-record whose value changes, by pool: not all of very many.
    """

    place: Place
    setting: Setting
    before: Effective
    after: Effective
    changed: int
    losing: int
    breaches: tuple[str, ...] = ()
    reached: Mapping[int, Sequence[str]] = field(default_factory=dict)


@dataclass(slots=True)
class _Losing:
    """How many accounts lose service, by SIP domain and by pool."""

    domains: Counter[int] = field(default_factory=Counter)
    pools: Counter[int] = field(default_factory=Counter)


def weigh(*, snapshot: Snapshot, before: Effective, after: Effective) -> SettingChange:
    """Count whom the change that was made since `snapshot` reaches, held to the limits."""
    place, setting = snapshot.place, snapshot.setting
    changed, losing = 0, _Losing()
    reached: dict[int, list[str]] = {}
    if setting.family is Family.SERVER:
        if setting.takes_away(before.value, after.value):
            _count_at_servers(place, setting, losing)
            changed = losing.pools.total()
    else:
        for move in snapshot.moves():
            changed += 1
            aors = reached.setdefault(move.holder.pool_id, [])
            if len(aors) <= outbox.BULK:
                aors.append(move.aor)
            if move.usable and setting.takes_away(move.before, move.after):
                losing.domains[move.holder.domain_id] += 1
                losing.pools[move.holder.pool_id] += 1
    breaches = tuple(_breaches(losing))
    return SettingChange(
        place, setting, before, after, changed, losing.pools.total(), breaches, reached
    )


def _count_at_servers(place: Place, setting: Setting, losing: _Losing) -> None:
    """Everybody of the pools that a setting of servers reaches."""
    rows = accounts_at(place).filter(state=State.ACTIVE)
    if place.scope is SettingScope.GLOBAL:
        own = SettingValue.objects.filter(key=setting.key, scope=SettingScope.POOL)
        rows = rows.exclude(pool__in=own.values("pool_id"))
    counted = rows.values_list("domain_id", "pool_id").annotate(count=Count("pk"))
    for domain, pool, count in counted.order_by():
        losing.domains[domain] += count
        losing.pools[pool] += count


def _breaches(losing: _Losing) -> Iterator[str]:
    usable = Account.objects.filter(state=State.ACTIVE)
    for domain in SipDomain.objects.filter(pk__in=losing.domains):
        population = usable.filter(domain=domain).count()
        yield from _passed(f"SIP domain {domain}", domain, population, losing.domains[domain.pk])
    for store in ConfigStore.objects.filter(pool__in=losing.pools):
        population = usable.filter(pool=store.pool_id).count()
        yield from _passed(f"Store {store}", store, population, losing.pools[store.pool_id])


def _passed(
    label: str, limited: SipDomain | ConfigStore, population: int, losing: int
) -> Iterator[str]:
    found = find_breaches(
        scope=label, limit=limited.limit(), population=population,
        planned={Category.SERVICE: losing}, earlier={},
    )  # fmt: skip
    yield from map(str, found)
