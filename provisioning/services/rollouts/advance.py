"""What becomes of a rollout by itself: one step at each call, begun where the last one ended.

Everything that it knows is in the database, and who looks after it has a lease in database time:
a worker that is killed is followed by another one.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet, Sum
from django.db.models.functions import Now
from django.utils import timezone

from provisioning.core.errors import Busy, ProvisioningError
from provisioning.models import PendingChange, PushRecord, Rollout, RolloutStage, SipServer
from provisioning.services import leases, wake
from provisioning.services.actor import SCHEDULE
from provisioning.services.console import audit
from provisioning.services.push.activation import STAGED
from provisioning.services.rollouts import gate
from provisioning.services.rollouts.gate import Seen
from provisioning.services.rollouts.putting_back import put_back
from provisioning.services.rollouts.waiting import why_waiting

log = structlog.stdlib.get_logger(__name__)

State, StageState = Rollout.State, RolloutStage.State
_BY_ITSELF = (State.WAITING, State.RUNNING, State.ROLLING_BACK)


def find_unfinished() -> list[int]:
    """Rollouts that may take a step now and that nobody looks after."""
    due = Q(not_before__isnull=True) | Q(not_before__lte=Now())
    rows = Rollout.objects.filter(leases.FREE, due, state__in=_BY_ITSELF)
    return list(rows.order_by("pk").values_list("pk", flat=True))


def advance(*, rollout_id: int) -> None:
    """Take the next step of a rollout, and ask for the one after it; nothing while it is not due.

    A step asks servers, opens or ends a stage, or puts back what was changed.
    """
    owner = leases.new_owner()
    this = Rollout.objects.filter(pk=rollout_id)
    due = this.filter(Q(not_before__isnull=True) | Q(not_before__lte=Now()), state__in=_BY_ITSELF)
    again = leases.until(settings.ROLLOUT_EVERY)
    if not leases.claim(due, owner, settings.ROLLOUT_LEASE, not_before=again):
        return
    try:
        rollout = this.select_related("pool", "run").get()
        _Step(rollout, owner).take()
    finally:
        leases.release(this, owner)
    if this.filter(state__in=_BY_ITSELF).exists():
        wake.rollout(rollout_id=rollout_id, seconds=settings.ROLLOUT_EVERY)


class _Step:
    """One step of one rollout, as long as its lease is ours and nobody changed its state."""

    def __init__(self, rollout: Rollout, owner: str) -> None:
        self.rollout, self.pool, self.owner = rollout, rollout.pool, owner
        self.stages = list(rollout.stages.all())

    def take(self) -> None:
        """Do what comes next."""
        if self._is_superseded() or self._waits():
            return
        if self.rollout.state == State.ROLLING_BACK:
            self._roll_back()
        else:
            self._go_on()

    def _is_superseded(self) -> bool:
        """A rollout that waits and of which nothing is left is over: all went at once, or later."""
        held = PendingChange.objects.filter(stage__in=self.stages)
        if self.rollout.state != State.WAITING or held.exists():
            return False
        self._end(State.CANCELLED, "Nothing of it was left: its changes went another way.")
        return True

    def _waits(self) -> bool:
        """Whether it may not go on now; why is kept, and a stage is watched from then on anew."""
        waits = why_waiting(self.rollout)
        if waits != self.rollout.waits:
            Rollout.objects.filter(pk=self.rollout.pk).update(waits=waits)
        if waits:
            self._under_way().update(since=Now())
        return bool(waits)

    def _go_on(self) -> None:
        stage = next((each for each in self.stages if each.state != StageState.PASSED), None)
        if stage is None:
            self._end(State.DONE, "")
        elif stage.state == StageState.WAITING:
            self._open(stage)
        else:
            self._watch(stage)

    def _open(self, stage: RolloutStage) -> None:
        """Open a stage, unless one of its servers is not well before anything was changed."""
        seen = gate.look(_servers(stage))
        problem = gate.unfit(seen)
        if problem:
            said = f"Nothing was changed yet at this stage. {problem}"
            Rollout.objects.filter(pk=self.rollout.pk).update(waits=said)
            return
        now = timezone.now()
        with transaction.atomic():
            if not self._is_ours():
                return
            marked = PendingChange.objects.filter(stage=stage)
            RolloutStage.objects.filter(pk=stage.pk).update(
                open=True,
                state=StageState.WRITING,
                gate={key: {"before": each.as_json()} for key, each in seen.items()},
                total=max(stage.total, marked.count()),
                failed=0,
                opened_at=now,
                since=Now(),
                ended_at=None,
            )
            Rollout.objects.filter(pk=self.rollout.pk).update(
                state=State.RUNNING, begun_at=self.rollout.begun_at or now, waits=""
            )
            stores = {*stage.stores.values_list("pk", flat=True)}
            stores |= {server.store_id for server in _servers(stage)}
            for store_id in sorted(stores):
                wake.push(store_id=store_id)

    def _watch(self, stage: RolloutStage) -> None:
        """Look at the gate of a stage that is open; go on, wait, or put everything back."""
        before = {key: Seen(**each["before"]) for key, each in stage.gate.items()}
        servers = _servers(stage)
        seen = gate.look(servers)
        failed = _refused(stage).count()
        total = max(stage.total, _written(stage) + failed)
        problem = gate.judge(self.pool, before, seen) or gate.refused_too_many(
            self.pool, failed=failed, total=total
        )
        kept = {
            key: each | ({"now": seen[key].as_json()} if key in seen else {})
            for key, each in stage.gate.items()
        }
        change = {"gate": kept, "failed": failed, "total": total}
        undone = "" if problem else _undone(stage, servers)
        if (
            undone
            and stage.state == StageState.WRITING
            and _lasts(stage, settings.ROLLOUT_PATIENCE)
        ):
            problem = f"It is still not in effect: {undone}"
        with transaction.atomic():
            if not self._is_ours():
                return
            this = RolloutStage.objects.filter(pk=stage.pk)
            this.update(**change)
            if problem:
                begin_roll_back(self.rollout, problem)
            elif stage.state == StageState.WRITING and not undone:
                this.update(state=StageState.WATCHING, since=Now())
            elif stage.state == StageState.WATCHING and _lasts(stage, self.pool.gate_seconds):
                this.update(state=StageState.PASSED, ended_at=timezone.now())
                Rollout.objects.filter(pk=self.rollout.pk).update(not_before=None)

    def _roll_back(self) -> None:
        """Put back what was changed; a store that somebody pushes to is come back to."""
        try:
            said = put_back(self.rollout, renew=self._renew)
        except Busy:
            return
        except ProvisioningError as error:
            waits = f"It cannot be put back yet, and is tried again: {error.message}"
            Rollout.objects.filter(pk=self.rollout.pk).update(waits=waits)
            log.warning("rollout not put back yet", rollout=self.rollout.pk, reason=error.message)
            return
        state = State.CANCELLED if self.rollout.cancels else State.ROLLED_BACK
        self._end(state, f"{self.rollout.problem} {said}".strip())

    def _end(self, state: Rollout.State, problem: str) -> None:
        with transaction.atomic():
            if not self._is_ours():
                return
            Rollout.objects.filter(pk=self.rollout.pk).update(
                state=state, problem=problem, waits="", ended_at=timezone.now()
            )
            audit.record(
                actor=SCHEDULE,
                action=f"ended as {state.label.lower()}",
                obj=self.rollout,
                detail={"pool": self.pool.name, "what": self.rollout.about}
                | ({"because": problem} if problem else {}),
            )
            others = self.pool.rollouts.filter(state=State.WAITING)
            others.update(not_before=None)
            for pk in others.values_list("pk", flat=True):
                wake.rollout(rollout_id=pk)
        log.info("rollout ended", rollout=self.rollout.pk, state=state, problem=problem)

    def _is_ours(self) -> bool:
        """Whether it still is as it was read; holds it until the end of the transaction."""
        rows = Rollout.objects.select_for_update().filter(
            pk=self.rollout.pk, state=self.rollout.state, lease_owner=self.owner
        )
        return rows.exists()

    def _renew(self) -> None:
        this = Rollout.objects.filter(pk=self.rollout.pk)
        if not leases.renew(this, self.owner, settings.ROLLOUT_LEASE):
            raise Busy("Another worker looks after this rollout now.")

    def _under_way(self) -> QuerySet[RolloutStage]:
        under_way = (StageState.WRITING, StageState.WATCHING)
        return RolloutStage.objects.filter(rollout=self.rollout, state__in=under_way)


def begin_roll_back(rollout: Rollout, problem: str) -> None:
    """Close every stage and have what was changed put back, in the caller's transaction."""
    stages = RolloutStage.objects.filter(rollout=rollout)
    stages.update(open=False)
    under_way = stages.filter(state__in=(StageState.WRITING, StageState.WATCHING))
    under_way.update(state=StageState.FAILED, ended_at=timezone.now())
    # What passed, or was paused amid it, is put back as well: nothing of it is in effect.
    begun = stages.filter(state__in=(StageState.PASSED, StageState.WAITING))
    begun.filter(opened_at__isnull=False).update(state=StageState.PUT_BACK)
    Rollout.objects.filter(pk=rollout.pk).update(
        state=State.ROLLING_BACK, problem=problem, waits="", not_before=None
    )
    log.error("rollout rolls back", rollout=rollout.pk, reason=problem)
    wake.rollout(rollout_id=rollout.pk)


