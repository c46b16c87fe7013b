"""What has become of one account at each store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.utils import timezone

from provisioning.drivers.base import Kind
from provisioning.models import Account, ConfigStore, Number, OwnedRow, PendingChange
from provisioning.services.push import outbox
from provisioning.services.servers.scope import within_scope


@dataclass(frozen=True, slots=True)
class AtStore:
    """How an account stands at one store, and why; `refused` where somebody has to help."""

    store: ConfigStore
    value: str
    because: str
    refused: bool = False


def find_at_stores(*, account: Account, number: Number | None) -> Iterator[AtStore]:
    """How the account with its number stands at every store, by the store's name."""
    keys = [account.aor, PendingChange.ALL]
    if number is not None:
        keys.append(outbox.alias_key(number.e164, account.aor.partition("@")[2]))
    pending: dict[int, PendingChange] = {}
    # The last one counts: what was given up says more than what waits.
    changes = PendingChange.objects.filter(key__in=keys).select_related("stage__rollout")
    for change in changes.order_by("dead", "marked_at"):
        pending[change.store_id] = change
    written = set(
        OwnedRow.objects.filter(kind=Kind.SUBSCRIBER, key=account.aor)
        .exclude(content="")
        .values_list("store_id", flat=True)
    )
    for store in ConfigStore.objects.order_by("name"):
        here = store.pool_id == account.pool_id
        if here and not within_scope(store=store, kind=Kind.SUBSCRIBER, keys=[account.aor]):
            yield AtStore(store, "not managed", "it lies outside the managed scope of the store")
            continue
        yield _standing(store, pending.get(store.pk), written=store.pk in written)


def _standing(store: ConfigStore, change: PendingChange | None, *, written: bool) -> AtStore:
    if store.mode == ConfigStore.Mode.OBSERVE:
        return AtStore(store, "not written", "the store is observed only")
    if change is not None and (change.dead or change.attempts):
        because = change.problem or "given up after several attempts"
        return AtStore(store, "problem", because, refused=True)
    if change is not None:
        marked = timezone.localtime(change.marked_at)
        waits = change.problem or store.problem or "waits for a push"
        if change.stage is not None and not change.stage.open:
            waits = f"{change.stage.rollout} holds it back until its stage opens"
        return AtStore(store, "pending", f"marked {marked:%-d %b %Y, %H:%M:%S}; {waits}")
    if written:
        return AtStore(store, "applied", "written and read back")
    return AtStore(store, "not there", "nothing was written for this account")
