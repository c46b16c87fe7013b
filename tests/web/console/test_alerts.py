"""Alerts in the console: the bell, the pages, who may acknowledge, and the channels."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from lab.sinks import WebSink
from provisioning.core.severity import Severity
from provisioning.models import Alert, AlertChannel
from provisioning.services.alerts.alerts import settle_alerts
from tests.services.alerts.test_alerts import condition, make_server
from tests.web.pages import queries_of, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def web() -> Iterator[WebSink]:
    with WebSink() as sink:
        yield sink


def channel_form(web: WebSink, **values: Any) -> dict[str, Any]:
    return {
        "name": "hook", "kind": "webhook", "severities": ["critical"], "repeat_hours": "24",
        "url": web.url, "enabled": "on", "secret": "a long secret", **values,
    }  # fmt: skip


def test_the_bell_counts_what_nobody_has_acknowledged(as_viewer: Client) -> None:
    assert "Alerts: none" in as_viewer.get("/alerts/").content.decode()
    decision = condition(3, kind="run-held", severity=Severity.DECISION)
    settle_alerts(conditions=[condition(1), condition(2), decision])
    assert "2 alerts that nobody has acknowledged" in as_viewer.get("/").content.decode()
    Alert.objects.update(acknowledged_at=timezone.now())
    assert "Alerts: none" in as_viewer.get("/").content.decode()


def test_only_who_may_operate_acknowledges(
    as_viewer: Client, as_helpdesk: Client, as_administrator: Client
) -> None:
    server = make_server(health="down", health_problem="Silence")
    settle_alerts(conditions=[condition(server.pk)])
    alert = Alert.objects.get()
    address, values = reverse("alerts-acknowledge"), {"pk": [alert.pk], "note": "Cable is cut"}
    assert Client().post(address, values).status_code == 302
    assert as_viewer.post(address, values).status_code == 403
    assert "Acknowledge" not in text_of(as_viewer.get("/alerts/"))
    said = text_of(as_helpdesk.post(address, values, follow=True))
    assert "1 alert acknowledged." in said
    assert "known to Henry Help: “Cable is cut”" in said
    assert "Known to Henry Help: “Cable is cut”" in text_of(as_administrator.get("/"))
    assert as_helpdesk.post(address, {"pk": ["x"]}).status_code == 400


def test_past_alerts_are_paged(as_viewer: Client) -> None:
    settle_alerts(conditions=[condition(n, f"server {n} was down") for n in range(60)])
    Alert.objects.update(ended_at=timezone.now() - timedelta(days=1))
    page = as_viewer.get(reverse("alerts-past"))
    assert len(page.context["entries"]) == 50
    following = as_viewer.get(reverse("alerts-past"), {"cursor": page.context["page"].next})
    assert len(following.context["entries"]) == 10
    assert queries_of(as_viewer, reverse("alerts-past")) <= 10
    assert "Nothing is wrong" in text_of(as_viewer.get("/alerts/"))


def test_a_channel_is_made_tried_out_changed_and_deleted(
    as_administrator: Client, as_helpdesk: Client, web: WebSink
) -> None:
    for name in ("alert-channels", "alert-channel-new"):
        assert as_helpdesk.get(reverse(name)).status_code == 403
    made = as_administrator.post(reverse("alert-channel-new"), channel_form(web), follow=True)
    assert "Nothing sent yet" in text_of(made)
    channel = AlertChannel.objects.get()
    form = reverse("alert-channel", args=[channel.pk])
    assert "a long secret" not in as_administrator.get(form).content.decode()
    address = reverse("alert-channel-try", args=[channel.pk])
    assert as_helpdesk.post(address).status_code == 403
    assert "The test was taken by hook" in text_of(as_administrator.post(address, follow=True))
    assert web.requests[0].headers["x-rtcadmin-signature"].startswith("sha256=")
    web.status = 404
    assert "HTTP status 404" in text_of(as_administrator.post(address, follow=True))
    moved = channel_form(web, url=web.url + "/x", secret="")
    assert "secret was erased" in text_of(as_administrator.post(form, moved, follow=True))
    as_administrator.post(reverse("alert-channel-delete", args=[channel.pk]))
    assert not AlertChannel.objects.exists()


def test_what_is_wrong_with_a_channel_stands_above_its_form(
    as_administrator: Client, web: WebSink
) -> None:
    address = reverse("alert-channel-new")
    refused = as_administrator.post(address, channel_form(web, url="http://169.254.169.254/"))
    assert refused.status_code == 422
    assert "must not be 169.254.169.254" in text_of(refused)
    refused = as_administrator.post(address, channel_form(web, kind="mail"))
    assert "Give 1 to 50 mail addresses" in text_of(refused)
    assert not AlertChannel.objects.exists()
