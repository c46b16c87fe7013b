"""How many accounts a new value reaches, who loses service by it, and which limits that passes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from provisioning.core.limits import Category
from provisioning.core.settings.resolver import Effective
from provisioning.core.settings.setting import Family, Setting, SettingScope
from provisioning.core.states import State
from provisioning.models import SettingValue
from provisioning.services.push import outbox
from provisioning.services.runs.limit_use import AtRisk, find_passed
from provisioning.services.settings.affected import Snapshot, accounts_at
from provisioning.services.settings.places import Place


@dataclass(frozen=True, slots=True)
class SettingChange:
    """What giving or taking back a value does: to the place itself, and to how many accounts.

    `before` and `after` are effective at the place; `changed` counts accounts whose effective value
    changes, `losing` those of them that lose service, `limited` those that count towards limits,
    `breaches` the limits that this passes. `reached` are addresses-of-record whose value changes,
    by pool: not all of very many.
    """

    place: Place
    setting: Setting
    before: Effective
    after: Effective
    changed: int
    losing: int
    limited: Sequence[AtRisk] = ()
    breaches: tuple[str, ...] = ()
    reached: Mapping[int, Sequence[str]] = field(default_factory=dict)


def weigh(*, snapshot: Snapshot, before: Effective, after: Effective) -> SettingChange:
    """Count whom the change that was made since `snapshot` reaches, held to the limits.

    Those of the last 24 hours: ten changes are held like one. What somebody takes from one account,
    and from no other, always passes.
    """
    place, setting = snapshot.place, snapshot.setting
    changed = 0
    losing: list[AtRisk] = []
    reached: dict[int, list[str]] = {}
    if setting.family is Family.SERVER:
        if setting.takes_away(before.value, after.value):
            losing = _at_servers(place, setting)
            changed = len(losing)
    else:
        for move in snapshot.moves():
            changed += 1
            aors = reached.setdefault(move.holder.pool_id, [])
            if len(aors) <= outbox.BULK:
                aors.append(move.aor)
            if move.usable and setting.takes_away(move.before, move.after):
                holder = move.holder
                losing.append(AtRisk(holder.pk, holder.domain_id, holder.pool_id))
    limited = losing if place.scope is not SettingScope.ACCOUNT else []
    breaches = find_passed(category=Category.SERVICE, at_risk=limited)
    return SettingChange(
        place, setting, before, after, changed, losing=len(losing), limited=limited,
        breaches=breaches, reached=reached,
    )  # fmt: skip


def _at_servers(place: Place, setting: Setting) -> list[AtRisk]:
    """Everybody of the pools that a setting of servers reaches."""
    rows = accounts_at(place).filter(state=State.ACTIVE)
    if place.scope is SettingScope.GLOBAL:
        own = SettingValue.objects.filter(key=setting.key, scope=SettingScope.POOL)
        rows = rows.exclude(pool__in=own.values("pool_id"))
    return [AtRisk(*row) for row in rows.values_list("pk", "domain_id", "pool_id")]
