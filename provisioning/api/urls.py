"""Addresses that machines fetch."""

from django.urls import URLPattern, path

from provisioning.api import health, links, scim, scim_about, served

urlpatterns: list[URLPattern] = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("served/<int:pk>/<path:path>", served.answer, name="served"),
    path("p/<str:token>", links.fetch, name="provisioning-link"),
    path("scim/v2/<int:pk>", scim_about.Nothing.as_view(), name="scim"),
    path(
        "scim/v2/<int:pk>/ServiceProviderConfig",
        scim_about.Config.as_view(),
        name="scim-config",
    ),
    path("scim/v2/<int:pk>/ResourceTypes", scim_about.Types.as_view(), name="scim-types"),
    path("scim/v2/<int:pk>/ResourceTypes/<str:uid>", scim_about.Types.as_view(), name="scim-type"),
    path("scim/v2/<int:pk>/Schemas", scim_about.Schemas.as_view(), name="scim-schemas"),
    path("scim/v2/<int:pk>/Schemas/<str:uid>", scim_about.Schemas.as_view(), name="scim-schema"),
    path("scim/v2/<int:pk>/Users", scim.Many.as_view(kind="User"), name="scim-users"),
    path("scim/v2/<int:pk>/Users/<str:uid>", scim.One.as_view(kind="User"), name="scim-user"),
    path("scim/v2/<int:pk>/Groups", scim.Many.as_view(kind="Group"), name="scim-groups"),
    path("scim/v2/<int:pk>/Groups/<str:uid>", scim.One.as_view(kind="Group"), name="scim-group"),
    path("scim/v2/<int:pk>/<path:rest>", scim_about.Nothing.as_view(), name="scim-other"),
]
