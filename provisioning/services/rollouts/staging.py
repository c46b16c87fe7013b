"""Which changes go in stages: they are marked in the outbox as ever, and held back by a rollout."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence

from django.utils import timezone

from provisioning.drivers.base import Kind
from provisioning.models import ConfigStore, Rollout, RolloutStage, ServerPool, SipServer
from provisioning.services import wake
from provisioning.services.actor import Actor
from provisioning.services.push import outbox
from provisioning.services.rollouts.order import in_order

# A stage as it is going to be: its name, the stores that it writes, the servers that it watches.
Planned = tuple[str, Sequence[ConfigStore], Sequence[SipServer]]
# A store with its servers, the first of them first.
Ordered = tuple[ConfigStore, Sequence[SipServer]]
_ABOUT = 300


def mark_configuration(
    *, store_ids: Sequence[int], kind: Kind, keys: Sequence[str], actor: Actor, about: str
) -> None:
    """Ask for `keys` of settings or routes as `outbox.mark` does, in stages where a pool has them.

    `about` says what was changed, for whoever looks at the rollout.
    """
    if not keys:
        return
    stores = list(ConfigStore.objects.filter(pk__in=store_ids).select_related("pool"))
    at_once = [store.pk for store in stores if not store.pool.staged]
    outbox.mark(store_ids=sorted(at_once), kind=kind, keys=keys)
    pools: dict[int, list[ConfigStore]] = {}
    for store in stores:
        if store.pool.staged:
            pools.setdefault(store.pool_id, []).append(store)
    for pool_id, mine in sorted(pools.items()):
        rollout = gathering(
            pool_id=pool_id, what=Rollout.What.CONFIGURATION, actor=actor, about=about
        )
        stages = stages_by_store(rollout)
        by_stage: dict[int, list[int]] = {}
        for store in sorted(mine, key=lambda each: each.pk):
            stage = stages.get(store.pk) or _join_last(rollout, store)
            by_stage.setdefault(stage, []).append(store.pk)
        for stage, ids in sorted(by_stage.items()):
            outbox.mark(store_ids=ids, kind=kind, keys=keys, stage=stage)
            grow(rollout, ids, kind, keys)


def gathering(*, pool_id: int, what: Rollout.What, actor: Actor, about: str) -> Rollout:
    """The rollout of a pool that waits, or a new one: a change joins it in the same transaction."""
    pool = ServerPool.objects.select_for_update().get(pk=pool_id)
    waiting = Rollout.objects.select_for_update(of=("self",)).filter(
        pool=pool, what=what, state=Rollout.State.WAITING, begun_at=None
    )
    rollout = waiting.order_by("-pk").first()
    if rollout is None:
        rollout = Rollout.objects.create(
            pool=pool,
            what=what,
            about=about[:_ABOUT],
            asked=pool.needs_approval,
            created_at=timezone.now(),
        )
        _plan(rollout)
    else:
        rollout.asked |= pool.needs_approval
        if about not in rollout.about:
            rollout.about = f"{rollout.about}; {about}"[:_ABOUT]
        rollout.save(update_fields=["about", "asked"])
    if actor.user is not None:
        rollout.authors.add(actor.user)
    wake.rollout(rollout_id=rollout.pk)
    return rollout


def grow(rollout: Rollout, store_ids: Sequence[int], kind: Kind, keys: Sequence[str]) -> None:
    """Let the digest follow from one more change: an approval of before was of something else."""
    stores = " ".join(map(str, store_ids))
    text = "\n".join([rollout.digest, timezone.now().isoformat(), stores, kind, *keys])
    rollout.digest = hashlib.sha256(text.encode()).hexdigest()
    rollout.save(update_fields=["digest"])


def stages_by_store(rollout: Rollout) -> Mapping[int, int]:
    """The stage in which each store is first written, by the store's id."""
    found: dict[int, int] = {}
    for stage in rollout.stages.prefetch_related("stores"):
        for store in stage.stores.all():
            found.setdefault(store.pk, stage.pk)
    return found


def _join_last(rollout: Rollout, store: ConfigStore) -> int:
    """Let a store that came after the stages were planned go with the last one."""
    last = rollout.stages.reverse()[0]
    last.stores.add(store)
    last.servers.add(*store.servers.filter(enabled=True))
    return last.pk


def _plan(rollout: Rollout) -> None:
    """Keep the stages of a new rollout."""
    stores = in_order(rollout.pool)
    if rollout.what == Rollout.What.CONFIGURATION:
        planned = _by_server(stores)
    elif len(stores) == 1:
        planned = _by_batch(*stores[0], rollout.pool.batch_size)
    else:
        planned = _by_store(stores)
    for ordinal, (name, written, watched) in enumerate(planned, 1):
        stage = RolloutStage.objects.create(rollout=rollout, ordinal=ordinal, name=name[:200])
        stage.stores.set(written)
        stage.servers.set(watched)


def _by_batch(store: ConfigStore, servers: Sequence[SipServer], size: int) -> Iterator[Planned]:
    """One account, a batch, the rest: where all servers read the same store."""
    for name in ("One account", f"{size:,} accounts", "The rest"):
        yield name, [store], servers


def _by_store(stores: Sequence[Ordered]) -> Iterator[Planned]:
    """The first store with all of its servers, then the rest."""
    (first, mine), *rest = stores
    yield _named(mine, first), [first], mine
    yield _rest(rest)


def _by_server(stores: Sequence[Ordered]) -> Iterator[Planned]:
    """The first store with its first server, each further server that reads it, then the rest."""
    (first, mine), *rest = stores
    yield _named(mine[:1], first), [first], mine[:1]
    for server in mine[1:]:
        yield server.name, [], [server]
    if rest:
        yield _rest(rest)


def _rest(stores: Sequence[Ordered]) -> Planned:
    watched = [server for _, servers in stores for server in servers]
    return _named(watched, stores[0][0]), [store for store, _ in stores], watched


def _named(servers: Sequence[SipServer], store: ConfigStore) -> str:
    """What a stage of some servers is called; by its store where there are none."""
    if not servers:
        return store.name
    return servers[0].name if len(servers) == 1 else f"{len(servers)} servers"
