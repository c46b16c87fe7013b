"""Print the one-time token of the first start."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from provisioning.core.errors import ProvisioningError
from provisioning.services.console import setup


class Command(BaseCommand):
    """`setup_token`: prints the token; exit 1 once a console user exists."""

    help = "Print the token with which the first console user is created, at /setup/."

    def handle(self, *args: Any, **options: Any) -> None:
        """Print it alone on a line."""
        try:
            self.stdout.write(setup.token())
        except ProvisioningError as error:
            raise CommandError(error.message) from error
