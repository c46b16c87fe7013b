"""What channels are told, to real receivers: once, again after a while, of the end, never more."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from lab.ports import HOST
from lab.sinks import MailSink, WebSink
from provisioning.core.errors import InvalidInput, Rejected, Unreachable
from provisioning.models import Alert, AlertChannel, AlertMessage, AlertTold, AuditEvent
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.alerts.alerts import settle_alerts
from provisioning.services.alerts.channels import save_channel, try_channel
from provisioning.services.alerts.messages import make_messages
from provisioning.services.alerts.sending import forget_old, send_messages
from provisioning.services.alerts.webhook import signature
from tests.services.alerts.test_alerts import condition, kinds

pytestmark = [pytest.mark.django_db, pytest.mark.database]

SECRET = "a long secret for signing"


@pytest.fixture
def web() -> Iterator[WebSink]:
    with WebSink() as sink:
        yield sink


@pytest.fixture
def mail(settings: Settings) -> Iterator[MailSink]:
    with MailSink() as sink:
        settings.EMAIL_HOST, settings.EMAIL_PORT = HOST, sink.port
        settings.EMAIL_USE_TLS = False
        yield sink


def make_channel(sink: WebSink, **values: Any) -> AlertChannel:
    given = {"name": "hook", "kind": "webhook", "url": sink.url, "severities": ["critical"]}
    channel = AlertChannel(**{**given, **values})
    save_channel(channel=channel, secret=SECRET, actor=COMMAND_LINE)
    return channel


def make_mail_channel(**values: Any) -> AlertChannel:
    given = {"recipients": "ops@example.com\nnoc@example.com", "severities": ["critical"]}
    channel = AlertChannel(name="ops", kind="mail", **{**given, **values})
    save_channel(channel=channel, actor=COMMAND_LINE)
    return channel


def tell() -> int:
    make_messages()
    return send_messages()


def told(sink: WebSink) -> list[list[tuple[str, str]]]:
    """Title and state of every alert of every message."""
    return [
        [(alert["title"], alert["state"]) for alert in json.loads(each.body)["alerts"]]
        for each in sink.requests
    ]


def end(**ago: float) -> None:
    Alert.objects.update(ended_at=timezone.now() - timedelta(**ago))


def test_a_webhook_is_told_once_and_of_the_end_when_that_is_sure(web: WebSink) -> None:
    make_channel(web)
    settle_alerts(conditions=[condition(1, "one"), condition(2, "two")])
    assert tell() == 1
    assert tell() == 0
    end(minutes=4)
    assert tell() == 0
    end(minutes=6)
    assert tell() == 1
    assert tell() == 0
    assert told(web) == [
        [("one", "open"), ("two", "open")],
        [("one", "ended"), ("two", "ended")],
    ]


def test_the_signature_proves_time_and_body(web: WebSink) -> None:
    make_channel(web)
    settle_alerts(conditions=[condition()])
    tell()
    [request] = web.requests
    timestamp = request.headers["x-rtcadmin-timestamp"]
    assert abs(int(timestamp) - time.time()) < 60
    expected = signature(secret=SECRET, timestamp=timestamp, body=request.body)
    assert request.headers["x-rtcadmin-signature"] == expected
    other = signature(secret=SECRET, timestamp=timestamp, body=request.body + b" ")
    assert expected != other
    assert request.headers["x-rtcadmin-delivery"] == str(AlertMessage.objects.get().pk)
    assert SECRET not in request.body.decode()
    document = json.loads(request.body)
    assert (document["version"], document["event"], document["count"]) == (1, "alerts", 1)
    assert document["alerts"][0]["kind"] == "server-down"


def test_a_channel_is_told_only_what_it_asked_for(web: WebSink) -> None:
    make_channel(web, severities=["warning"])
    make_channel(web, name="off", severities=["critical"], enabled=False)
    settle_alerts(conditions=[condition()])
    assert tell() == 0
    assert web.requests == []


def test_what_nobody_acknowledges_is_told_again_after_its_hours(web: WebSink) -> None:
    channel = make_channel(web, repeat_hours=2)
    never = make_channel(web, name="once", repeat_hours=0)
    settle_alerts(conditions=[condition()])
    assert tell() == 2
    AlertTold.objects.update(at=timezone.now() - timedelta(hours=3))
    assert tell() == 1
    AlertTold.objects.update(at=timezone.now() - timedelta(hours=3))
    Alert.objects.update(acknowledged_at=timezone.now())
    assert tell() == 0
    assert channel.messages.count() == 2
    assert never.messages.count() == 1


def test_a_message_waits_for_a_receiver_that_fails_and_the_channel_shows_it(web: WebSink) -> None:
    channel = make_channel(web)
    settle_alerts(conditions=[condition()])
    web.status = 503
    assert tell() == 0
    message = AlertMessage.objects.get()
    assert (message.attempts, message.sent_at, message.dead) == (1, None, False)
    channel.refresh_from_db()
    assert "HTTP status 503" in channel.problem
    assert "channel-failing" in kinds()
    assert send_messages() == 0
    assert len(web.requests) == 1
    web.status = 200
    AlertMessage.objects.update(not_before=None)
    assert send_messages() == 1
    channel.refresh_from_db()
    assert channel.problem == ""
    ids = {each.headers["x-rtcadmin-delivery"] for each in web.requests}
    assert len(ids) == 1


def test_a_message_is_given_up_after_its_patience(web: WebSink, settings: Settings) -> None:
    settings.ALERT_PATIENCE = 60
    make_channel(web)
    settle_alerts(conditions=[condition()])
    make_messages()
    AlertMessage.objects.update(made_at=timezone.now() - timedelta(minutes=2))
    web.status = 500
    send_messages()
    assert AlertMessage.objects.get().dead


def test_a_silent_receiver_costs_its_time_out_and_no_more(web: WebSink, settings: Settings) -> None:
    settings.ALERT_TIMEOUT = 0.5
    over = threading.Event()
    web.pause = lambda: over.wait(60)
    make_channel(web)
    settle_alerts(conditions=[condition()])
    began = time.monotonic()
    assert tell() == 0
    assert time.monotonic() - began < 20
    over.set()
    assert "in time" in AlertMessage.objects.get().problem


def test_a_redirect_is_not_followed(web: WebSink) -> None:
    with WebSink() as elsewhere:
        web.status, web.location = 307, elsewhere.url
        channel = make_channel(web)
        with pytest.raises(Rejected, match="307"):
            try_channel(channel=channel, actor=COMMAND_LINE)
        assert elsewhere.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://[fd00:ec2::254]/x",
        "http://127.0.0.1:8000/",
        "file:///etc/passwd",
        "http://user:secret@hooks.example.com/",
        "http://0.0.0.0/",
    ],
)
def test_a_webhook_never_leads_to_metadata_or_to_the_console(url: str) -> None:
    channel = AlertChannel(name="x", kind="webhook", url=url, severities=["critical"])
    with pytest.raises(InvalidInput):
        save_channel(channel=channel, actor=COMMAND_LINE)
    # Nor when the name began to lead there later.
    AlertChannel.objects.create(name="y", kind="webhook", url=url, severities=["critical"])
    with pytest.raises(InvalidInput):
        try_channel(channel=AlertChannel.objects.get(name="y"), actor=COMMAND_LINE)


def test_the_secret_never_goes_to_another_place(web: WebSink) -> None:
    channel = make_channel(web)
    assert AuditEvent.objects.filter(object_type="alertchannel").exists()
    channel.url = web.url + "/elsewhere"
    assert save_channel(channel=channel, actor=COMMAND_LINE)
    channel.refresh_from_db()
    assert channel.sealed_secret is None
    assert SECRET not in str(list(AuditEvent.objects.values()))


def test_mail_says_what_happened_to_everybody(mail: MailSink) -> None:
    make_mail_channel()
    settle_alerts(conditions=[condition(1, "sip1 does not answer."), condition(2, "two")])
    assert tell() == 1
    [message] = mail.mails
    assert mail.recipients == ["ops@example.com", "noc@example.com"]
    assert message["Subject"] == "[rtcadmin] Critical: sip1 does not answer. (and 1 more)"
    body = message.get_content()
    assert "Critical: sip1 does not answer." in body
    assert "/alerts/" in body
    end(minutes=6)
    tell()
    assert mail.mails[1]["Subject"].startswith("[rtcadmin] Over: sip1 does not answer.")


def test_a_title_with_a_line_break_makes_no_header_of_its_own(mail: MailSink) -> None:
    make_mail_channel()
    settle_alerts(conditions=[condition(title="x\r\nBcc: thief@example.com")])
    assert tell() == 1
    assert mail.mails[0]["Bcc"] is None
    assert mail.recipients == ["ops@example.com", "noc@example.com"]


def test_a_mail_server_that_is_busy_is_asked_again_and_one_that_refuses_is_quoted(
    mail: MailSink,
) -> None:
    channel = make_mail_channel()
    mail.refuse = "451 come back later"
    with pytest.raises(Rejected, match="refuses every recipient"):
        try_channel(channel=channel, actor=COMMAND_LINE)
    mail.refuse = ""
    try_channel(channel=channel, actor=COMMAND_LINE)
    assert "Test of alerts" in mail.mails[0]["Subject"]


def test_without_a_mail_server_that_is_said_at_once(settings: Settings) -> None:
    settings.EMAIL_HOST = ""
    with pytest.raises(InvalidInput, match="RTCADMIN_MAIL_HOST"):
        try_channel(channel=make_mail_channel(), actor=COMMAND_LINE)


def test_a_mail_server_that_is_down_leaves_the_message_waiting(settings: Settings) -> None:
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_USE_TLS = HOST, 1, False
    channel = make_mail_channel()
    with pytest.raises(Unreachable):
        try_channel(channel=channel, actor=COMMAND_LINE)
    settle_alerts(conditions=[condition()])
    tell()
    assert not AlertMessage.objects.get().dead


@pytest.mark.parametrize(
    "values",
    [
        {"recipients": ""},
        {"recipients": "not an address"},
        {"recipients": "a@example.com\r\nBcc: b@example.com"},
        {"severities": []},
        {"severities": ["fatal"]},
    ],
)
def test_a_channel_that_would_tell_nobody_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        make_mail_channel(**values)


def test_messages_are_forgotten_after_30_days(web: WebSink) -> None:
    channel = make_channel(web)
    for days in (29, 31):
        AlertMessage.objects.create(
            channel=channel, payload={}, made_at=timezone.now() - timedelta(days=days)
        )
    assert forget_old() == 1
