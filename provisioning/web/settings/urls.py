"""Addresses of settings."""

from django.urls import URLPattern, path

from provisioning.web.settings import settings

urlpatterns: list[URLPattern] = [
    path("settings/", settings.settings, name="settings"),
    path("settings/go/", settings.go, name="settings-go"),
    path("settings/groups/<int:pk>/move/", settings.group_move, name="settings-group-move"),
    path("settings/<slug:scope>/<int:pk>/", settings.settings, name="settings-at"),
    path(
        "settings/<slug:scope>/<int:pk>/<slug:key>/",
        settings.SettingPage.as_view(),
        name="setting",
    ),
]
