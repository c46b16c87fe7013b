"""Addresses of directory sources."""

from django.urls import URLPattern, path

from provisioning.web.sources import (
    mapping,
    source_form,
    source_key,
    source_page,
    source_schedule,
    source_scim,
    source_trials,
    sources,
    write_back,
)

urlpatterns: list[URLPattern] = [
    path("sources/", sources.sources, name="sources"),
    path("sources/groups/", source_page.pick_group, name="source-groups"),
    path("sources/attributes/", source_trials.source_attributes, name="source-attributes"),
    path("sources/filter/", source_trials.source_filter, name="source-filter"),
    path("sources/guess/", source_trials.source_guess, name="source-guess"),
    path("sources/look/", source_trials.source_look, name="source-look"),
    path("sources/new/", source_form.source_new, name="source-new"),
    path("sources/sample/", mapping.mapping_sample, name="source-sample"),
    path("sources/test/", source_trials.source_test, name="source-test"),
    path("sources/<int:pk>/", source_page.source, name="source"),
    path("sources/<int:pk>/delete/", sources.source_delete, name="source-delete"),
    path("sources/<int:pk>/edit/", source_form.source_edit, name="source-edit"),
    path(
        "sources/<int:pk>/attributes/",
        source_trials.source_attributes,
        name="source-edit-attributes",
    ),
    path("sources/<int:pk>/filter/", source_trials.source_filter, name="source-edit-filter"),
    path("sources/<int:pk>/guess/", source_trials.source_guess, name="source-edit-guess"),
    path("sources/<int:pk>/key/", source_key.source_key, name="source-key"),
    path("sources/<int:pk>/look/", source_trials.source_look, name="source-edit-look"),
    path("sources/<int:pk>/roles/", source_page.role_group_add, name="source-role-new"),
    path(
        "sources/<int:pk>/roles/<int:role_group>/remove/",
        source_page.role_group_remove,
        name="source-role-remove",
    ),
    path("sources/<int:pk>/sample/", mapping.mapping_sample, name="source-edit-sample"),
    path(
        "sources/<int:pk>/schedule/",
        source_schedule.SourceSchedule.as_view(),
        name="source-schedule",
    ),
    path("sources/<int:pk>/write-back/", write_back.source_write_back, name="source-write-back"),
    path(
        "sources/<int:pk>/write-back/run/",
        write_back.source_write_back_run,
        name="source-write-back-run",
    ),
    path(
        "sources/<int:pk>/write-back/test/",
        write_back.source_write_back_test,
        name="source-write-back-test",
    ),
    path(
        "sources/<int:pk>/write-back/values/",
        write_back.source_write_back_values,
        name="source-write-back-values",
    ),
    path(
        "sources/<int:pk>/write-back/<int:written>/approve/",
        write_back.source_write_back_approve,
        name="source-write-back-approve",
    ),
    path("sources/<int:pk>/scim/tokens/", source_scim.token_new, name="source-scim-token-new"),
    path(
        "sources/<int:pk>/scim/tokens/<int:scim_token>/revoke/",
        source_scim.token_revoke,
        name="source-scim-token-revoke",
    ),
    path("sources/<int:pk>/switch/", sources.source_switch, name="source-switch"),
    path("sources/<int:pk>/test/", source_trials.source_test, name="source-edit-test"),
]
