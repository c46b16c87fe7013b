"""Rotation of the sealing keys: every secret opens with the new key alone afterwards."""

from __future__ import annotations

import secrets

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command

from provisioning.models import AuditEvent, DirectorySource
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.console.keys import reseal_secrets
from tests.factories import make_account, make_source

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def source() -> DirectorySource:
    source = make_source()
    source.set_bind_secret("bind-secret")
    source.save()
    return source


def test_every_secret_opens_with_the_new_key_alone(
    settings: LazySettings, source: DirectorySource
) -> None:
    account = make_account()
    secret = account.credential.secret()
    new = secrets.token_hex(32)
    settings.SEALING_KEYS = f"{new},{settings.SEALING_KEYS}"

    assert reseal_secrets(actor=COMMAND_LINE) == 2
    assert reseal_secrets(actor=COMMAND_LINE) == 0

    settings.SEALING_KEYS = new
    account.credential.refresh_from_db()
    source.refresh_from_db()
    assert account.credential.secret() == secret
    assert source.bind_secret() == "bind-secret"
    assert AuditEvent.objects.get(action="rotated keys").detail == {"secrets": 2}


def test_a_missing_key_changes_nothing_and_says_so(
    settings: LazySettings, source: DirectorySource
) -> None:
    old = settings.SEALING_KEYS
    settings.SEALING_KEYS = secrets.token_hex(32)

    with pytest.raises(CommandError, match="a key this console does not have"):
        call_command("rotate_keys")

    settings.SEALING_KEYS = old
    source.refresh_from_db()
    assert source.bind_secret() == "bind-secret"
