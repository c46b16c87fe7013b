"""The outbox: marking what must be pushed, in the same transaction as the change itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from provisioning.core.settings.catalogue import CATALOGUE
from provisioning.core.settings.setting import Family, SettingScope
from provisioning.drivers.base import Kind
from provisioning.drivers.setting_rows import CALLER_SITE, preference_key
from provisioning.models import (
    Account,
    Alias,
    ConfigStore,
    Number,
    OwnedRow,
    PendingChange,
    SettingValue,
    SipDomain,
    StoreProof,
)
from provisioning.services import bulk, wake
from provisioning.services.bulk import among
from provisioning.services.routing.desired_routing import sites_that_dial

# Above so many keys of one kind the whole kind is compared instead: one row, one pass.
BULK = 500

_OF_ACCOUNTS = [key for key, each in CATALOGUE.items() if each.family is Family.ACCOUNT]

DUE = Q(not_before__isnull=True) | Q(not_before__lte=Now())
"""A pending change or a store that does not wait after a failure."""

HELD = Q(stage__open=False)
"""A pending change that is held back until the stage of its rollout opens."""

RELEASED = Q(stage__isnull=True) | Q(stage__open=True)
"""A pending change that may be pushed, as far as rollouts are concerned."""

_UPSERT = """
INSERT INTO provisioning_pendingchange
    (store_id, kind, key, version, attempts, not_before, dead, problem, marked_at, stage_id)
VALUES (%s, %s, %s, 1, 0, NULL, FALSE, '', %s, %s)
ON CONFLICT (store_id, kind, key) DO UPDATE SET
    version = provisioning_pendingchange.version + 1, attempts = 0, not_before = NULL, dead = FALSE,
    problem = '', marked_at = excluded.marked_at,
    stage_id = CASE
        WHEN excluded.stage_id IS NULL AND excluded.key = '*'
            THEN provisioning_pendingchange.stage_id
        WHEN provisioning_pendingchange.stage_id IS NULL AND NOT provisioning_pendingchange.dead
            THEN NULL
        ELSE excluded.stage_id END
