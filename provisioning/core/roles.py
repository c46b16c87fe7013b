"""Roles of console users and what each may do."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Capability(StrEnum):
    """Something that a console user may or may not do."""

    VIEW = "view"
    OPERATE = "operate"
    CONFIGURE = "configure"
    APPROVE = "approve"
    PUSH_NOW = "push_now"
    ADMINISTER = "administer"


class Role(StrEnum):
    """The role of a console user, from what allows the most to what allows the least."""

    ADMINISTRATOR = "administrator"
    HELPDESK = "helpdesk"
    VIEWER = "viewer"

    @property
    def label(self) -> str:
        """The word for it on every page."""
        return "Help desk" if self is Role.HELPDESK else self.value.capitalize()


# As the choices of a form or column.
ROLE_CHOICES = [(role.value, role.label) for role in Role]

# OPERATE: block, unblock, rotate, numbers, restore, links, rooms.
# CONFIGURE: sources, rules, servers, profiles. PUSH_NOW: outside of change windows.
CAPABILITIES: dict[Role, frozenset[Capability]] = {
    Role.ADMINISTRATOR: frozenset(Capability),
    Role.HELPDESK: frozenset({Capability.VIEW, Capability.OPERATE}),
    Role.VIEWER: frozenset({Capability.VIEW}),
}


def highest(roles: Iterable[Role]) -> Role | None:
    """Of several roles the one that allows the most; None without any."""
    held = set(roles)
    return next((role for role in Role if role in held), None)
