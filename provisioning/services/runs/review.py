"""Reviewing held changes: approve all, release some people, discard."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from django.db import transaction
from django.db.models import Max, Q, QuerySet
from django.utils import timezone

from provisioning.core.errors import InvalidInput, Rejected, StalePlan
from provisioning.models import Person, PlannedChange, Run
from provisioning.services import bulk, wake
from provisioning.services.accounts.asked import ask_about
from provisioning.services.accounts.find import find_subjects
from provisioning.services.accounts.proposals import reopen_accepted
from provisioning.services.actor import Actor
from provisioning.services.console import audit
from provisioning.services.push import pause
from provisioning.services.runs.plan import TABLE, digest_of
from provisioning.services.runs.together import whole_people

_HELD = PlannedChange.Status.HELD
_CHUNK = 500
# More of one name are not told apart.
_SEVERAL = 20
_MOVE = f"UPDATE {TABLE} SET status = %s, ordinal = %s WHERE id = %s"  # noqa: S608


def approve_run(*, run: Run, digest: str, actor: Actor) -> None:
    """Apply everything that `run` holds; `digest` is what the approver saw.

    Raises StalePlan when the held changes are not those any more.
    """
    with transaction.atomic():
        run = _waiting(run, digest)
        _require_no_pause(run)
        count = _plan_again(run, run.changes.filter(status=_HELD))
        _go_on(run, actor)
        audit.record(
            actor=actor, action="approved", obj=run, detail={"changes": count, "digest": digest}
        )


def release_people(*, run: Run, digest: str, subjects: Collection[str], actor: Actor) -> None:
    """Apply what `run` holds for these people or groups (GUIDs) only; the rest goes on waiting."""
    with transaction.atomic():
        run = _waiting(run, digest)
        _require_no_pause(run)
        names = _release(run, sorted(whole_people(run, subjects)))
        if not names:
            raise InvalidInput(
                "Nobody was chosen. Nothing was changed; choose people and try again."
            )
        run.digest = digest_of(run, _HELD)
        run.save(update_fields=["digest"])
        _go_on(run, actor)
        audit.record(
            actor=actor,
            action="released",
            obj=run,
            detail={"people": sorted(names)[:100], "count": len(names)},
        )


def find_held(*, run: Run, text: str) -> tuple[str, str]:
    """The person or group that `text` names among those whom `run` holds: GUID and name.

    `text` is a name, a GUID, or what finds a person: user name, SIP URI or number. Raises
    InvalidInput where that is nobody who waits, or several.
    """
    held = run.changes.filter(status=_HELD)
    named = held.filter(Q(name__iexact=text.strip()) | Q(subject=text.strip()))
    found = dict(named.values_list("subject", "name").distinct()[:_SEVERAL])
    if not found:
        people = [each for each in find_subjects(text=text) if isinstance(each, Person)]
        guids = {
            guid for each in people for guid in (each.guid, each.same_as and each.same_as.guid)
        }
        found = dict(held.filter(subject__in=guids - {None}).values_list("subject", "name"))
    if len(found) != 1:
        said = f"names {len(found)} of those who wait in" if found else "does not wait in"
        raise InvalidInput(
            f"“{text[:80]}” {said} {run}. Nothing was changed; give a user name or GUID that does."
        )
    return found.popitem()


def _release(run: Run, subjects: Sequence[str]) -> set[str]:
    """Plan what is held for `subjects` again; returns their names."""
    names: set[str] = set()
    for start in range(0, len(subjects), _CHUNK):
        chosen = run.changes.filter(status=_HELD, subject__in=subjects[start : start + _CHUNK])
        names |= set(chosen.values_list("name", flat=True))
        _plan_again(run, chosen)
    return names


def _plan_again(run: Run, held: QuerySet[PlannedChange]) -> int:
    """Put held changes behind the end of the plan, for what comes before is applied; how many."""
    last = run.changes.aggregate(last=Max("ordinal"))["last"] or 0
    ids = list(held.order_by("ordinal").values_list("id", flat=True))
    moved = [(PlannedChange.Status.PLANNED, last + n, id_) for n, id_ in enumerate(ids, start=1)]
    bulk.execute_many(_MOVE, moved)
    return len(ids)


def discard_run(*, run: Run, actor: Actor) -> None:
    """Do not apply what `run` holds; the next sync plans it again while the directory says so."""
    with transaction.atomic():
        run = _waiting(run, run.digest)
        held = run.changes.filter(status=_HELD)
        ask_about(held)
        count = held.update(status=PlannedChange.Status.DISCARDED)
        if run.kind == Run.Kind.RENAMES:
            reopen_accepted()
        run.state = Run.State.DONE
        run.save(update_fields=["state"])
        audit.record(actor=actor, action="discarded", obj=run, detail={"changes": count})


def _waiting(run: Run, digest: str) -> Run:
    run = Run.objects.select_for_update().get(pk=run.pk)
    if run.state != Run.State.WAITING or run.digest != digest:
        raise StalePlan(
            "These changes are not waiting any more: a newer run replaced them or somebody else "
            "decided. Nothing was changed; look at the latest run."
        )
    return run


def _require_no_pause(run: Run) -> None:
    """What a write-back approved during a pause would be given up: raises Rejected instead."""
    if run.kind == Run.Kind.WRITE_BACK and pause.is_paused():
        raise Rejected("Pushes are paused, so nothing is written. Approve it when they go on.")


def _go_on(run: Run, actor: Actor) -> None:
    run.state, run.phase = Run.State.RUNNING, Run.Phase.APPLY
    run.approved_by, run.approved_at = actor.user, timezone.now()
    run.finished_at = None
    run.lease_until, run.lease_owner = None, ""
    run.save(
        update_fields=[
            "state", "phase", "approved_by", "approved_at", "finished_at", "lease_until",
            "lease_owner",
        ]
    )  # fmt: skip
    wake.run(run_id=run.pk)
