"""Console users: who signs in to the console, with which role."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from provisioning.core.errors import InvalidInput, Rejected
from provisioning.core.roles import Role
from provisioning.core.text import require_line
from provisioning.models import ConsoleUser, DirectorySource, ProvisioningLink
from provisioning.services.actor import Actor
from provisioning.services.console import audit, crossing

# Without "@": names of those who sign in with a directory end in "@source", so the two never meet.
_USERNAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)


def create_local(
    *,
    username: str,
    name: str,
    role: Role,
    password: str,
    may_export_secrets: bool = False,
    actor: Actor,
) -> ConsoleUser:
    """A local console user; raises InvalidInput that says what about which value is wrong."""
    username = ConsoleUser.normalize_username(username).casefold().strip()
    if not _USERNAME.fullmatch(username):
        raise InvalidInput(
            "A user name has up to 64 of the letters a to z, digits, dot, dash and underscore, "
            "and begins with a letter or a digit."
        )
    name = require_line(name.strip(), "The name")
    _check_password(password, ConsoleUser(username=username, name=name))
    try:
        with transaction.atomic():
            user = ConsoleUser.objects.create_user(
                username, password, name=name, role=role, may_export_secrets=may_export_secrets
            )
            detail = {"role": role.value, "may export secrets": may_export_secrets}
            audit.record(actor=actor, action="created console user", obj=user, detail=detail)
    except IntegrityError as error:
        raise InvalidInput(f"There is a console user “{username}” already.") from error
    return user


def change(
    *,
    user: ConsoleUser,
    name: str,
    role: Role,
    may_export_secrets: bool,
    is_active: bool,
    actor: Actor,
) -> None:
    """Change what `user` may do; whoever may not sign in any more is signed out at once.

    Links made by somebody who may no longer sign in, or export secrets, are revoked.

    Raises Rejected when the actor would take something from himself, when the last local
    administrator would go, or when a directory decides the name and the role; InvalidInput where
    somebody else changed `user` since `crossing.expect`.
    """
    wanted = {
        "name": require_line(name.strip(), "The name"),
        "role": role.value,
        "may_export_secrets": may_export_secrets,
        "is_active": is_active,
    }
    with transaction.atomic():
        # The administrators' rows are locked first, so that two of them cannot remove each other.
        administrators = list(_local_administrators().select_for_update())
        crossing.require_unchanged(user)
        user = ConsoleUser.objects.select_for_update().get(pk=user.pk)
        changed = {
            field: [getattr(user, field), value]
            for field, value in wanted.items()
            if getattr(user, field) != value
        }
        if not changed:
            return
        _refuse_lock_out(user, changed, administrators, actor)
        for field, (_, value) in changed.items():
            setattr(user, field, value)
        if not user.is_active:
            user.session_version += 1
        user.save()
        facts: dict[str, Any] = dict(changed)
        if not (user.is_active and user.may_export_secrets):
            revoked = revoke_links_of(users=[user.pk])
            facts |= {"links revoked": revoked} if revoked else {}
        audit.record(actor=actor, action="changed console user", obj=user, detail=facts)


def set_password(*, user: ConsoleUser, password: str, actor: Actor) -> None:
    """Give a local console user a new password, which ends every session of theirs."""
    if user.source_id is not None:
        raise Rejected(f"{user} signs in with a directory; the password is changed there.")
    _check_password(password, user)
    with transaction.atomic():
        user.set_password(password)
        user.save(update_fields=["password"])
        audit.record(actor=actor, action="reset password of console user", obj=user)


def change_own_password(*, user: ConsoleUser, current: str, password: str, actor: Actor) -> None:
    """Change one's own password; raises InvalidInput when `current` is wrong."""
    if not user.check_password(current):
        raise InvalidInput("That is not your current password. Nothing was changed.")
    set_password(user=user, password=password, actor=actor)


