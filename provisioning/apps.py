"""The one Django application."""

from django.apps import AppConfig


class ProvisioningConfig(AppConfig):
    """People, accounts, numbers, servers, client profiles."""

    name = "provisioning"
    verbose_name = "rtcadmin"
