"""Applying a plan: in short transactions, resumable after any of them, outbox included."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
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
from provisioning.services.runs.apply_accounts import apply_accounts
from provisioning.services.runs.apply_groups import apply_groups
from provisioning.services.runs.apply_people import apply_people, keep_conflicts, settle_conflicts
from provisioning.services.runs.apply_renames import find_circles, keep_proposals
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


@dataclass(slots=True)
class Outcome:
    """How many rows were applied, by kind and action, and how many were out of date."""

    applied: Counter[str] = field(default_factory=Counter)
    stale: int = 0


def apply_plan(*, run: Run, progress: Progress) -> Outcome:
    """Make every planned row of `run` so.

    Rows that became out of date are marked, not forced, and the next sync decides anew. People come
    first, then groups, then accounts with their outbox marks. A plan of up to 20,000 steps is one
    transaction; a larger one is several of 10,000, and a run that was interrupted goes on where it
    stopped.
    """
    windows = list(_windows(run))
    progress.phase(Run.Phase.APPLY, sum(last - first + 1 for first, last in windows))
    outcome = Outcome()
    for first, last in windows:
        window = {
            "run": run.pk,
            "first": first,
            "last": last,
            "now": bulk.moment(),
            "quarantine": bulk.moment(end_of_quarantine(run)),
            "returning": bulk.moment(end_of_quarantine(run.undoes or run)),
        }
        _apply_window(run, window, progress, outcome)
        progress.advance(last - first + 1)
    if run.approved_at is None:  # an approved run kept its conflicts when it was first applied
        with transaction.atomic():
            keep_conflicts(run)
            keep_proposals(run)
            offer_rehires(run=run)
    return outcome


def _windows(run: Run) -> Iterator[tuple[int, int]]:
    """First and last ordinals of each transaction: a row is a step, and so is each membership.

    A circle of SIP URIs stays in one.
    """
    planned = run.changes.filter(status=PlannedChange.Status.PLANNED, ordinal__gt=run.applied_to)
    ends = planned.aggregate(first=Min("ordinal"), last=Max("ordinal"))
    if ends["first"] is None:
        return
    length = Length(Cast("after", TextField()))
    groups = planned.filter(kind="group").annotate(length=length).values_list("ordinal", "length")
    sizes = {ordinal: 1 + length // _MEMBER_LENGTH for ordinal, length in groups}
    circles = find_circles(run, planned)
    total = ends["last"] - ends["first"] + 1 + sum(size - 1 for size in sizes.values())
    most = WINDOW if total <= WINDOW else min(WINDOW, _PART)
    first, steps, until = ends["first"], 0, 0
    for ordinal in range(first, ends["last"] + 1):
        steps += sizes.get(ordinal, 1)
        until = max(until, circles.get(ordinal, 0))
        if (steps >= most and ordinal >= until) or ordinal == ends["last"]:
            yield first, ordinal
            first, steps = ordinal + 1, 0


def _apply_window(run: Run, window: dict[str, Any], progress: Progress, outcome: Outcome) -> None:
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
            outcome.applied += applied
            outcome.stale += planned.total() - applied.total()
            return


def _apply_once(
    run: Run, window: dict[str, Any], progress: Progress, *, again: bool
) -> tuple[Counter[str], Counter[str]]:
    """Apply one window in one transaction; what was planned in it and what was applied.

    `again` is whether the database refused it before.
    """
    with transaction.atomic():
        progress.hold()
        bulk.commit_lazily()  # the end of the run is durable, and what was lost is applied again
        bulk.postpone_indexing()
        planned = applied = _count(run, window)
        kinds = {name.partition(".")[0] for name in planned}
        stale = again and mark_stale_references(window) > 0
        if "person" in kinds and apply_people(window, planned):
            stale = True
            mark_stale_followers(window)
        if "group" in kinds:
            stale |= apply_groups(run, window)
        if "account" in kinds:
            if planned["account.update"]:
                lock_accounts(window)
            stale |= apply_accounts(window, planned)
            if run.undoes is not None:
                pin_restored(run, _rows(run, window))
            if planned["account.resolve"]:
                settle_conflicts(window)
        if stale:
            ask_about(run.changes.filter(status=PlannedChange.Status.STALE))
            applied = _count(run, window)
        _mark_applied(run, window)
    run.applied_to = window["last"]
    return planned, applied


def _mark_applied(run: Run, window: dict[str, Any]) -> None:
    Run.objects.filter(pk=run.pk).update(applied_to=window["last"])


def _count(run: Run, window: dict[str, Any]) -> Counter[str]:
    rows = _rows(run, window).filter(status=PlannedChange.Status.PLANNED)
    counted = rows.values_list("kind", "action").annotate(rows=Count("id"))
    return Counter({f"{kind}.{action}": count for kind, action, count in counted})


def _rows(run: Run, window: dict[str, Any]) -> QuerySet[PlannedChange]:
    return run.changes.filter(ordinal__range=(window["first"], window["last"]))
