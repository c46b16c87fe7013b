"""What a store should hold: rows derived from what is kept here, at each push."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from functools import cache
from itertools import compress
from typing import Any

from django.conf import settings
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Right, StrIndex, Substr

from provisioning.core.states import MEANINGS
from provisioning.drivers.base import ENDING, AliasRow, Kind, Row, SipDomainRow, SubscriberRow
from provisioning.models import Account, Alias, ConfigStore, Number, OwnedRow, SipDomain
from provisioning.services.bulk import among
from provisioning.services.push.desired_subscribers import subscriber_rows
from provisioning.services.routing.desired_routing import MAKERS, routing_rows
from provisioning.services.routing.pool_servers import pool_server_rows
from provisioning.services.servers.scope import narrow, narrow_domains, within_scope
from provisioning.services.settings.desired_settings import (
    preference_rows,
    preference_values,
    setting_rows,
    unwanted_preferences,
    wanted_preferences,
)

_ON_SERVER = [state.value for state, meaning in MEANINGS.items() if meaning.on_server]
_USABLE = [state.value for state, meaning in MEANINGS.items() if meaning.usable]

# Kinds of which there are so few rows that all are made at once.
_FEW = frozenset({*MAKERS, Kind.POOL_SERVER, Kind.SETTING})

# Keys of one page: what is held in memory, and asked of a database at once.
PAGE = 10_000

# Accounts of one block, by their ids.
BLOCK = 1000

Values = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Desired:
    """What should stand at `keys`: `rows` by key, nothing at the others.

    `failed` tells of some keys why their row could not be made; nobody knows what belongs there.
    """

    keys: Sequence[str]
    rows: Mapping[str, Row]
    failed: Mapping[str, str]

    def without(self, keys: Collection[str]) -> Desired:
        """The same but for some keys."""
        if not keys:
            return self
        return Desired(
            [key for key in self.keys if key not in keys],
            {key: row for key, row in self.rows.items() if key not in keys},
            {key: why for key, why in self.failed.items() if key not in keys},
        )


@dataclass(frozen=True, slots=True)
class Part:
    """What belongs to the accounts of some blocks, or has a user part with one of some endings."""

    blocks: Collection[int]
    endings: Collection[str]


@dataclass(frozen=True, slots=True)
class Page:
    """Some keys, and what the rows that a store should hold there are made of."""

    keys: Sequence[str]
    values: Sequence[Values]


def derive(*, store: ConfigStore, kind: Kind, page: Page) -> Desired:
    """What `store` should hold at the keys of a page."""
    if kind is Kind.SIP_DOMAIN:
        return Desired(page.keys, {domain: SipDomainRow(domain) for domain, *_ in page.values}, {})
    if kind is Kind.SUBSCRIBER:
        return Desired(page.keys, *subscriber_rows(store=store, values=page.values))
    if kind in _FEW:
        made, broken = _few(store, kind)
        wanted = {key: made[key] for key in page.keys if key in made}
        failed = {key: broken[key] for key in page.keys if key in broken}
        return Desired(page.keys, wanted, failed)
    if kind is Kind.PREFERENCE:
        found, asked = preference_rows(store=store, values=page.values), set(page.keys)
        return Desired(page.keys, {k: row for k, row in found.items() if k in asked}, {})
    domains = _domains()
    rows: dict[str, Row] = {}
    for old, old_domain_id, user, domain_id, *_ in page.values:
        old_domain = domains[old_domain_id]
        rows[f"{old}@{old_domain}"] = AliasRow(old, old_domain, user, domains[domain_id])
    return Desired(page.keys, rows, {})


def page_of(*, store: ConfigStore, kind: Kind, keys: Sequence[str]) -> Page:
    """A page of those of `keys` that lie within the managed scope."""
    keys = within_scope(store=store, kind=kind, keys=keys)
    if kind in _FEW:
        return Page(keys, ())
    if kind is Kind.PREFERENCE:
        return Page(keys, preference_values(store=store, keys=keys))
    if kind is Kind.ALIAS:
        return _page_of_aliases(store, keys)
    wanted = _wanted(store, kind).values_list(*_COLUMNS[kind])
    if kind is Kind.SIP_DOMAIN:
        return Page(keys, list(wanted.filter(domain__in=among(keys))))
    return Page(keys, list(wanted.filter(aor__in=among(keys))))


def _page_of_aliases(store: ConfigStore, keys: Sequence[str]) -> Page:
    numbers = _wanted(store, Kind.ALIAS).values_list(*_COLUMNS[Kind.ALIAS])
    chosen = set(keys)
    found = list(numbers.filter(e164__in=among(key.partition("@")[0] for key in keys)))
    # A number may have come in another SIP domain.
    numbered = [key in chosen for key in _keys(Kind.ALIAS, found)]
    former = list(_former(store).filter(aor__in=among(keys)).values_list(*_FORMER_COLUMNS))
    return Page(keys, [*former, *compress(found, numbered)])


def wanted_pages(*, store: ConfigStore, kind: Kind, part: Part | None = None) -> Iterator[Page]:
    """Everything of `kind` that `store` should hold, or a part of it, by pages.

    No cursor stays open between pages: on SQLite nobody could write meanwhile without failing.
    """
    if kind in _FEW:
        made, broken = _few(store, kind)
        for keys in _slices([*made, *broken]):
            yield page_of(store=store, kind=kind, keys=keys)
        return
    if kind is Kind.PREFERENCE:
        yield from (Page(*each) for each in wanted_preferences(store=store))
        return
    if part is not None and not (part.blocks or part.endings):
        return
    if kind is not Kind.ALIAS:
        rows = _within(part, _wanted(store, kind), "pk", "user_part")
        yield from _pages(kind, rows.values_list(*_COLUMNS[kind], "pk"))
        return
    numbers = _within(part, _wanted(store, kind), "account_id", "e164")
    yield from _pages(kind, numbers.values_list(*_COLUMNS[kind], "pk"))
    former = _within(part, _former(store), "account_id", "user_part")
    yield from _pages(kind, former.values_list(*_FORMER_COLUMNS, "pk"))


def _within(part: Part | None, rows: QuerySet[Any], account: str, user: str) -> QuerySet[Any]:
    """Those of `rows` that are in the part; `account` and `user` name its id and the user part."""
    if part is None:
        return rows
    placed: QuerySet[Any] = rows.alias(block=F(account) / BLOCK, ending=Right(user, ENDING))
    return placed.filter(Q(block__in=part.blocks) | Q(ending__in=part.endings))


def _pages(kind: Kind, rows: QuerySet[Any, Values]) -> Iterator[Page]:
    last = 0
    while values := list(rows.order_by("pk").filter(pk__gt=last)[:PAGE]):
        last = values[-1][-1]
        yield Page(_keys(kind, values), values)


def _slices(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    return (keys[start : start + PAGE] for start in range(0, len(keys), PAGE))


def unwanted_pages(*, store: ConfigStore, kind: Kind, part: Part | None = None) -> Iterator[Page]:
    """Owned keys of `kind` at which nothing should be, or nobody should register, by pages.

    Of a part all of them, where accounts have changed: what is wanted no more has no account.
    """
    if kind is Kind.PREFERENCE:
        for left in unwanted_preferences(store=store):
            yield Page(within_scope(store=store, kind=kind, keys=left), ())
        return
    if kind in _FEW:
        made, broken = _few(store, kind)
        held = OwnedRow.objects.filter(store=store, kind=kind).values_list("key", flat=True)
        gone = [key for key in held if key not in made and key not in broken]
        for some in _slices(gone):
            yield page_of(store=store, kind=kind, keys=some)
        return
    number = Substr(OuterRef("key"), 1, StrIndex(OuterRef("key"), Value("@")) - 1)
    domain = Substr(OuterRef("key"), StrIndex(OuterRef("key"), Value("@")) + 1)
    fitting: dict[Kind, dict[str, Any]] = {
        Kind.SIP_DOMAIN: {"domain": OuterRef("key")},
        Kind.SUBSCRIBER: {"aor": OuterRef("key"), "state__in": _USABLE},
        Kind.ALIAS: {"e164": number, "account__domain__domain": domain},
    }
    wanted = _wanted(store, kind).filter(**fitting[kind])
    owned = OwnedRow.objects.filter(~Exists(wanted), store=store, kind=kind)
    if kind is Kind.ALIAS:
        owned = owned.filter(~Exists(_former(store).filter(aor=OuterRef("key"))))
    if part is not None and not part.blocks:
        if not part.endings:
            return
        user = Substr("key", 1, StrIndex("key", Value("@")) - 1)
        owned = owned.alias(ending=Right(user, ENDING)).filter(ending__in=part.endings)
    keys = owned.order_by("key").values_list("key", flat=True)
    last = ""
    while found := list(keys.filter(key__gt=last)[:PAGE]):
        yield page_of(store=store, kind=kind, keys=found)
        last = found[-1]


def _few(store: ConfigStore, kind: Kind) -> tuple[Mapping[str, Row], Mapping[str, str]]:
    """All rows of a kind of which there are few, by key; and why some cannot be made."""
    if kind is Kind.SETTING:
        return setting_rows(store=store), {}
    if kind is Kind.POOL_SERVER:
        return pool_server_rows(pool_id=store.pool_id), {}
    made = routing_rows(kind=kind)
    return made.rows, made.failed


def fingerprint(row: Row) -> str:
    """A keyed hash of a row: tells whether it changed without keeping its HA1."""
    # No value holds a line break, so no two rows give the same text.
    if isinstance(row, SubscriberRow):
        text = f"{row.key}\n{row.ha1 or ''}"
        if row.ha1b is not None or row.password is not None:
            text = f"{text}\n{row.ha1b}\n{row.password}"
        if row.ha1_sha256 is not None:
            text = f"{text}\nSHA-256\n{row.ha1_sha256}"
        if row.ha1_md5 is not None or row.ha1_sha512t256 is not None:
            text = f"{text}\nothers\n{row.ha1_md5}\n{row.ha1_sha512t256}"
    elif isinstance(row, AliasRow):
        text = f"{row.key}\n{row.user}\n{row.domain}"
    elif isinstance(row, SipDomainRow):
        text = row.domain
    else:
        text = "\n".join(map(str, astuple(row)))
    return keyed_hash(text)


def keyed_hash(text: str) -> str:
    """A hash of 32 hexadecimal digits that only this console can make."""
    keyed = _keyed().copy()
    keyed.update(text.encode())
    return keyed.hexdigest()


@cache
def _keyed() -> hashlib.blake2b:
    key = hashlib.sha256(b"rtcadmin fingerprint" + settings.SECRET_KEY.encode()).digest()
    return hashlib.blake2b(key=key, digest_size=16)


# What rows are made of. A SIP domain is looked up by its id: cheaper than a join.
_COLUMNS: Mapping[Kind, Sequence[str]] = {
    Kind.SIP_DOMAIN: ("domain",),
    Kind.SUBSCRIBER: (
        "user_part", "domain_id", "state", "credential__uid", "credential__auth_user",
        "credential__sealed_secret", "credential__sealed_import",
    ),
    Kind.ALIAS: ("e164", "own_domain", "account__user_part", "account__domain_id"),
}  # fmt: skip
# The same of an old SIP URI that leads on.
_FORMER_COLUMNS = ("user_part", "domain_id", "account__user_part", "account__domain_id")


def _wanted(store: ConfigStore, kind: Kind) -> QuerySet[Any, Any]:
    """The objects that have a row of `kind` at `store`, within its managed scope."""
    if kind is Kind.SIP_DOMAIN:
        return narrow_domains(store, SipDomain.objects.all())
    if kind is Kind.SUBSCRIBER:
        accounts = Account.objects.filter(pool_id=store.pool_id, state__in=_ON_SERVER)
        return narrow(store, kind, accounts)
    numbers = Number.objects.filter(account__pool_id=store.pool_id, account__state__in=_ON_SERVER)
    numbers = narrow(store, kind, numbers, "account__")
    return numbers.annotate(own_domain=F("account__domain_id"))


def _former(store: ConfigStore) -> QuerySet[Alias]:
    """The old SIP URIs that lead to accounts of the store, within its managed scope."""
    rows = Alias.objects.filter(account__pool_id=store.pool_id, account__state__in=_ON_SERVER)
    if store.scope.domains:
        rows = rows.filter(domain__in=list(store.scope.domains))
    return narrow(store, Kind.ALIAS, rows, "account__")


def _keys(kind: Kind, values: Sequence[Values]) -> list[str]:
    if kind is Kind.SIP_DOMAIN:
        return [domain for domain, *_ in values]
    domains = _domains()
    return [f"{user}@{domains[domain_id]}" for user, domain_id, *_ in values]


def _domains() -> dict[int, str]:
    return dict(SipDomain.objects.values_list("pk", "domain"))