"""


def mark(
    *, store_ids: Iterable[int], kind: Kind, keys: Sequence[str], stage: int | None = None
) -> None:
    """Ask for `keys` of `kind` to be made as intended at each store; many keys become one `*`.

    Call inside the transaction that makes the change. A worker is woken after commit. With a
    `stage` they are held back until it opens: what was held back by an earlier one is its now, but
    what is on its way goes on. Without, what was held back goes at once; only a whole kind waits.
    """
    wanted = [PendingChange.ALL] if len(keys) > BULK else keys
    mark_each(store_ids=store_ids, kind=kind, keys=wanted, stage=stage)


def mark_each(
    *, store_ids: Iterable[int], kind: Kind, keys: Sequence[str], stage: int | None = None
) -> None:
    """The same, but each key by itself however many there are."""
    if not keys:
        return
    # In one order, so that two transactions that mark the same keys never wait for each other.
    stores, wanted, now = list(store_ids), sorted(set(keys)), bulk.moment()
    rows = [(store_id, kind.value, key, now, stage) for store_id in stores for key in wanted]
    bulk.execute_many(_UPSERT, rows)
    for store_id in stores:
        wake.push(store_id=store_id)


def mark_concerned(*, kind: Kind, keys: Sequence[str]) -> None:
    """Ask for `keys` of accounts' subscribers or aliases at every managed store that they concern.

    What asks for a subscriber asks for the settings of the account too. Call after the change. With
    50 stores an account concerns one of them, or two where it moves; to ask all of them takes as
    many rows and messages.
    """
    stores = manageable_stores()
    if len(stores) < 2 or len(keys) > BULK or PendingChange.ALL in keys:
        mark(store_ids=stores, kind=kind, keys=keys)
    elif keys:
        for store_id, own in _concerned(kind, keys).items():
            mark_each(store_ids=[store_id], kind=kind, keys=own)
    if kind is Kind.SUBSCRIBER and keys:
        mark_preferences(aors=keys)


def mark_preferences(*, aors: Sequence[str]) -> None:
    """Ask for the settings of addresses-of-record (`*`: of all), where any account has some."""
    own = SettingValue.objects.filter(key__in=_OF_ACCOUNTS).exclude(scope=SettingScope.GLOBAL)
    held = OwnedRow.objects.filter(kind=Kind.PREFERENCE)
    if own.exists() or sites_that_dial().exists() or held.exists():
        whole = PendingChange.ALL in aors or len(aors) * len(_OF_ACCOUNTS) > BULK
        keys = [PendingChange.ALL] if whole else preference_keys(aors)
        mark_concerned(kind=Kind.PREFERENCE, keys=keys)


def preference_keys(aors: Iterable[str]) -> list[str]:
    """The keys at which addresses-of-record may have settings of their own."""
    return [preference_key(key, aor) for aor in aors for key in (*_OF_ACCOUNTS, CALLER_SITE)]


def _concerned(kind: Kind, keys: Sequence[str]) -> dict[int, list[str]]:
    """The keys that each managed store should have, has, or may be about to get.

    What is pending is asked first: a push notes a row as the console's before it stops to be
    pending, so none is missed between.
    """
    managed = ConfigStore.objects.filter(mode=ConfigStore.Mode.MANAGE)
    pools = dict(managed.order_by("id").values_list("id", "pool_id"))
    here = among(keys)
    pending = PendingChange.objects.filter(Q(key=PendingChange.ALL) | Q(key__in=here), kind=kind)
    found = set(pending.values_list("store_id", "key"))
    owned = OwnedRow.objects.filter(store_id__in=list(pools), kind=kind, key__in=here)
    found.update(owned.values_list("store_id", "key"))
    homes = _homes(kind, keys)
    concerned = {
        store_id: [
            key
            for key in keys
            if pool_id in homes.get(key, ())
            or (store_id, key) in found
            or (store_id, PendingChange.ALL) in found
        ]
        for store_id, pool_id in pools.items()
    }
    return {store_id: own for store_id, own in concerned.items() if own}


def _homes(kind: Kind, keys: Sequence[str]) -> dict[str, set[int]]:
    """The home pools of the accounts that each key belongs to."""
    homes: dict[str, set[int]] = {}
    if kind is Kind.PREFERENCE:
        of_aors = _homes(Kind.SUBSCRIBER, [key.partition("/")[2] for key in keys])
        return {key: of_aors.get(key.partition("/")[2], set()) for key in keys}
    if kind is Kind.SUBSCRIBER:
        accounts = Account.objects.filter(aor__in=among(keys)).values_list("aor", "pool_id")
        for aor, pool_id in accounts:
            homes.setdefault(aor, set()).add(pool_id)
        return homes
    former = Alias.objects.filter(aor__in=among(keys)).values_list("aor", "account__pool_id")
    for aor, pool_id in former:
        homes.setdefault(aor, set()).add(pool_id)
    parts = {key: key.partition("@")[0] for key in keys}
    numbers = Number.objects.filter(account__isnull=False, e164__in=among(set(parts.values())))
    pools = dict(numbers.values_list("e164", "account__pool_id"))
    for key, number in parts.items():
        if number in pools:
            homes.setdefault(key, set()).add(pools[number])
    return homes


def mark_account(account: Account, *, former_aor: str = "", numbers: Iterable[str] = ()) -> None:
    """Ask for everything of one account: its subscriber, its aliases, and `numbers` as such.

    `numbers` are E.164, those that it had before among them; `former_aor` names the
    address-of-record that it had before a rename, which may lead on.
    """
    aors = [aor for aor in (account.aor, former_aor) if aor]
    mark_concerned(kind=Kind.SUBSCRIBER, keys=aors)
    domains = {aor.partition("@")[2] for aor in aors}
    aliases = [alias_key(number, domain) for number in numbers if number for domain in domains]
    if former_aor:
        aliases += [*aors, *Alias.objects.filter(account=account).values_list("aor", flat=True)]
    mark_concerned(kind=Kind.ALIAS, keys=aliases)


def mark_domain(domain: SipDomain) -> None:
    """Ask for a SIP domain at every store."""
    mark(store_ids=manageable_stores(), kind=Kind.SIP_DOMAIN, keys=[domain.domain])


def mark_store(store: ConfigStore) -> None:
    """Ask for a full comparison of one store, whatever earlier looks found right."""
    StoreProof.objects.filter(store=store).delete()
    for kind in Kind:
        mark(store_ids=[store.pk], kind=kind, keys=[PendingChange.ALL])


def end_waiting(*, store_id: int) -> None:
    """Make due what waited for a SIP server of the store, and wake a worker.

    What a store or a server refused goes on waiting for its next attempt.
    """
    waiting = PendingChange.objects.filter(store_id=store_id, dead=False, attempts=0)
    waiting.filter(not_before__isnull=False).update(not_before=None)
    wake.push(store_id=store_id)


def pending(*, store_id: int) -> QuerySet[PendingChange]:
    """What may be pushed to a store now."""
    return PendingChange.objects.filter(DUE, RELEASED, store_id=store_id, dead=False)


def held_keys(*, store_id: int, kind: Kind) -> set[str]:
    """The keys of a kind that are held back at a store: whoever compares all leaves them out."""
    rows = PendingChange.objects.filter(HELD, store_id=store_id, kind=kind)
    return set(rows.values_list("key", flat=True))


def manageable_stores() -> list[int]:
    """Ids of the stores that the console writes to."""
    return list(
        ConfigStore.objects.filter(mode=ConfigStore.Mode.MANAGE)
        .order_by("id")
        .values_list("id", flat=True)
    )


def alias_key(number: str, domain: str) -> str:
    """The server-side key of a number."""
    return f"{number}@{domain}"
