"""What a store should hold: rows derived from accounts, numbers and SIP domains at the moment of the push."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.conf import settings
from django.db.models import QuerySet

from provisioning.core.sip import Algorithm, ha1
from provisioning.core.states import MEANINGS
from provisioning.drivers.base import AliasRow, Kind, Row, SipDomainRow, SubscriberRow
from provisioning.models import Account, ConfigStore, Credential, Number, SipDomain
from provisioning.models.fields import keyring

_ON_SERVER = [state.value for state, meaning in MEANINGS.items() if meaning.on_server]
_CHUNK = 1000


def desired_rows(*, store: ConfigStore, kind: Kind, keys: Sequence[str] | None) -> Iterator[Row]:
    """The rows of `kind` that `store` should hold: those among `keys`, or all as a stream.

    A key that gives no row should not be there.
    """
    for chunk in _chunks(keys):
        if kind is Kind.SIP_DOMAIN:
            yield from _domains(chunk)
        elif kind is Kind.SUBSCRIBER:
            yield from _subscribers(store, chunk)
        else:
            yield from _aliases(store, chunk)


def fingerprint(row: Row) -> str:
    """A keyed hash of a row: tells whether it changed without keeping its HA1."""
    text = repr(
        (
            row.key,
            getattr(row, "ha1", None),
            getattr(row, "user", None),
            getattr(row, "domain", None),
        )
    )
    return hmac.new(settings.SECRET_KEY.encode(), text.encode(), hashlib.sha256).hexdigest()[:32]


def _domains(keys: Sequence[str] | None) -> Iterator[Row]:
    domains = SipDomain.objects.order_by("domain")
    if keys is not None:
        domains = domains.filter(domain__in=keys)
    for domain in domains.values_list("domain", flat=True):
        yield SipDomainRow(domain)


def _subscribers(store: ConfigStore, keys: Sequence[str] | None) -> Iterator[Row]:
    accounts: QuerySet[Account, tuple[Any, ...]] = Account.objects.filter(
        pool_id=store.pool_id, state__in=_ON_SERVER
    ).values_list(
        "user_part", "aor", "domain_id", "state", "credential__uid", "credential__auth_user",
        "credential__sealed_secret",
    )  # fmt: skip
    if keys is not None:
        accounts = accounts.filter(aor__in=keys)
    realms = {domain.pk: (domain.domain, domain.realm) for domain in SipDomain.objects.all()}
    algorithm: Algorithm = "SHA-256" if store.algorithm == "SHA-256" else "MD5"
    usable = {state.value for state, meaning in MEANINGS.items() if meaning.usable}
    ring = keyring()
    for user, _, domain_id, state, uid, auth_user, sealed in accounts.iterator(chunk_size=5000):
        domain, realm = realms[domain_id]
        digest = None
        if state in usable and sealed is not None:
            secret = ring.open(bytes(sealed), Credential.place(uid))
            digest = ha1(auth_user, realm, secret, algorithm)
        yield SubscriberRow(user, domain, digest)


def _aliases(store: ConfigStore, keys: Sequence[str] | None) -> Iterator[Row]:
    numbers: QuerySet[Number, tuple[Any, ...]] = Number.objects.filter(
        account__pool_id=store.pool_id, account__state__in=_ON_SERVER
    ).values_list("e164", "account__user_part", "account__domain__domain")
    if keys is not None:
        numbers = numbers.filter(e164__in=[key.partition("@")[0] for key in keys])
    wanted = None if keys is None else set(keys)
    for number, user, domain in numbers.iterator(chunk_size=5000):
        row = AliasRow(number, domain, user, domain)
        if wanted is None or row.key in wanted:
            yield row


def _chunks(keys: Sequence[str] | None) -> Iterable[Sequence[str] | None]:
    if keys is None:
        return [None]
    return [keys[start : start + _CHUNK] for start in range(0, len(keys), _CHUNK)]
