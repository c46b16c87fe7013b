"""Credentials of accounts: made by the console, replaced on request, never shown."""

from __future__ import annotations

import secrets

from django.db import transaction
from django.utils import timezone

from provisioning.core.account import new_secret
from provisioning.models import Account, Credential
from provisioning.services import audit
from provisioning.services.actor import Actor
from provisioning.services.standing import mark, revoke_links


def make_credential(account: Account) -> Credential:
    """A first credential with a random secret; in the caller's transaction."""
    credential = Credential(
        account=account,
        uid=secrets.token_hex(16),
        auth_user=account.user_part,
        rotated_at=timezone.now(),
    )
    credential.set_secret(new_secret())
    credential.save()
    return credential


def replace_secret(account: Account) -> Credential:
    """A new random secret, or a first one where there was none; in the caller's transaction."""
    credential = Credential.objects.select_for_update().filter(account=account).first()
    if credential is None:
        return make_credential(account)
    credential.set_secret(new_secret())
    credential.version += 1
    credential.rotated_at = timezone.now()
    credential.save()
    return credential


def rotate_credential(*, account: Account, actor: Actor) -> Credential:
    """Replace the secret: clients must fetch their profile again, links made before are revoked."""
    with transaction.atomic():
        credential = replace_secret(account)
        revoke_links([account], now=credential.rotated_at)
        mark([account])
        audit.record(
            actor=actor,
            action="rotated the credential of",
            obj=account,
            detail={"credential version": [credential.version - 1, credential.version]},
        )
    return credential
