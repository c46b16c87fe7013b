"""Provisioning links: addresses that hand out one account's document, secret included."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from provisioning.core.errors import InvalidInput, ProvisioningError
from provisioning.core.states import MEANINGS, State
from provisioning.models import Account, ProvisioningLink
from provisioning.profiles.base import File
from provisioning.services.accounts import standing
from provisioning.services.actor import Actor
from provisioning.services.clients import documents
from provisioning.services.clients.export import check_may_export
from provisioning.services.clients.refused_fetches import count_refused
from provisioning.services.console import audit

log = structlog.stdlib.get_logger(__name__)

DEFAULT_HOURS = 24
LONGEST_HOURS = 30 * 24

_TOKEN_BYTES = 32
CLIENT = Actor("client")


@dataclass(frozen=True, slots=True)
class NewLink:
    """A link and its address; the address is known now and never again."""

    link: ProvisioningLink
    url: str = field(repr=False)


def create_link(
    *,
    account: Account,
    format: str,
    actor: Actor,
    hours: int = DEFAULT_HOURS,
    one_time: bool = True,
) -> NewLink:
    """A link to the account's document with its secret; needs the permission to export secrets.

    Raises InvalidInput when the document could not be made now, so that no dead link is given out.
    """
    renderer = documents.find_renderer(format)
    check_may_export(with_secret=True, actor=actor)
    if not 1 <= hours <= LONGEST_HOURS:
        raise InvalidInput(f"A link lives from 1 hour to {LONGEST_HOURS // 24} days.")
    documents.render(
        account=account,
        renderer=renderer,
        with_secret=renderer.holds_secret,
        desk=documents.Desk(),
    )
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    with transaction.atomic():
        link = ProvisioningLink.objects.create(
            account=account,
            format=renderer.name,
            token_hash=_hash(token),
            one_time=one_time,
            created_by=actor.user,
            expires_at=timezone.now() + timedelta(hours=hours),
        )
        audit.record(
            actor=actor,
            action="created a link for",
            obj=account,
            detail={"link": link.pk, "format": renderer.name, "hours": hours, "one time": one_time},
        )
    return NewLink(link, f"{settings.LINK_URL}/p/{token}")


def fetch_document(*, token: str, address: str) -> File | None:
    """The document behind a token, or None whatever the reason; `address` is who asked.

    A one-time link is used up by the one request whose conditional update wins. Reasons are in the
    audit log; a token that nobody made is only in the server's log, so that guessing cannot fill
    it. Refused ones are counted, for an alert.
    """
    link = ProvisioningLink.objects.filter(token_hash=_hash(token)).first()
    if link is None:
        count_refused(address=address)
        log.info("unknown provisioning link", address=address)
        return None
    account = documents.with_what_documents_need(Account.objects.filter(pk=link.account_id)).get()
    now = timezone.now()
    problem = _problem(link, account, now)
    file = None
    if not problem:
        file, problem = _render(link, account)
    with transaction.atomic():
        if file is not None and not _claim(link, address, now):
            file, problem = None, "used by another request at the same moment"
        detail = {"link": link.pk, "format": link.format, "address": address}
        if file is None:
            detail["reason"] = problem
        action = "handed out the client document of" if file else "refused a link of"
        audit.record(actor=CLIENT, action=action, obj=account, detail=detail)
    if file is None:
        count_refused(address=address)
    return file


def fetchable(*, accounts: Sequence[Account]) -> QuerySet[ProvisioningLink]:
    """The links that hand out a document as long as their account is active."""
    links = ProvisioningLink.objects.filter(
        account__in=accounts, revoked_at=None, expires_at__gt=timezone.now()
    )
    return links.exclude(one_time=True, used_at__isnull=False)


def revoke_links(*, accounts: Sequence[Account], actor: Actor) -> int:
    """Make every link of `accounts` that still works useless; how many there were."""
    with transaction.atomic():
        count = fetchable(accounts=accounts).count()
        standing.revoke_links(accounts, now=timezone.now())
        if count:
            for account in accounts:
                audit.record(actor=actor, action="revoked the links of", obj=account)
    return count


def revoke_link(*, link: ProvisioningLink, actor: Actor) -> None:
    """Make one link useless."""
    with transaction.atomic():
        revoked = ProvisioningLink.objects.filter(pk=link.pk, revoked_at__isnull=True).update(
            revoked_at=timezone.now()
        )
        if revoked:
            audit.record(
                actor=actor, action="revoked a link of", obj=link.account, detail={"link": link.pk}
            )


def _problem(link: ProvisioningLink, account: Account, now: datetime) -> str:
    if link.revoked_at is not None:
        return "revoked"
    if link.expires_at <= now:
        return "expired"
    if link.one_time and link.used_at is not None:
        return "used before"
    if not MEANINGS[State(account.state)].usable:
        return f"the account is {account.state}"
    return ""


def _render(link: ProvisioningLink, account: Account) -> tuple[File | None, str]:
    try:
        renderer = documents.find_renderer(link.format)
        files = documents.render(
            account=account,
            renderer=renderer,
            with_secret=renderer.holds_secret,
            desk=documents.Desk(),
        )
    except ProvisioningError as error:
        return None, error.message
    return files[0], ""


def _claim(link: ProvisioningLink, address: str, now: datetime) -> bool:
    """Whether this request is the one that may have the document.

    The account's state is asked for in a query of its own: a join would move every condition into
    a subselect, and PostgreSQL does not look at that again after it waited for another request.
    """
    waiting = ProvisioningLink.objects.filter(
        pk=link.pk,
        revoked_at__isnull=True,
        expires_at__gt=now,
        account__in=Account.objects.filter(state=State.ACTIVE),
    )
    if link.one_time:
        waiting = waiting.filter(used_at__isnull=True)
    return waiting.update(used_at=now, used_from=address[:45]) == 1


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
