"""Groups whose members sign in to the console, each with a role."""

from __future__ import annotations

from django.db import IntegrityError, transaction

from provisioning.core.errors import InvalidInput
from provisioning.core.roles import Role
from provisioning.models import ConsoleUser, DirectoryGroup, DirectorySource, RoleGroup
from provisioning.services import audit
from provisioning.services.actor import Actor
from provisioning.services.console_users import end_directory_sessions


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
