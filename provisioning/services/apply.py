"""Applying a plan: in short transactions, resumable after any of them, outbox included."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import structlog
from django.db import transaction
from django.utils import timezone

from provisioning.core.limits import Category
from provisioning.models import PlannedChange, Run
from provisioning.services import bulk
from provisioning.services.apply_accounts import apply_accounts, mark_stale_accounts
from provisioning.services.apply_people import (
    apply_groups,
    apply_people,
    keep_conflicts,
    mark_stale_people,
)
from provisioning.services.console_users import end_directory_sessions
from provisioning.services.plan import TABLE
from provisioning.services.progress import Progress

log = structlog.stdlib.get_logger(__name__)

# Rows of one transaction: keeps SQLite's write lock well below three seconds.
WINDOW = 20_000
_DEFAULT_GRACE_DAYS = 30
_DONE = f"""
UPDATE {TABLE} SET status = 'applied'
WHERE run_id = %(run)s AND status = 'planned' AND kind IN ('person', 'account')
  AND ordinal BETWEEN %(first)s AND %(last)s
"""  # noqa: S608


def apply_plan(*, run: Run, progress: Progress) -> None:
    """Make every planned row of `run` so; rows that became out of date are marked, not forced.

    People come first, then groups, then accounts with their outbox marks. A plan of up to 20,000 rows is one
    transaction; a larger one is several, and a run that was interrupted goes on where it stopped.
    """
    planned = run.changes.filter(status=PlannedChange.Status.PLANNED)
    last = planned.order_by("-ordinal").values_list("ordinal", flat=True).first() or 0
    progress.phase(Run.Phase.APPLY, last)
    grace = timedelta(days=run.source.grace_days if run.source else _DEFAULT_GRACE_DAYS)
    first = planned.order_by("ordinal").values_list("ordinal", flat=True).first() or 1
    while first <= last:
        window = {
            "run": run.pk,
            "first": first,
            "last": min(first + WINDOW - 1, last),
            "now": bulk.moment(),
            "grace": bulk.moment(timezone.now() + grace),
        }
        _apply_window(run, window, is_last=window["last"] == last)
        progress.advance(window["last"] - first + 1)
        first = window["last"] + 1
    if not last:
        with transaction.atomic():
            keep_conflicts(run)


def _apply_window(run: Run, window: dict[str, Any], *, is_last: bool) -> None:
    began = time.perf_counter()
    with transaction.atomic():
        mark_stale_people(window)
        apply_people(window)
        _apply_groups_within(run, window)
        mark_stale_accounts(window)
        apply_accounts(window)
        _end_sessions(run, window)
        bulk.execute(_DONE, window)
        if is_last:
            keep_conflicts(run)
    log.info(
        "applied",
        run=run.pk,
        rows=window["last"],
        lock_ms=round((time.perf_counter() - began) * 1000),
    )


def _apply_groups_within(run: Run, window: dict[str, Any]) -> None:
    """Groups are applied as a whole with the window in which the last of them stands: their people exist then."""
    groups = run.changes.filter(kind="group", status=PlannedChange.Status.PLANNED)
    last = groups.order_by("-ordinal").values_list("ordinal", flat=True).first()
    if last is not None and last <= window["last"]:
        apply_groups(run)
        groups.update(status=PlannedChange.Status.APPLIED)


def _end_sessions(run: Run, window: dict[str, Any]) -> None:
    """Whoever left or was disabled is signed out of the console as well."""
    if run.source is None:
        return
    gone = run.changes.filter(
        kind="person", status=PlannedChange.Status.PLANNED, category=Category.SERVICE,
        ordinal__range=(window["first"], window["last"]),
    )  # fmt: skip
    guids = list(gone.values_list("key", flat=True))
    if guids:
        end_directory_sessions(source=run.source, guids=guids)
