"""Groups whose members sign in to the console, each with a role; losing it ends the session."""

from __future__ import annotations

from collections.abc import Collection

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from provisioning.core.errors import InvalidInput
from provisioning.core.limits import Category
from provisioning.core.roles import Role, highest
from provisioning.models import (
    ConsoleUser,
    DirectoryGroup,
    DirectorySource,
    GroupMember,
    PlannedChange,
    RoleGroup,
    Run,
)
from provisioning.services.actor import Actor
from provisioning.services.console import audit
from provisioning.services.console.console_users import end_directory_sessions, revoke_links_of


def add_role_group(
    *, source: DirectorySource, group: DirectoryGroup, role: Role, actor: Actor
) -> RoleGroup:
    """Let the members of `group` sign in with `role`, if the source allows sign-in at all."""
    if group.source_id != source.pk or group.left_at is not None:
        raise InvalidInput(f"“{group}” is not a group of {source}. Nothing was changed.")
    try:
        with transaction.atomic():
            row = RoleGroup.objects.create(source=source, group=group, role=role)
            audit.record(
                actor=actor, action="gave a role to", obj=group, detail={"role": role.value}
            )
    except IntegrityError as error:
        raise InvalidInput(
            f"“{group}” has a role already. Nothing was changed; take that away first."
        ) from error
    return row


def remove_role_group(*, role_group: RoleGroup, actor: Actor) -> None:
    """Take the role from the group; whoever has the role through this directory signs in anew."""
    holders = ConsoleUser.objects.filter(source=role_group.source, role=role_group.role)
    with transaction.atomic():
        end_directory_sessions(
            source=role_group.source, guids=holders.values_list("guid", flat=True)
        )
        audit.record(
            actor=actor, action="took the role from", obj=role_group.group,
            detail={"role": role_group.role},
        )  # fmt: skip
        role_group.delete()


def end_lost_sessions(*, run: Run) -> int:
    """Sign out whom the directory, as `run` has read it, no longer lets in with their role.

    Whether the limits hold the change does not matter: nothing else follows from it, and whoever
    still has a role signs in again with that. Links made by those without any are revoked. Returns
    how many console users it were.
    """
    if run.source is None:
        return 0
    found = run.changes.filter(status__in=[PlannedChange.Status.PLANNED, PlannedChange.Status.HELD])
    gone = set(found.filter(kind="person", category=Category.SERVICE).values_list("key", flat=True))
    users = dict(ConsoleUser.objects.filter(source=run.source).values_list("guid", "role"))
    roles = _roles_after(run.source, found, users)
    lost = {guid for guid, role in users.items() if guid in gone or roles.get(guid, role) != role}
    if not lost:
        return 0
    out = [guid for guid in lost if guid in gone or roles[guid] is None]
    strangers = ConsoleUser.objects.filter(source=run.source, guid__in=out)
    revoke_links_of(users=strangers.values_list("pk", flat=True))
    return end_directory_sessions(source=run.source, guids=lost)


def _roles_after(
    source: DirectorySource, found: QuerySet[PlannedChange], users: Collection[str]
) -> dict[str, Role | None]:
    """The role that each user has once all of `found` is so; only those whose groups change."""
    roles = dict(RoleGroup.objects.filter(source=source).values_list("group__guid", "role"))
    changes = dict(found.filter(kind="group", key__in=roles).values_list("key", "after"))
    if not changes:
        return {}
    held = GroupMember.objects.filter(group__source=source, group__guid__in=roles)
    held = held.filter(person__guid__in=users)
    now = set(held.values_list("person__guid", "group__guid"))
    added = {
        (guid, group) for group, after in changes.items() for guid, *_ in after.get("added", ())
    }
    removed = {(guid, group) for group, after in changes.items() for guid in after["removed"]}
    groups: dict[str, list[Role]] = {guid: [] for guid, _ in removed if guid in users}
    for guid, group in (now | added) - removed:
        if guid in groups:
            groups[guid].append(Role(roles[group]))
    return {guid: highest(given) for guid, given in groups.items()}
