"""SIP domains: saving and deleting; a new realm means a new digest for every credential."""

from __future__ import annotations

from django.db import transaction

from provisioning.core.errors import InvalidInput
from provisioning.core.sip import check_domain
from provisioning.core.states import State
from provisioning.core.text import require_line
from provisioning.drivers.base import Kind
from provisioning.models import Account, PendingChange, SipDomain
from provisioning.services.actor import Actor
from provisioning.services.console import saving
from provisioning.services.push import outbox


class Unconfirmed(InvalidInput):
    """The change is possible, but needs somebody to say that its consequences are meant."""


def save_sip_domain(*, domain: SipDomain, actor: Actor, confirmed: bool = False) -> None:
    """Keep a new or changed SIP domain and ask for it at every managed store.

    A changed realm with accounts raises Unconfirmed until `confirmed`: every digest at the servers
    changes, and clients that were given the realm must fetch their profile again. The domain itself
    cannot change while accounts have addresses in it.
    """
    domain.domain = check_domain(domain.domain)
    domain.realm_override = _checked_realm(domain)
    saving.check_fields(domain)
    before = saving.find_stored(domain)
    accounts = _count_accounts(domain) if before else 0
    renamed = before is not None and before.domain != domain.domain
    new_realm = before is not None and before.realm != domain.realm
    if renamed and accounts:
        raise InvalidInput(
            f"{accounts:,} accounts have SIP URIs in {before.domain if before else ''}, so it "
            "keeps its name. "
            "Add a SIP domain and let the account rules move them. Nothing was changed."
        )
    if new_realm and accounts and not confirmed:
        raise Unconfirmed(
            f"With the realm “{domain.realm}” the credentials of all {accounts:,} accounts of "
            f"{domain} change at "
            "the SIP servers. Clients that were given the old realm cannot register until they "
            "fetch their "
            "profile again. Nothing was changed; confirm to go on."
        )
    with transaction.atomic():
        saving.save(row=domain, before=before, actor=actor)
        if before is None or renamed:
            names = {domain.domain, before.domain if before else domain.domain}
            outbox.mark(
                store_ids=outbox.manageable_stores(), kind=Kind.SIP_DOMAIN, keys=sorted(names)
            )
        if new_realm:
            _mark_every_credential()


def delete_sip_domain(*, domain: SipDomain, actor: Actor) -> None:
    """Delete a SIP domain that no account or rule names, and take it from every managed store."""
    with transaction.atomic():
        name = domain.domain
        saving.delete(row=domain, actor=actor)
        outbox.mark(store_ids=outbox.manageable_stores(), kind=Kind.SIP_DOMAIN, keys=[name])


def _checked_realm(domain: SipDomain) -> str:
    realm = require_line(domain.realm_override.strip(), "The realm")
    if not realm.isascii() or any(character in realm for character in '"\\:'):
        raise InvalidInput(
            'The realm may hold printable ASCII characters, but no “"”, “\\” or “:”.'
        )
    return "" if realm == domain.domain else realm


def _count_accounts(domain: SipDomain) -> int:
    return Account.objects.filter(domain=domain).exclude(state=State.REMOVED).count()


def _mark_every_credential() -> None:
    outbox.mark(
        store_ids=outbox.manageable_stores(), kind=Kind.SUBSCRIBER, keys=[PendingChange.ALL]
    )
