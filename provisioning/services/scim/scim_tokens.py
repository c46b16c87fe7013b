"""Bearer tokens of SCIM clients: made, revoked, and recognised; only their keyed hash is kept."""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac

from provisioning.core.errors import InvalidFields, InvalidInput
from provisioning.core.text import require_line
from provisioning.models import DirectorySource, ScimToken
from provisioning.services.actor import Actor
from provisioning.services.console import audit
from provisioning.services.console.guessing import count_wrong

log = structlog.stdlib.get_logger(__name__)

DEFAULT_DAYS = 365
LONGEST_DAYS = 3 * 365
MOST_TOKENS = 10

_LONGEST_NAME = 100
_KEY_BYTES, _SECRET_BYTES = 6, 32
_FORM = re.compile(r"rtcscim-([0-9a-f]{12})-([A-Za-z0-9_-]{43})")
# Noting each use would be a write for each request.
_NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token and its text; the text is known now and never again."""

    token: ScimToken
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a token is not accepted; the client is told only whether to `wait` (seconds)."""

    wait: int = 0


def tenant_url(source: DirectorySource) -> str:
    """What the client of `source` is given as its address."""
    return f"{settings.PUBLIC_URL}/scim/v2/{source.pk}"


def create_token(
    *, source: DirectorySource, name: str, actor: Actor, days: int = DEFAULT_DAYS
) -> NewToken:
    """A token for the client of `source`; raises InvalidFields where it cannot be made."""
    name = name.strip()
    faults: dict[str, str] = {}
    try:
        require_line(name, "The name")
    except InvalidInput as error:
        faults["name"] = error.message
    if not 1 <= len(name) <= _LONGEST_NAME:
        faults["name"] = "Say who uses it, in at most 100 characters, such as “Entra ID”."
    if not 1 <= days <= LONGEST_DAYS:
        faults["days"] = f"A token is good for 1 to {LONGEST_DAYS:,} days."
    if not source.is_scim:
        faults["source"] = f"“{source}” is read from a directory; nobody writes to it."
    if faults:
        raise InvalidFields(faults)
    key, secret = secrets.token_hex(_KEY_BYTES), secrets.token_urlsafe(_SECRET_BYTES)
    now = timezone.now()
    with transaction.atomic():
        if source.scim_tokens.filter(revoked_at=None, expires_at__gt=now).count() >= MOST_TOKENS:
            raise InvalidInput(
                f"“{source}” has {MOST_TOKENS} tokens that work. Nothing was made; revoke one."
            )
        token = ScimToken.objects.create(
            source=source, name=name, key=key, secret_hash=_hash(key, secret),
            created_by=actor.user, expires_at=now + timedelta(days=days),
        )  # fmt: skip
        audit.record(
            actor=actor, action="created a SCIM token for", obj=source,
            detail={"token": name, "days": days},
        )  # fmt: skip
    return NewToken(token, f"rtcscim-{key}-{secret}")


def revoke_token(*, token: ScimToken, actor: Actor) -> None:
    """Make a token useless from now on."""
    with transaction.atomic():
        working = ScimToken.objects.filter(pk=token.pk, revoked_at=None)
        if working.update(revoked_at=timezone.now()):
            audit.record(
                actor=actor, action="revoked a SCIM token of", obj=token.source,
                detail={"token": token.name},
            )  # fmt: skip


def find_source(*, text: str, source_id: int, address: str) -> DirectorySource | Refusal:
    """The source that a client with this token may write to, or a refusal, whatever the reason.

    The right token is always accepted, however many wrong ones came from the same address: others
    behind the same proxy must not be able to stop a client.
    """
    now = timezone.now()
    token = _find(text)
    problem = "unknown token" if token is None else _problem(token, source_id, now)
    if token is None or problem:
        # Only in the log of the server, so that guessing cannot fill the audit log.
        log.info("SCIM token refused", source=source_id, address=address, reason=problem)
        return Refusal(count_wrong(what="scim", address=address))
    if token.last_used_at is None or now - token.last_used_at > _NOTED_EVERY:
        ScimToken.objects.filter(pk=token.pk).update(last_used_at=now, last_used_from=address[:45])
    return token.source


def _find(text: str) -> ScimToken | None:
    """The token with this text; its secret is compared in constant time."""
    form = _FORM.fullmatch(text)
    if form is None:
        return None
    key, secret = form.groups()
    token = ScimToken.objects.select_related("source").filter(key=key).first()
    expected = token.secret_hash if token is not None else _hash(key, "")
    same = hmac.compare_digest(expected, _hash(key, secret))
    return token if same else None


def _problem(token: ScimToken, source_id: int, now: datetime) -> str:
    if token.source_id != source_id:
        return "token of another source"
    if token.revoked_at is not None:
        return "revoked"
    if token.expires_at <= now:
        return "expired"
    return "" if token.source.is_scim else "not a SCIM source"


def _hash(key: str, secret: str) -> str:
    return salted_hmac(f"scim token {key}", secret, algorithm="sha256").hexdigest()
