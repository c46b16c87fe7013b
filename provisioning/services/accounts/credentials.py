"""Credentials of accounts: made by the console, replaced on request, never shown."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone

from provisioning.core.account import new_secret
from provisioning.core.errors import InvalidInput
from provisioning.core.limits import Category
from provisioning.core.states import State
from provisioning.models import Account, Credential
from provisioning.services.accounts.at_risk import find_at_risk
from provisioning.services.accounts.standing import mark, revoke_links
from provisioning.services.actor import Actor
from provisioning.services.console import audit
from provisioning.services.runs.limit_use import use_limits

# A bulk action holds the write lock for some seconds at this size.
MOST_AT_ONCE = 1000


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


def rotate_credentials(*, account_ids: Sequence[int], actor: Actor, approved: bool = False) -> int:
    """Replace the secrets of up to 1,000 accounts, all or none; how many. Removed ones are left.

    Raises UnsafePlan where that passes a limit and nobody who may approve says `approved`.
    """
    if len(account_ids) > MOST_AT_ONCE:
        raise InvalidInput(
            f"{len(account_ids):,} accounts are too many at once; at most {MOST_AT_ONCE:,}. "
            "Nothing was changed. Narrow the filter."
        )
    accounts = Account.objects.filter(pk__in=account_ids).exclude(state=State.REMOVED)
    with transaction.atomic():
        chosen = list(accounts.order_by("pk"))
        if not chosen:
            raise InvalidInput("No such account is left. Nothing was changed.")
        use_limits(
            category=Category.CREDENTIAL, at_risk=find_at_risk(chosen), actor=actor,
            approved=approved,
        )  # fmt: skip
        for account in chosen:
            rotate_credential(account=account, actor=actor)
    return len(chosen)
