"""The managed scope of a store: which of its rows the console may write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Scope:
    """Kinds, SIP domains (name by id) and groups (ids); what is empty narrows nothing.

    `unsupported` are kinds that the store's servers have no place for.
    """

    kinds: frozenset[str] = frozenset()
    domains: Mapping[int, str] = field(default_factory=dict)
    groups: frozenset[int] = frozenset()
    unsupported: frozenset[str] = frozenset()

    @property
    def is_whole(self) -> bool:
        """Whether it narrows nothing."""
        return not (self.kinds or self.domains or self.groups)

    def has_kind(self, kind: str) -> bool:
        """Whether rows of `kind` may be written."""
        return kind not in self.unsupported and (not self.kinds or kind in self.kinds)

    def has_domain(self, name: str) -> bool:
        """Whether rows of the SIP domain called `name` may be written."""
        return not self.domains or name in self.domains.values()
