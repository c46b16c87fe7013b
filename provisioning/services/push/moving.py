"""Accounts that move between home pools: taken from the old one once the new one serves them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from django.db.models import Q

from provisioning.core.states import MEANINGS
from provisioning.drivers.base import Kind
from provisioning.models import (
    Account,
    ConfigStore,
    Number,
    OwnedRow,
    PendingChange,
    SipServer,
)
from provisioning.services import wake
from provisioning.services.bulk import among
from provisioning.services.push.outbox import preference_keys
from provisioning.services.servers.scope import within_scope

_USABLE = [state.value for state, meaning in MEANINGS.items() if meaning.usable]
# What goes with an account to its pool.
_MOVING = (Kind.SUBSCRIBER, Kind.ALIAS)


def not_yet_served(*, store: ConfigStore, kind: Kind, keys: Collection[str]) -> dict[str, str]:
    """Those of `keys`, at which nothing should stand here any more, that their new pool lacks.

    Each with the reason. Only of accounts that may register: whoever lost service loses it at once.
    """
    if kind is Kind.PREFERENCE:
        return _with_their_accounts(store, keys)
    if kind not in _MOVING or not keys:
        return {}
    pools = _new_pools(store, kind, keys)
    missing: dict[str, str] = {}
    for pool in set(pools.values()):
        here = [key for key, home in pools.items() if home == pool]
        missing |= _missing(pool, kind, here)
    return missing


def tell_others(*, store: ConfigStore, done: Iterable[tuple[Kind, str]]) -> None:
    """Let other stores go on that waited for what is served here now, in the caller's transaction.

    A key of `*` stands for everything of its kind. What an account has for settings follows it.
    """
    keys: dict[Kind, list[str]] = {kind: [] for kind in _MOVING}
    for kind, key in done:
        if kind in keys:
            keys[kind].append(key)
    aors = keys[Kind.SUBSCRIBER]
    everybody = PendingChange.ALL in aors
    keys[Kind.PREFERENCE] = [PendingChange.ALL] if everybody else preference_keys(aors)
    chosen = Q()
    for kind, some in keys.items():
        if PendingChange.ALL in some:
            chosen |= Q(kind=kind)
        elif some:
            chosen |= Q(kind=kind, key__in=among(some))
    if not chosen:
        return
    waiting = PendingChange.objects.filter(
        chosen, dead=False, attempts=0, not_before__isnull=False
    ).exclude(store=store)
    stores = list(waiting.order_by("store_id").values_list("store_id", flat=True).distinct())
    if stores:
        waiting.update(not_before=None)
        for store_id in stores:
            wake.push(store_id=store_id)


def _with_their_accounts(store: ConfigStore, keys: Collection[str]) -> dict[str, str]:
    """What an account has for settings goes when the account itself goes."""
    aors = {key: key.partition("/")[2] for key in keys}
    kept = not_yet_served(store=store, kind=Kind.SUBSCRIBER, keys=set(aors.values()))
    return {key: kept[aor] for key, aor in aors.items() if aor in kept}


def _new_pools(store: ConfigStore, kind: Kind, keys: Collection[str]) -> dict[str, int]:
    """The pool of each key whose account may register and is homed elsewhere."""
    if kind is Kind.SUBSCRIBER:
        moved = Account.objects.filter(aor__in=among(keys), state__in=_USABLE)
        return dict(moved.exclude(pool_id=store.pool_id).values_list("aor", "pool_id"))
    numbers = {key.partition("@")[0] for key in keys}
    found = Number.objects.filter(e164__in=among(numbers), account__state__in=_USABLE)
    found = found.exclude(account__pool_id=store.pool_id)
    rows = found.values_list("e164", "account__domain__domain", "account__pool_id")
    chosen = set(keys)
    pools = {f"{number}@{domain}": pool for number, domain, pool in rows}
    return {key: pool for key, pool in pools.items() if key in chosen}


def _missing(pool: int, kind: Kind, keys: Sequence[str]) -> dict[str, str]:
    stores = list(ConfigStore.objects.filter(pool=pool).order_by("name").select_related("pool"))
    managed = [each for each in stores if each.mode == ConfigStore.Mode.MANAGE]
    missing: dict[str, str] = {}
    cared_for: set[str] = set()
    for each in managed:
        within = within_scope(store=each, kind=kind, keys=keys)
        cared_for |= set(within)
        served = _served(each, kind, within)
        missing |= {
            key: f"It stays here until {each} serves it, its new home." for key in within
            if key not in served
        }  # fmt: skip
    named = stores[0].pool if stores else "its new pool"
    reason = (
        f"It stays here: no store that the console manages serves it at {named}. Manage one there, "
        "or home the account elsewhere."
    )
    return dict.fromkeys((key for key in keys if key not in cared_for), reason) | missing


def _served(store: ConfigStore, kind: Kind, keys: Sequence[str]) -> Mapping[str, str]:
    """Those of `keys` that were written at `store`, read back, and activated."""
    pending = PendingChange.objects.filter(store=store, kind=kind)
    if pending.filter(key=PendingChange.ALL).exists():
        return {}
    if any(
        kind.value in reloads
        for reloads in SipServer.objects.filter(store=store, enabled=True).values_list(
            "reload_pending", flat=True
        )
    ):
        return {}
    owned = OwnedRow.objects.filter(store=store, kind=kind, key__in=among(keys))
    rows = dict(owned.exclude(content="").values_list("key", "content"))
    for key in pending.filter(key__in=among(keys)).values_list("key", flat=True):
        rows.pop(key, None)
    return rows
