"""Make the schedules of the console what its settings and sources say."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from provisioning.services.console.schedules import install_schedules


class Command(BaseCommand):
    """`install_schedules`: after an update, and after a change of a setting with an interval."""

    help = "Make the schedules what settings and sources say; running it again changes nothing."

    def handle(self, *args: Any, **options: Any) -> None:
        """Install them and say so."""
        install_schedules()
        self.stdout.write("The schedules are what settings and sources say.")
