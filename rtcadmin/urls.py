"""Addresses of the console and of what machines fetch."""

from django.urls import include, path

urlpatterns = [
    path("", include("provisioning.api.urls")),
    path("", include("provisioning.web.urls")),
]
handler400 = "provisioning.web.errors.bad_request"
handler403 = "provisioning.web.errors.not_allowed"
handler404 = "provisioning.web.errors.not_found"
handler500 = "provisioning.web.errors.failed"
