"""What a store should hold: rows derived from accounts, numbers and SIP domains at each push."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Exists, OuterRef, QuerySet, Value
from django.db.models.expressions import RawSQL
from django.db.models.functions import StrIndex, Substr

from provisioning.core.sealing import SealBroken
from provisioning.core.sip import Algorithm, ha1
from provisioning.core.states import MEANINGS
from provisioning.drivers.base import AliasRow, Kind, Row, SipDomainRow, SubscriberRow
from provisioning.models import Account, ConfigStore, Credential, Number, OwnedRow, SipDomain
from provisioning.models.fields import keyring
from provisioning.services import bulk

_ON_SERVER = [state.value for state, meaning in MEANINGS.items() if meaning.on_server]
_USABLE = [state.value for state, meaning in MEANINGS.items() if meaning.usable]

# Keys of one page: what is held in memory, and asked of a database at once.
PAGE = 5000

Values = tuple[Any, ...]


def desired_rows(
    *,
    store: ConfigStore,
    kind: Kind,
    keys: Sequence[str] | None,
    failed: dict[str, str] | None = None,
) -> Iterator[Row]:
    """The rows of `kind` that `store` should hold: those among `keys`, or all as a stream.

    A key that gives no row should not be there, unless `failed` tells why the row could not be
    made; without `failed` SealBroken is raised instead.
    """
    for page in wanted_pages(store=store, kind=kind) if keys is None else _pages(keys):
        rows = _find(store, kind, page)
        if kind is Kind.SIP_DOMAIN:
            yield from (SipDomainRow(*values) for values in rows)
        elif kind is Kind.SUBSCRIBER:
            yield from _subscribers(store, rows, failed)
        else:
            wanted = set(page)
            aliases = (AliasRow(number, domain, user, domain) for number, user, domain in rows)
            yield from (row for row in aliases if row.key in wanted)


def wanted_pages(*, store: ConfigStore, kind: Kind) -> Iterator[list[str]]:
    """Keys of everything of `kind` that `store` should hold, by pages.

    No cursor stays open between pages: on SQLite nobody could write meanwhile without failing.
    """
    rows = _wanted(store, kind).order_by("pk").values_list("pk", *_KEY_FIELDS[kind])
    last = 0
    while page := list(rows.filter(pk__gt=last)[:PAGE]):
        yield ["@".join(parts) for _, *parts in page]
        last = page[-1][0]


def unwanted_pages(*, store: ConfigStore, kind: Kind) -> Iterator[list[str]]:
    """Owned keys of `kind` at which nothing should be, or nobody should register, by pages."""
    number = Substr(OuterRef("key"), 1, StrIndex(OuterRef("key"), Value("@")) - 1)
    domain = Substr(OuterRef("key"), StrIndex(OuterRef("key"), Value("@")) + 1)
    fitting: dict[Kind, dict[str, Any]] = {
        Kind.SIP_DOMAIN: {"domain": OuterRef("key")},
        Kind.SUBSCRIBER: {"aor": OuterRef("key"), "state__in": _USABLE},
        Kind.ALIAS: {"e164": number, "account__domain__domain": domain},
    }
    wanted = _wanted(store, kind).filter(**fitting[kind])
    owned = OwnedRow.objects.filter(~Exists(wanted), store=store, kind=kind)
    keys = owned.order_by("key").values_list("key", flat=True)
    last = ""
    while page := list(keys.filter(key__gt=last)[:PAGE]):
        yield page
        last = page[-1]


def among(texts: Iterable[str]) -> RawSQL:
    """`texts` for an `__in` filter as one parameter: thousands cost more than the query."""
    rows = {"postgresql": "SELECT unnest(%s::text[])", "sqlite": "SELECT value FROM json_each(%s)"}
    return RawSQL(rows[connection.vendor], [bulk.array(texts)])  # noqa: S611 - no input in it


def fingerprint(row: Row) -> str:
    """A keyed hash of a row: tells whether it changed without keeping its HA1."""
    # No value holds a line break, so no two rows give the same text.
    match row:
        case SipDomainRow():
            text = row.domain
        case SubscriberRow():
            text = f"{row.key}\n{row.ha1 or ''}"
        case AliasRow():
            text = f"{row.key}\n{row.user}\n{row.domain}"
    return hashlib.blake2b(text.encode(), key=_fingerprint_key(), digest_size=16).hexdigest()


@cache
def _fingerprint_key() -> bytes:
    return hashlib.sha256(b"rtcadmin fingerprint" + settings.SECRET_KEY.encode()).digest()


_KEY_FIELDS = {
    Kind.SIP_DOMAIN: ["domain"],
    Kind.SUBSCRIBER: ["aor"],
    Kind.ALIAS: ["e164", "account__domain__domain"],
}


def _wanted(store: ConfigStore, kind: Kind) -> QuerySet[Any, Any]:
    """The objects that have a row of `kind` at `store`."""
    if kind is Kind.SIP_DOMAIN:
        return SipDomain.objects.all()
    if kind is Kind.SUBSCRIBER:
        return Account.objects.filter(pool_id=store.pool_id, state__in=_ON_SERVER)
    return Number.objects.filter(account__pool_id=store.pool_id, account__state__in=_ON_SERVER)


def _find(store: ConfigStore, kind: Kind, keys: Sequence[str]) -> list[Values]:
    wanted = _wanted(store, kind)
    if kind is Kind.SIP_DOMAIN:
        return list(wanted.filter(domain__in=among(keys)).values_list("domain"))
    if kind is Kind.SUBSCRIBER:
        return list(
            wanted.filter(aor__in=among(keys)).values_list(
                "user_part", "domain_id", "state", "credential__uid", "credential__auth_user",
                "credential__sealed_secret",
            )
        )  # fmt: skip
    numbers = among(key.partition("@")[0] for key in keys)
    return list(
        wanted.filter(e164__in=numbers).values_list(
            "e164", "account__user_part", "account__domain__domain"
        )
    )


def _subscribers(
    store: ConfigStore, accounts: Iterable[Values], failed: dict[str, str] | None
) -> Iterator[Row]:
    realms = {domain.pk: (domain.domain, domain.realm) for domain in SipDomain.objects.all()}
    algorithm: Algorithm = "SHA-256" if store.algorithm == "SHA-256" else "MD5"
    ring = keyring()
    for user, domain_id, state, uid, auth_user, sealed in accounts:
        domain, realm = realms[domain_id]
        digest = None
        if state in _USABLE and sealed is not None:
            try:
                secret = ring.open(bytes(sealed), Credential.place(uid))
            except SealBroken as error:
                if failed is None:
                    raise
                failed[f"{user}@{domain}"] = error.message
                continue
            digest = ha1(auth_user, realm, secret, algorithm)
        yield SubscriberRow(user, domain, digest)


def _pages(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    return (keys[start : start + PAGE] for start in range(0, len(keys), PAGE))