def admit(*, source: DirectorySource, guid: str, login: str, name: str, role: Role) -> ConsoleUser:
    """The console user of a directory entry that may sign in, created at the first time.

    Found by (source, GUID) alone; the user name is `login@source` and only for the eye. Raises
    Rejected when an administrator has taken the sign-in away.
    """
    actor = Actor(f"directory {source.name}"[:150])
    with transaction.atomic():
        user = ConsoleUser.objects.select_for_update().filter(source=source, guid=guid).first()
        if user is None:
            user = ConsoleUser(source=source, guid=guid, role=role, name=name[:200])
            user.username = _directory_username(user, login)
            user.set_unusable_password()
            user.save()
            detail = {"role": role.value}
            audit.record(actor=actor, action="created console user", obj=user, detail=detail)
            return user
        if not user.is_active:
            raise Rejected("An administrator has taken the sign-in away.")
        wanted = {
            "username": _directory_username(user, login),
            "name": name[:200],
            "role": role.value,
        }
        changed = {
            field: [getattr(user, field), value]
            for field, value in wanted.items()
            if getattr(user, field) != value
        }
        if changed:
            for field, (_, value) in changed.items():
                setattr(user, field, value)
            user.save(update_fields=list(changed))
            audit.record(actor=actor, action="changed console user", obj=user, detail=changed)
        return user


def end_sessions(*, user: ConsoleUser, actor: Actor) -> None:
    """Sign `user` out everywhere."""
    with transaction.atomic():
        ConsoleUser.objects.filter(pk=user.pk).update(session_version=F("session_version") + 1)
        audit.record(actor=actor, action="ended sessions of console user", obj=user)


def end_directory_sessions(*, source: DirectorySource, guids: Iterable[str]) -> int:
    """Sign out everybody whose directory entry is among `guids`; returns how many users that were.

    They come back only through a sign-in that the directory grants.
    """
    users = ConsoleUser.objects.filter(source=source, guid__in=list(guids))
    return users.update(session_version=F("session_version") + 1)


def revoke_links_of(*, users: Iterable[int]) -> int:
    """Make useless what these console users (ids) left outside: links, of which this many worked.

    A link hands out a secret, so it ends with the right of whoever made it.
    """
    now = timezone.now()
    made = ProvisioningLink.objects.filter(created_by__in=list(users), revoked_at__isnull=True)
    working = made.filter(expires_at__gt=now).exclude(one_time=True, used_at__isnull=False)
    return working.update(revoked_at=now)


def _directory_username(user: ConsoleUser, login: str) -> str:
    """`login@source`; with a piece of the GUID where somebody else has that name already."""
    tail = f"@{user.source}".casefold()
    wanted = f"{login.casefold()[: 150 - len(tail)]}{tail}"
    taken = ConsoleUser.objects.filter(username=wanted).exclude(pk=user.pk).exists()
    return f"{login.casefold()[: 140 - len(tail)]}-{user.guid[:8]}{tail}" if taken else wanted


def _local_administrators() -> Any:
    return ConsoleUser.objects.filter(
        role=Role.ADMINISTRATOR, is_active=True, source=None
    ).order_by("pk")


def _refuse_lock_out(
    user: ConsoleUser,
    changed: dict[str, list[Any]],
    administrators: list[ConsoleUser],
    actor: Actor,
) -> None:
    if user.source_id is not None and {"name", "role"} & changed.keys():
        raise Rejected("A directory decides the name and the role; change the group there.")
    if not {"role", "is_active"} & changed.keys():
        return
    if actor.user is not None and actor.user.pk == user.pk:
        raise Rejected(
            "You cannot change your own role or sign-in; another administrator can. "
            "Nothing was changed."
        )
    if [administrator.pk for administrator in administrators] == [user.pk]:
        raise Rejected(
            "This is the last local administrator, and a directory can be down. Create another "
            "one first. Nothing was changed."
        )


def _check_password(password: str, user: ConsoleUser) -> None:
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise InvalidInput(" ".join(error.messages)) from error
