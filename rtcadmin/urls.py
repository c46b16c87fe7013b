"""Addresses of the console and of what machines fetch."""

from django.urls import include, path

urlpatterns = [
    path("", include("provisioning.api.urls")),
    path("", include("provisioning.web.urls")),
]
