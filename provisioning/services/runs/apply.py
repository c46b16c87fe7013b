"""Applying a plan: in short transactions, resumable after any of them, outbox included."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby, pairwise
from operator import attrgetter
from typing import Any

import structlog
from django.db import IntegrityError, OperationalError, transaction
from django.db.models import Count, Max, Min, QuerySet, TextField
from django.db.models.functions import Cast, Length

from provisioning.models import PlannedChange, Run
from provisioning.services import bulk
from provisioning.services.accounts.asked import ask_about
from provisioning.services.accounts.rehires import offer_rehires
from provisioning.services.numbers.numbers import end_of_quarantine
from provisioning.services.rollouts.of_runs import hold_back
from provisioning.services.runs.apply_accounts import Keys, apply_accounts, mark_pushes
from provisioning.services.runs.apply_groups import apply_groups
from provisioning.services.runs.apply_people import apply_people, keep_conflicts, settle_conflicts
from provisioning.services.runs.apply_renames import find_circles, keep_proposals
from provisioning.services.runs.lanes import Turn, has_lanes, side_by_side
from provisioning.services.runs.progress import Progress
from provisioning.services.runs.stale_accounts import (
    lock_accounts,
    mark_stale_followers,
    mark_stale_references,
)
from provisioning.services.runs.undo_pins import pin_restored

log = structlog.stdlib.get_logger(__name__)

# Steps of one transaction, and of each where it takes several: SQLite's write lock stays below
# three seconds also on a machine that is busy with other things.
WINDOW = 20_000
_PART = 10_000
# A deadlock, or an account that somebody made at the same moment: look again and go on.
_ATTEMPTS = 3
# A member of a group in the plan's JSON: a GUID, quotes, commas and brackets.
_MEMBER_LENGTH = 45
# What of a plan's counts changes nothing that is there: creations, and what is not applied.
_NEW = {"create", *PlannedChange.Status} - {PlannedChange.Status.PLANNED}


@dataclass(slots=True)
class Outcome:
    """How many rows were applied, by kind and action, and how many were out of date."""

    applied: Counter[str] = field(default_factory=Counter)
    stale: int = 0

    def add(self, planned: Counter[str], applied: Counter[str]) -> None:
        """Count what one transaction found planned, and applied."""
        self.applied += applied
        self.stale += planned.total() - applied.total()


@dataclass(frozen=True, slots=True)
class Window:
    """The ordinals of one transaction; where a plan takes several, also the kind of its rows."""

    first: int
    last: int
    kind: str = ""

    @property
    def steps(self) -> int:
        """What progress counts."""
        return self.last - self.first + 1


class _OutOfDate(Exception):
    """Rows that should be new are not: not what goes side by side with others."""


def apply_plan(*, run: Run, progress: Progress) -> Outcome:
    """Make every planned row of `run` so.

    Rows that became out of date are marked, not forced, and the next sync decides anew. People come
    first, then groups, then accounts with their outbox marks. A plan of up to 20,000 steps is one
    transaction; a larger one is several of 10,000, and a run that was interrupted goes on where it
    stopped.
    """
    windows = list(_windows(run))
    progress.phase(Run.Phase.APPLY, sum(window.steps for window in windows))
    outcome = Outcome()
    for kind, stretch in groupby(windows, attrgetter("kind")):
        waiting = list(stretch)
        if len(waiting) > 1 and _is_new(run, kind) and has_lanes():
            waiting = _apply_side_by_side(run, waiting, progress, outcome)
        for window in waiting:
            _apply_window(run, window, progress, outcome)
            progress.advance(window.steps)
    if run.approved_at is None:  # an approved run kept its conflicts when it was first applied
        told = {name.rpartition(".")[2] for name in run.counts}
        with transaction.atomic():
            if PlannedChange.Status.PROBLEM in told:
                keep_conflicts(run)
            if PlannedChange.Status.PROPOSED in told:
                keep_proposals(run)
            offer_rehires(run=run)
    return outcome


def _windows(run: Run) -> Iterator[Window]:
    """What each transaction takes: a row is a step, and so is each membership.

    A circle of SIP URIs stays in one.
    """
    planned = run.changes.filter(status=PlannedChange.Status.PLANNED, ordinal__gt=run.applied_to)
    ends = planned.values_list("kind").annotate(first=Min("ordinal"), last=Max("ordinal"))
    blocks = [Window(first, last, kind) for kind, first, last in ends.order_by("first")]
    if not blocks:
        return
    whole = Window(blocks[0].first, max(block.last for block in blocks))
    sizes = _sizes(planned.filter(kind="group")) if "group" in {b.kind for b in blocks} else {}
    if whole.steps + sum(size - 1 for size in sizes.values()) <= WINDOW:
        yield whole
        return
    if any(before.last >= after.first for before, after in pairwise(blocks)):
        blocks = [whole]
    most, circles = min(WINDOW, _PART), find_circles(run, planned)
    for block in blocks:
        first, steps, until = block.first, 0, 0
        for ordinal in range(block.first, block.last + 1):
            steps += sizes.get(ordinal, 1)
            until = max(until, circles.get(ordinal, 0))
            if (steps >= most and ordinal >= until) or ordinal == block.last:
                yield Window(first, ordinal, block.kind)
                first, steps = ordinal + 1, 0


def _sizes(groups: QuerySet[PlannedChange]) -> dict[int, int]:
    """The steps of each planned group, by its ordinal."""
    length = Length(Cast("after", TextField()))
    rows = groups.annotate(length=length).values_list("ordinal", "length")
    return {ordinal: 1 + length // _MEMBER_LENGTH for ordinal, length in rows}


def _is_new(run: Run, kind: str) -> bool:
    """Whether the plan has only people or only accounts to create, of this kind."""
    counted = (name.partition(".") for name in run.counts)
    actions = {action for counted_kind, _, action in counted if counted_kind == kind}
    return kind in ("person", "account") and actions <= _NEW


def _apply_side_by_side(
    run: Run, windows: Sequence[Window], progress: Progress, outcome: Outcome
) -> list[Window]:
    """Apply new rows, two windows at a time; the windows that are left when that does not work.

    The rows of one plan have different keys, so that neither waits for the other. Where somebody
    else's row is in the way, or a lock, each window that is left is applied by itself.
    """
    waiting = list(windows)
    works = [partial(_apply_once, run, window, progress) for window in windows]
    try:
        for planned, applied in side_by_side(works):
            outcome.add(planned, applied)
            progress.advance(waiting.pop(0).steps)
    except (IntegrityError, OperationalError, _OutOfDate) as error:
        log.warning("applying one after the other", run=run.pk, reason=str(error))
    return waiting


def _apply_window(run: Run, window: Window, progress: Progress, outcome: Outcome) -> None:
    for attempt in range(1, _ATTEMPTS + 1):
        began = time.perf_counter()
        try:
            planned, applied = _apply_once(run, window, progress, again=attempt > 1)
        except (IntegrityError, OperationalError) as error:
            if attempt == _ATTEMPTS:
                raise
            log.warning("applying again", run=run.pk, attempt=attempt, reason=str(error))
            time.sleep(random.uniform(0.05, 0.2) * attempt)  # noqa: S311
        else:
            milliseconds = round((time.perf_counter() - began) * 1000)
            log.info("applied", run=run.pk, rows=applied.total(), milliseconds=milliseconds)
            outcome.add(planned, applied)
            return


def _apply_once(
    run: Run, part: Window, progress: Progress, turn: Turn | None = None, *, again: bool = False
) -> tuple[Counter[str], Counter[str]]:
    """Apply one window in one transaction; what was planned in it and what was applied.

    `turn` is there where others go on beside it: what all of them write waits for it. `again` is
    whether the database refused it before.
    """
    window = _parameters(run, part)
    with transaction.atomic():
        if turn is None:
            progress.hold()
        else:
            bulk.wait_briefly()
        bulk.commit_lazily()  # the end of the run is durable, and what was lost is applied again
        bulk.postpone_indexing()
        bulk.prefer_indexes()
        planned = applied = _count(run, window)
        stale, pushes = _make_so(run, window, planned, again=again)
        if turn is not None:
            if stale:
                raise _OutOfDate("What should be new is there already.")
            turn()
            progress.hold()
        if stale:
            ask_about(run.changes.filter(status=PlannedChange.Status.STALE))
            applied = _count(run, window)
        mark_pushes(pushes)
        hold_back(
            run=run,
            changes=run.changes.filter(ordinal__range=(part.first, part.last), status="planned"),
            keys=pushes,
        )
        _mark_applied(run, part)
    run.applied_to = part.last
    return planned, applied


def _mark_applied(run: Run, window: Window) -> None:
    Run.objects.filter(pk=run.pk).update(applied_to=window.last)


def _make_so(
    run: Run, window: dict[str, Any], planned: Counter[str], *, again: bool
) -> tuple[bool, Keys]:
    """Apply the rows of one window; whether some were out of date, and what to push."""
    kinds = {name.partition(".")[0] for name in planned}
    pushes: Keys = {}
    stale = again and mark_stale_references(window) > 0
    if "person" in kinds and apply_people(window, planned):
        stale = True
        mark_stale_followers(window)
    if "group" in kinds:
        stale |= apply_groups(run, window)
    if "account" in kinds:
        if planned["account.update"]:
            lock_accounts(window)
        refused, pushes = apply_accounts(window, planned)
        stale |= refused
        if run.undoes is not None:
            pin_restored(run, _rows(run, window))
        if planned["account.resolve"]:
            settle_conflicts(window)
    return stale, pushes


def _parameters(run: Run, window: Window) -> dict[str, Any]:
    """What the statements about a window's rows take."""
    return {
        "run": run.pk,
        "first": window.first,
        "last": window.last,
        "now": bulk.moment(),
        "quarantine": bulk.moment(end_of_quarantine(run)),
        "returning": bulk.moment(end_of_quarantine(run.undoes or run)),
    }


def _count(run: Run, window: dict[str, Any]) -> Counter[str]:
    rows = _rows(run, window).filter(status=PlannedChange.Status.PLANNED)
    counted = rows.values_list("kind", "action").annotate(rows=Count("id"))
    return Counter({f"{kind}.{action}": count for kind, action, count in counted})


def _rows(run: Run, window: dict[str, Any]) -> QuerySet[PlannedChange]:
    return run.changes.filter(ordinal__range=(window["first"], window["last"]))
