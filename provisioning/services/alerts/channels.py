"""Channels of alerts: saving, deleting, trying out."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from provisioning.core.errors import InvalidInput
from provisioning.core.severity import Severity
from provisioning.core.text import require_line
from provisioning.models import AlertChannel
from provisioning.services.actor import Actor
from provisioning.services.alerts.mail import recipients_of
from provisioning.services.alerts.messages import test_payload
from provisioning.services.alerts.sending import send_test
from provisioning.services.alerts.webhook import WHAT
from provisioning.services.console import audit, saving
from provisioning.services.directory.certificates import check_authorities
from provisioning.services.servers import targets

_MOST_RECIPIENTS = 50


def save_channel(*, channel: AlertChannel, actor: Actor, secret: str | None = None) -> bool:
    """Keep a new or changed channel; `secret` None keeps the stored one, empty erases it.

    The stored secret never signs for a new place: it is erased when the address or the certificate
    authority changes and no new one is given. Returns whether it was erased that way.
    """
    _tidy(channel)
    before = saving.find_stored(channel)
    moved = before is not None and (before.url, before.ca_pem) != (channel.url, channel.ca_pem)
    erased = moved and secret is None and channel.sealed_secret is not None
    if channel.kind == AlertChannel.Kind.WEBHOOK and (before is None or moved):
        targets.check_url(url=channel.url, schemes=targets.HTTP, what=WHAT)
    saving.check_fields(channel)
    channel.problem = ""
    facts = {"secret": "erased"} if erased else {"secret": "changed"} if secret is not None else {}
    with transaction.atomic():
        if erased:
            channel.set_secret("")
        saving.save(row=channel, before=before, actor=actor, **facts)
        if secret is not None:
            channel.set_secret(secret)
            channel.save(update_fields=["sealed_secret"])
    return erased


def delete_channel(*, channel: AlertChannel, actor: Actor) -> None:
    """Forget a channel with what it was still to be told."""
    saving.delete(row=channel, actor=actor)


def try_channel(*, channel: AlertChannel, actor: Actor) -> None:
    """Send a test at once; raises what went wrong."""
    audit.record(actor=actor, action="tried out", obj=channel)
    send_test(channel=channel, payload=test_payload())
    AlertChannel.objects.filter(pk=channel.pk).update(problem="")


def _tidy(channel: AlertChannel) -> None:
    channel.name = require_line(channel.name, "The name").strip()
    channel.ca_pem = check_authorities(channel.ca_pem, "The certificate authority")
    known = [severity.value for severity in Severity]
    channel.severities = [each for each in known if each in channel.severities]
    if not channel.severities:
        raise InvalidInput("Choose at least one severity; otherwise nothing is ever told.")
    if channel.kind == AlertChannel.Kind.WEBHOOK:
        channel.url, channel.recipients = require_line(channel.url, WHAT).strip(), ""
        if not channel.url:
            raise InvalidInput("A webhook needs an address, such as https://hooks.example.com/sip.")
        return
    channel.url = channel.ca_pem = ""
    recipients = recipients_of(channel)
    if not 1 <= len(recipients) <= _MOST_RECIPIENTS:
        raise InvalidInput(f"Give 1 to {_MOST_RECIPIENTS} mail addresses, one per line.")
    for each in recipients:
        try:
            validate_email(require_line(each, "The mail address"))
        except ValidationError as error:
            raise InvalidInput(f"“{each[:80]}” is not a mail address.") from error
    channel.recipients = "\n".join(recipients)
