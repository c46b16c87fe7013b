"""What asks for a group, and the nested members that are kept because of it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from django.db import transaction

from provisioning.models import AccountRule, DirectoryGroup, GroupMember, GroupRank, RoleGroup
from provisioning.services import bulk
from provisioning.services.directory.nesting import WITHIN

_GROUP, _MEMBER = DirectoryGroup._meta.db_table, GroupMember._meta.db_table

_KEEP_NESTED = f"""
INSERT INTO {_MEMBER} (group_id, person_id, direct)
SELECT DISTINCT CAST(%s AS bigint), person_id, false FROM {_MEMBER}
WHERE direct AND group_id IN ({WITHIN})
ON CONFLICT (group_id, person_id) DO NOTHING
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class GroupUse:
    """One thing that asks for a group: `pk` of the account rule, of the source with the role, or
    of the group itself, whose members have settings.
    """

    group_id: int
    kind: Literal["rule", "role", "settings"]
    pk: int
    label: str
    enabled: bool = True

    def __str__(self) -> str:
        if self.kind == "settings":
            return self.label
        what = "the account rule" if self.kind == "rule" else "the console role"
        return f"{what} “{self.label}”"


def find_uses(*, groups: Collection[int] | None = None) -> dict[int, list[GroupUse]]:
    """What asks for each of `groups` (None: of all), by id; three queries."""
    rules = AccountRule.objects.exclude(group=None)
    roles = RoleGroup.objects.order_by("source_id", "id")
    ranked = GroupRank.objects.all()
    if groups is not None:
        rules, roles = rules.filter(group__in=groups), roles.filter(group__in=groups)
        ranked = ranked.filter(group__in=groups)
    found = [
        GroupUse(row["group_id"], "rule", row["pk"], row["name"], row["enabled"])
        for row in rules.values("group_id", "pk", "name", "enabled")
    ]
    found += [
        GroupUse(role.group_id, "role", role.source_id, role.get_role_display()) for role in roles
    ]
    found += [
        GroupUse(group, "settings", group, "settings of its members")
        for group in ranked.values_list("group_id", flat=True)
    ]
    uses: dict[int, list[GroupUse]] = {}
    for use in found:
        uses.setdefault(use.group_id, []).append(use)
    return uses


def follow_used_groups() -> dict[int, list[GroupUse]]:
    """Keep the nested members of exactly the groups that something asks for; returns what asks.

    Before every plan, because whoever saves a rule need not know: the members of a group that was
    not asked for until now come from the groups within it, as the last read left them.
    """
    uses = find_uses()
    with transaction.atomic():
        kept = set(DirectoryGroup.objects.filter(follows_nested=True).values_list("pk", flat=True))
        if asked := uses.keys() - kept:
            for group in asked:
                bulk.execute(_KEEP_NESTED, [group, group])
            DirectoryGroup.objects.filter(pk__in=asked).update(follows_nested=True)
        if idle := kept - uses.keys():
            GroupMember.objects.filter(group__in=idle, direct=False).delete()
            DirectoryGroup.objects.filter(pk__in=idle).update(follows_nested=False)
    return uses
