"""The console user in whose name something is approved on the command line."""

from __future__ import annotations

import getpass
import sys

from django.core.management.base import CommandError

from provisioning.core.roles import Capability
from provisioning.models import ConsoleUser
from provisioning.services.actor import Actor


def ask_approver(name: str | None) -> Actor:
    """The console user `name`, known by their password: a name alone anybody could give.

    The password is asked for, or read from standard input. Raises CommandError for a wrong one and
    for somebody who may not approve.
    """
    if not name:
        raise CommandError("Say who approves: --user NAME.")
    user = ConsoleUser.objects.filter(username=name.casefold(), is_active=True).first()
    asks = sys.stdin.isatty()
    password = (
        getpass.getpass(f"Password of {name}: ") if asks else sys.stdin.readline().rstrip("\n")
    )
    if user is None or not user.check_password(password):
        raise CommandError(
            "Wrong user name or password. Nothing was approved. Who signs in by the directory "
            "approves in the console."
        )
    if not user.may(Capability.APPROVE):
        raise CommandError(f"The role of {user} does not let them approve. Nothing was changed.")
    return Actor.of(user)
