"""The outbox: marking what must be pushed, in the same transaction as the change itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from provisioning.drivers.base import Kind
from provisioning.models import Account, Alias, ConfigStore, PendingChange, SipDomain, StoreProof
from provisioning.services import bulk, wake

# Above so many keys of one kind the whole kind is compared instead: one row, one pass.
BULK = 500

DUE = Q(not_before__isnull=True) | Q(not_before__lte=Now())
"""A pending change or a store that does not wait after a failure."""

_UPSERT = """
INSERT INTO provisioning_pendingchange
    (store_id, kind, key, version, attempts, not_before, dead, problem, marked_at)
VALUES (%s, %s, %s, 1, 0, NULL, FALSE, '', %s)
ON CONFLICT (store_id, kind, key) DO UPDATE SET
    version = provisioning_pendingchange.version + 1, attempts = 0, not_before = NULL, dead = FALSE,
    problem = '', marked_at = excluded.marked_at
"""


def mark(*, store_ids: Iterable[int], kind: Kind, keys: Sequence[str]) -> None:
    """Ask for `keys` of `kind` to be made as intended at each store; many keys become one `*`.

    Call inside the transaction that makes the change. A worker is woken after commit.
    """
    wanted = [PendingChange.ALL] if len(keys) > BULK else keys
    mark_each(store_ids=store_ids, kind=kind, keys=wanted)


def mark_each(*, store_ids: Iterable[int], kind: Kind, keys: Sequence[str]) -> None:
    """The same, but each key by itself however many there are."""
    if not keys:
        return
    # In one order, so that two transactions that mark the same keys never wait for each other.
    wanted, now = sorted(set(keys)), bulk.moment()
    for store_id in store_ids:
        bulk.execute_many(_UPSERT, [(store_id, kind.value, key, now) for key in wanted])
        wake.push(store_id=store_id)


def mark_account(account: Account, *, former_aor: str = "", numbers: Iterable[str] = ()) -> None:
    """Ask for everything of one account: its subscriber, its aliases, and `numbers` as such.

    `numbers` are E.164, those that it had before among them; `former_aor` names the
    address-of-record that it had before a rename, which may lead on.
    """
    stores = manageable_stores()
    aors = [aor for aor in (account.aor, former_aor) if aor]
    mark(store_ids=stores, kind=Kind.SUBSCRIBER, keys=aors)
    domains = {aor.partition("@")[2] for aor in aors}
    aliases = [alias_key(number, domain) for number in numbers if number for domain in domains]
    if former_aor:
        aliases += [*aors, *Alias.objects.filter(account=account).values_list("aor", flat=True)]
    mark(store_ids=stores, kind=Kind.ALIAS, keys=aliases)


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
    return PendingChange.objects.filter(DUE, store_id=store_id, dead=False)


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
