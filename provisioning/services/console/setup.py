"""First start: the first console user is made by whoever holds the token this machine printed."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path

from django.conf import settings
from django.db import transaction

from provisioning.core.errors import Rejected
from provisioning.core.roles import Role
from provisioning.models import ConsoleUser
from provisioning.services.actor import Actor
from provisioning.services.console import console_users

# Who acts when nobody can have signed in yet.
FIRST_START = Actor("first start")


def needed() -> bool:
    """Whether there is no console user yet."""
    return not ConsoleUser.objects.exists()


def token() -> str:
    """The one-time token, made at first need and kept with mode 0600; only while setup is needed.

    Raises Rejected once a console user exists.
    """
    if not needed():
        raise Rejected("A console user exists already, so there is no setup token any more.")
    path = _path()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        _write_once(path, secrets.token_urlsafe(32))
    return path.read_text(encoding="ascii").strip()


def complete(*, given_token: str, username: str, name: str, password: str) -> ConsoleUser:
    """Make the first console user, an administrator who may export secrets; the token is used up.

    Raises Rejected for a wrong token or when somebody else was first, InvalidInput for the rest.
    """
    if not secrets.compare_digest(given_token.strip().encode(), token().encode()):
        raise Rejected(
            "That is not the setup token. Print it on the server with: manage.py setup_token"
        )
    with transaction.atomic():
        user = console_users.create_local(
            username=username,
            name=name,
            role=Role.ADMINISTRATOR,
            password=password,
            may_export_secrets=True,
            actor=FIRST_START,
        )
        # Writing the audit event let only one of two at a time go on; the second sees the first.
        if ConsoleUser.objects.exclude(pk=user.pk).exists():
            raise Rejected("Somebody else made the first console user meanwhile. Sign in instead.")
        transaction.on_commit(lambda: _path().unlink(missing_ok=True))
    return user


def _path() -> Path:
    return Path(settings.DATA) / "secrets" / "setup-token"


def _write_once(path: Path, text: str) -> None:
    """Create `path` complete or not at all; of two processes the first wins."""
    descriptor, draft = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text + "\n")
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        Path(draft).unlink()
