"""Create a local console user."""

from __future__ import annotations

import getpass
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from provisioning.core.errors import ProvisioningError
from provisioning.core.roles import Role
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.console import console_users


class Command(BaseCommand):
    """`create_console_user --username … --role …`: asks for the password, or reads it."""

    help = "Create a local console user."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Who, with which role; the password never stands on the command line."""
        parser.add_argument("--username", required=True, help="what they sign in with")
        parser.add_argument("--name", default="", help="what the console calls them")
        parser.add_argument(
            "--role", choices=[role.value for role in Role], default=Role.VIEWER.value
        )
        parser.add_argument("--may-export-secrets", action="store_true")
        parser.add_argument(
            "--password-stdin", action="store_true", help="read the password from standard input"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Create the user and say so."""
        if options["password_stdin"]:
            password = sys.stdin.readline().rstrip("\r\n")
        else:
            password = getpass.getpass("Password: ")
        try:
            user = console_users.create_local(
                username=options["username"],
                name=options["name"],
                role=Role(options["role"]),
                password=password,
                may_export_secrets=options["may_export_secrets"],
                actor=COMMAND_LINE,
            )
        except ProvisioningError as error:
            raise CommandError(error.message) from error
        self.stdout.write(f"{user.username} may sign in as {user.role}.")
