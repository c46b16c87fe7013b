"""The one Django application."""

import gc

from django.apps import AppConfig


class ProvisioningConfig(AppConfig):
    """People, accounts, numbers, servers, client profiles."""

    name = "provisioning"
    verbose_name = "rtcadmin"

    def ready(self) -> None:
        """All that is there by now stays: no look for reference cycles goes through it again."""
        gc.freeze()