def _lasts(stage: RolloutStage, seconds: float) -> bool:
    """Whether it has been in its state for so long, whatever our clock says."""
    return RolloutStage.objects.filter(pk=stage.pk, since__lte=leases.until(-seconds)).exists()


def _servers(stage: RolloutStage) -> list[SipServer]:
    """Those that the stage watches: in use, and not in maintenance."""
    found = stage.servers.filter(enabled=True).select_related("store", "pool").order_by("name")
    return [server for server in found if not server.in_maintenance]


def _refused(stage: RolloutStage) -> QuerySet[PendingChange]:
    return PendingChange.objects.filter(Q(attempts__gt=0) | Q(dead=True), stage=stage)


def _written(stage: RolloutStage) -> int:
    """How many rows it changed: where everything is compared, its pending change is only one."""
    records = stage.push_records.filter(kind=PushRecord.Kind.PUSH)
    rows = records.aggregate(rows=Sum(F("created") + F("changed") + F("deleted")))["rows"]
    return rows or 0


def _undone(stage: RolloutStage, servers: Sequence[SipServer]) -> str:
    """What of a stage is not in effect yet; empty where everything is."""
    left = PendingChange.objects.filter(stage=stage, attempts=0, dead=False)
    count = left.count()
    if count:
        store = left.select_related("store")[0].store
        said = store.problem or left.exclude(problem="").values_list("problem", flat=True).first()
        return f"{count:,} changes wait for {store}. {said or ''}".strip()
    for server in servers:
        if STAGED.intersection(server.reload_pending):
            return f"{server.name} has not reloaded yet."
    return ""
