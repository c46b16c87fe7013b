"""Addresses of the console itself: signing in, overview, alerts, audit log, administration."""

from django.urls import URLPattern, path

from provisioning.web.console import (
    administration,
    alert_channels,
    alerts,
    audit,
    downloads,
    overview,
    palette,
    sign_in,
)

urlpatterns: list[URLPattern] = [
    # Accounts: clients and links
    path("accounts/csv/", downloads.accounts, name="accounts-csv"),
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
    # Alerts
    path("alerts/", alerts.alerts, name="alerts"),
    path("alerts/acknowledge/", alerts.alerts_acknowledge, name="alerts-acknowledge"),
    path("alerts/channels/", alert_channels.channels, name="alert-channels"),
    path("alerts/channels/new/", alert_channels.ChannelPage.as_view(), name="alert-channel-new"),
    path("alerts/channels/<int:pk>/", alert_channels.ChannelPage.as_view(), name="alert-channel"),
    path(
        "alerts/channels/<int:pk>/delete/",
        alert_channels.channel_delete,
        name="alert-channel-delete",
    ),
    path("alerts/channels/<int:pk>/try/", alert_channels.try_out, name="alert-channel-try"),
    path("alerts/past/", alerts.past, name="alerts-past"),
    # Audit log
    path("audit/", audit.audit_page, name="audit"),
    path("audit/csv/", downloads.events, name="audit-csv"),
    # Overview, search and Pause
    path("", overview.overview_page, name="overview"),
    path("palette/", palette.palette, name="palette"),
    # People
    path("people/csv/", downloads.people, name="people-csv"),
    # Signing in
    path("setup/", sign_in.first_start, name="setup"),
    path("sign-in/", sign_in.sign_in, name="sign-in"),
    path("sign-out/", sign_in.sign_out, name="sign-out"),
]
