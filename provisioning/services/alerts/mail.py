"""Alerts by mail, through the server that the environment names."""

from __future__ import annotations

import smtplib
import ssl
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.smtp import EmailBackend
from django.utils.dateparse import parse_datetime

from provisioning.core.errors import InvalidInput, Rejected, Unreachable
from provisioning.core.severity import Severity
from provisioning.core.text import clean_line
from provisioning.models import AlertChannel

_SUBJECT = 150


def recipients_of(channel: AlertChannel) -> list[str]:
    """The mail addresses, one per line."""
    return [line.strip() for line in channel.recipients.splitlines() if line.strip()]


def send_mail(channel: AlertChannel, payload: dict[str, Any], message_id: str) -> None:
    """Send the payload as plain text to all recipients.

    Raises Unreachable where the mail server cannot be used now, Rejected with its words, and
    InvalidInput where none is set.
    """
    if not settings.EMAIL_HOST:
        raise InvalidInput(
            "No mail server is set. Whoever runs the console names one in RTCADMIN_MAIL_HOST."
        )
    message = EmailMessage(
        subject=_subject(payload), body=_body(payload), from_email=settings.DEFAULT_FROM_EMAIL,
        to=recipients_of(channel), headers={"X-Rtcadmin-Delivery": message_id},
        # The one with which the settings say how to connect, whatever else sends mail in tests.
        connection=EmailBackend(),
    )  # fmt: skip
    host = settings.EMAIL_HOST
    try:
        message.send()
    except ssl.SSLError as error:
        raise Rejected(f"The mail server {host}, TLS: {error.reason or error}") from error
    except smtplib.SMTPRecipientsRefused as error:
        raise Rejected(f"The mail server {host} refuses every recipient.") from error
    except smtplib.SMTPResponseException as error:
        said = _words(error)
        kind = Unreachable if 400 <= error.smtp_code < 500 else Rejected
        raise kind(f"The mail server {host} refused: {error.smtp_code} {said}") from error
    except (smtplib.SMTPException, OSError) as error:
        raise Unreachable(
            f"The mail server {host} cannot be used: {clean_line(str(error))[:200]}"
        ) from error


def _words(error: smtplib.SMTPResponseException) -> str:
    said = error.smtp_error
    return clean_line(said.decode(errors="replace") if isinstance(said, bytes) else said)[:200]


def _subject(payload: dict[str, Any]) -> str:
    name = f"[rtcadmin {payload['environment']}]".replace(" ]", "]")
    if payload["event"] == "test":
        return f"{name} Test of alerts by mail"
    first, count = payload["alerts"][0], payload["count"]
    what = "Over" if first["state"] == "ended" else Severity(first["severity"]).label
    more = f" (and {count - 1:,} more)" if count > 1 else ""
    subject = clean_line(f"{name} {what}: {first['title']}")
    return f"{subject[:_SUBJECT]}{more}"


def _body(payload: dict[str, Any]) -> str:
    if payload["event"] == "test":
        return f"Alerts arrive here. They are sent by the console at {payload['console']}\n"
    parts = [_paragraph(alert) for alert in payload["alerts"]]
    if payload["count"] > len(parts):
        parts.append(f"And {payload['count'] - len(parts):,} more.")
    parts.append(f"{payload['console']}/alerts/")
    return "\n\n".join(parts) + "\n"


def _paragraph(alert: dict[str, Any]) -> str:
    severity = Severity(alert["severity"]).label
    state = f"Over. {severity}" if alert["state"] == "ended" else severity
    since = parse_datetime(alert["since"])
    at = f"{since:%-d %b %Y, %H:%M} UTC" if since else alert["since"]
    return f"{state}: {alert['title']}\n{alert['text']}\nSince {at}."
