"""Runs over many accounts go in stages: what one has just marked in the outbox is held back.

Whoever loses service loses it at once: only rows that somebody may register with are held back,
and the old ones of accounts that are renamed, which serve them meanwhile.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from django.db.models import QuerySet

from provisioning.core.states import MEANINGS
from provisioning.drivers.base import Kind
from provisioning.models import (
    Account,
    ConfigStore,
    Number,
    PendingChange,
    PlannedChange,
    Rollout,
    Run,
    ServerPool,
)
from provisioning.services.actor import Actor
from provisioning.services.bulk import among
from provisioning.services.push import outbox
from provisioning.services.rollouts.staging import gathering, grow, stages_by_store

_USABLE = [state.value for state, meaning in MEANINGS.items() if meaning.usable]

Keys = Mapping[Kind, Sequence[str]]


def hold_back(*, run: Run, changes: QuerySet[PlannedChange], keys: Keys) -> None:
    """Hold back what `changes` of a run marked as `keys`, in the transaction that marked it.

    Nothing happens where no pool has stages for a run of that size.
    """
    pools = ServerPool.objects.filter(
        staged=True, stage_from__lt=_size(run), stores__mode=ConfigStore.Mode.MANAGE
    )
    for pool in pools.distinct().order_by("pk"):
        _Held(run, pool, changes.filter(kind="account"), keys).hold()


def _size(run: Run) -> int:
    """How many accounts a run changes."""
    counted = ("create", "update", "held") if run.approved_at else ("create", "update")
    return sum(run.counts.get(f"account.{name}", 0) for name in counted)


class _Held:
    """What one window of a run holds back of one pool."""

    def __init__(
        self, run: Run, pool: ServerPool, changes: QuerySet[PlannedChange], keys: Keys
    ) -> None:
        self.pool, self.changes, self.keys = pool, changes, keys
        stores = ConfigStore.objects.filter(pool=pool, mode=ConfigStore.Mode.MANAGE)
        self.stores = list(stores.order_by("pk").values_list("pk", flat=True))
        user = run.approved_by or run.requested_by
        self.actor = Actor.of(user) if user else Actor(str(run))
        self.run = run

    def hold(self) -> None:
        """Find the rows, and give each its stage."""
        aors = self.keys.get(Kind.SUBSCRIBER, ())
        whole = PendingChange.ALL in aors
        if whole:
            # They are part of what is compared, and cannot wait for it.
            outbox.mark_each(
                store_ids=self.stores, kind=Kind.SUBSCRIBER, keys=self._losing_service()
            )
            held = self._new_ones()
        else:
            held = self._to_hold(aors)
        if not held and not whole:
            return
        rollout = gathering(
            pool_id=self.pool.pk, what=Rollout.What.ACCOUNTS, actor=self.actor, about=str(self.run)
        )
        Rollout.objects.filter(pk=rollout.pk).update(run=self.run)
        stages = list(rollout.stages.values_list("pk", flat=True))
        if len(self.stores) == 1:
            self._by_batches(rollout, stages, held, whole=whole)
        else:
            self._by_store(rollout, stages, held, whole=whole)

    def _by_store(
        self, rollout: Rollout, stages: Sequence[int], held: Sequence[str], *, whole: bool
    ) -> None:
        """The first store, then the others."""
        keys = [PendingChange.ALL] if whole else held
        aliases = self.keys.get(Kind.ALIAS, ())
        planned = stages_by_store(rollout)
        for store_id in self.stores:
            stage = planned.get(store_id, stages[-1])
            self._put(rollout, store_id, Kind.SUBSCRIBER, keys, stage)
            self._put(rollout, store_id, Kind.ALIAS, aliases, stage)

    def _by_batches(
        self, rollout: Rollout, stages: Sequence[int], held: Sequence[str], *, whole: bool
    ) -> None:
        """One account, a batch, the rest; a further window of the run is part of the rest."""
        (store_id,), last = self.stores, stages[-1]
        begun = PendingChange.objects.filter(stage__in=stages[:-1]).exists()
        batch = 0 if begun else self.pool.batch_size
        first = [] if begun else held[:1]
        second = held[len(first) : len(first) + batch]
        for stage, aors in zip(stages[:-1], (first, second), strict=True):
            numbers = _alias_keys(aors)
            if whole:
                outbox.mark_each(store_ids=[store_id], kind=Kind.SUBSCRIBER, keys=aors, stage=stage)
                outbox.mark_each(store_ids=[store_id], kind=Kind.ALIAS, keys=numbers, stage=stage)
            self._put(rollout, store_id, Kind.SUBSCRIBER, aors, stage)
            self._put(rollout, store_id, Kind.ALIAS, numbers, stage)
        early = {*first, *second}
        rest = [PendingChange.ALL] if whole else [aor for aor in held if aor not in early]
        self._put(rollout, store_id, Kind.SUBSCRIBER, rest, last)
        put = set() if whole else set(_alias_keys(early))
        aliases = [key for key in self.keys.get(Kind.ALIAS, ()) if key not in put]
        self._put(rollout, store_id, Kind.ALIAS, aliases, last)

    def _put(
        self, rollout: Rollout, store_id: int, kind: Kind, keys: Sequence[str], stage: int
    ) -> None:
        """Give rows that were marked just now their stage."""
        rows = PendingChange.objects.filter(store=store_id, kind=kind, key__in=among(keys))
        if rows.update(stage_id=stage):
            grow(rollout, [store_id], kind, keys)

    def _to_hold(self, aors: Sequence[str]) -> list[str]:
        usable = Account.objects.filter(aor__in=among(aors), state__in=_USABLE)
        here = usable.filter(pool=self.pool).values_list("aor", flat=True)
        held = {*here, *self._renamed(usable)}
        return [aor for aor in aors if aor in held]

    def _renamed(self, usable: QuerySet[Account]) -> Collection[str]:
        """The old addresses of those that have another one now and may still register."""
        renames = self.changes.filter(
            action="update", after__has_key="aor", before__has_key="aor"
        ).values_list("before__aor", "after__aor")
        now = set(usable.values_list("aor", flat=True))
        return {old for old, new in renames if new in now}

    def _losing_service(self) -> list[str]:
        out = self.changes.filter(action="update", after__has_key="state")
        theirs = Account.objects.filter(
            person__source_id__in=out.values("source_id"), person__guid__in=out.values("subject")
        )
        return list(theirs.exclude(state__in=_USABLE).values_list("aor", flat=True))

    def _new_ones(self) -> list[str]:
        """Some accounts that the run creates here: those that are tried first."""
        created = self.changes.filter(action="create", pool_id=self.pool.pk)
        usable = created.filter(after__state__in=_USABLE).order_by("ordinal")
        return list(usable.values_list("after__aor", flat=True)[: self.pool.batch_size + 1])


def _alias_keys(aors: Collection[str]) -> list[str]:
    rows = Number.objects.filter(account__aor__in=among(aors), account__state__in=_USABLE)
    return [
        outbox.alias_key(number, aor.partition("@")[2])
        for number, aor in rows.values_list("e164", "account__aor")
    ]
