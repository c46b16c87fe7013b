"""Seal every stored secret with the newest key."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from provisioning.core.errors import ProvisioningError
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.console.keys import reseal_secrets


class Command(BaseCommand):
    """`rotate_keys`: exit 0 when every secret is sealed with the first key, 1 otherwise."""

    help = (
        "Seal every stored secret with the first key of RTCADMIN_SEALING_KEYS. Put a new key in "
        "front, restart the console, run this, then remove the old key."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Go through all secrets; may be stopped and called again."""
        try:
            count = reseal_secrets(actor=COMMAND_LINE)
        except ProvisioningError as error:
            raise CommandError(error.message) from error
        self.stdout.write(f"{count:,} secrets were sealed anew.")
