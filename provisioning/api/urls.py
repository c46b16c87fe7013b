"""Addresses that machines fetch."""

from django.urls import URLPattern, path

from provisioning.api import health, links

urlpatterns: list[URLPattern] = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("p/<str:token>", links.fetch, name="provisioning-link"),
]
