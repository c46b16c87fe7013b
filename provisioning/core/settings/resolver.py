"""Which of the values given for a setting counts, and which it beats."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from provisioning.core.settings.setting import Setting, SettingScope
from provisioning.core.settings.types import Value


@dataclass(frozen=True, slots=True)
class Given:
    """A value that somebody gave: where, and for groups their place in the order of groups.

    `place` is the name of the pool, site, … and empty for everywhere; of groups rank 1 beats 2.
    `scope` None is a client profile, which the catalogue's default alone comes behind.
    """

    value: Value
    scope: SettingScope | None
    place: str = ""
    rank: int = 0

    @property
    def origin(self) -> str:
        """Where it comes from, such as "pool Berlin"."""
        if self.scope is None:
            return f"client profile {self.place}"
        if self.scope is SettingScope.GLOBAL:
            return "everywhere"
        label = self.scope.label
        return f"{label if label.startswith('SIP') else label.lower()} {self.place}"


@dataclass(frozen=True, slots=True)
class Effective:
    """What counts: `source` None means the default. `beaten` are the others, the strongest first.

    The default is not among the beaten.
    """

    setting: Setting
    value: Value
    source: Given | None = None
    beaten: tuple[Given, ...] = ()

    @property
    def shown(self) -> str:
        """The value in words."""
        return self.setting.type.show(self.value)

    @property
    def origin(self) -> str:
        """Where the value comes from, in words."""
        return "default" if self.source is None else self.source.origin


def resolve(setting: Setting, given: Iterable[Given]) -> Effective:
    """The strongest of the values `given`; values of scopes that the setting has not are left out.

    Strength is the order of the family's scopes; among groups the lower rank beats the higher.
    """
    order = {scope: place for place, scope in enumerate(setting.family.scopes)}
    fitting = [each for each in given if each.scope is None or each.scope in order]
    ranked = sorted(
        fitting,
        key=lambda each: (-1 if each.scope is None else order[each.scope], -each.rank),
        reverse=True,
    )
    if not ranked:
        return Effective(setting, setting.default)
    return Effective(setting, ranked[0].value, ranked[0], tuple(ranked[1:]))
