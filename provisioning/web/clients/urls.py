"""Addresses of client profiles."""

from django.urls import URLPattern, path

from provisioning.web.clients import profiles

urlpatterns: list[URLPattern] = [
    path("profiles/", profiles.profiles, name="profiles"),
    path("profiles/new/", profiles.ProfilePage.as_view(), name="profile-new"),
    path("profiles/<int:pk>/", profiles.profile, name="profile"),
    path("profiles/<int:pk>/delete/", profiles.profile_delete, name="profile-delete"),
    path("profiles/<int:pk>/edit/", profiles.ProfilePage.as_view(), name="profile-edit"),
]
