"""Addresses of the console's pages: each room has its own list."""

from django.urls import URLResolver, include, path

urlpatterns: list[URLResolver] = [
    path("", include("provisioning.web.accounts.urls")),
    path("", include("provisioning.web.clients.urls")),
    path("", include("provisioning.web.console.urls")),
    path("", include("provisioning.web.people.urls")),
    path("", include("provisioning.web.rules.urls")),
    path("", include("provisioning.web.runs.urls")),
    path("", include("provisioning.web.servers.urls")),
    path("", include("provisioning.web.settings.urls")),
    path("", include("provisioning.web.sources.urls")),
]
