"""Addresses of runs and their changes."""

from django.urls import URLPattern, path

from provisioning.web.runs import run_actions, runs

urlpatterns: list[URLPattern] = [
    # Account rules
    path("rules/run/", run_actions.rules_run, name="rules-run"),
    # Changes
    path("changes/", runs.changes, name="changes"),
    path("changes/<int:pk>/", runs.run, name="run"),
    path("changes/<int:pk>/approve/", run_actions.run_approve, name="run-approve"),
    path("changes/<int:pk>/discard/", run_actions.run_discard, name="run-discard"),
    path("changes/<int:pk>/progress/", runs.run_progress, name="run-progress"),
    path(
        "changes/<int:pk>/proposals/<int:change>/",
        run_actions.run_proposal,
        name="run-proposal",
    ),
    path("changes/<int:pk>/release/", run_actions.run_release, name="run-release"),
    path("changes/<int:pk>/end-pins/", run_actions.run_pins_end, name="run-pins-end"),
    path("changes/<int:pk>/stop/", run_actions.run_stop, name="run-stop"),
    path("changes/<int:pk>/undo/", run_actions.run_undo, name="run-undo"),
    # Sources & sync
    path("sources/<int:pk>/sync/", run_actions.source_sync, name="source-sync"),
]
