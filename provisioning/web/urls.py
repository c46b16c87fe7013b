"""Addresses of the console's pages, one list per room."""

from django.urls import URLPattern, URLResolver, path

from provisioning.web import administration, audit, overview, palette, pause, sign_in

urlpatterns: list[URLPattern | URLResolver] = [
    # Administration
    path("administration/", administration.administration, name="administration"),
    path("administration/new/", administration.new, name="console-user-new"),
    path("administration/<int:pk>/", administration.edit, name="console-user"),
    path(
        "administration/<int:pk>/end-sessions/",
        administration.end_sessions,
        name="console-user-end-sessions",
    ),
    path(
        "administration/<int:pk>/password/",
        administration.reset_password,
        name="console-user-password",
    ),
    path("you/", administration.own_settings, name="own-settings"),
    # Audit log
    path("audit/", audit.audit_page, name="audit"),
    # Overview, search and Pause
    path("", overview.overview_page, name="overview"),
    path("palette/", palette.palette, name="palette"),
    path("pause/", pause.pause_page, name="pause"),
    path("pause/resume/", pause.resume, name="resume"),
    # Signing in
    path("setup/", sign_in.first_start, name="setup"),
    path("sign-in/", sign_in.sign_in, name="sign-in"),
    path("sign-out/", sign_in.sign_out, name="sign-out"),
]
