"""Applying another key attribute: everybody gets the new key at once, and the source with them."""

from __future__ import annotations

from django.db import transaction

from provisioning.core.errors import StalePlan
from provisioning.models import (
    ConsoleUser,
    DirectoryGroup,
    DirectorySource,
    Person,
    PlannedChange,
    Run,
    WrittenValue,
)
from provisioning.services import bulk
from provisioning.services.directory.source_schedule import modes_of
from provisioning.services.runs.apply import Outcome
from provisioning.services.runs.plan import TABLE
from provisioning.services.runs.progress import Progress

_KEYED = {"person": Person._meta.db_table, "group": DirectoryGroup._meta.db_table}
# Console users who sign in with the directory, and what was written back, go by the person's key.
_FOLLOWING = (ConsoleUser._meta.db_table, WrittenValue._meta.db_table)
_SET = """
UPDATE {table} SET guid = p.key{more} FROM {plan} p
WHERE p.run_id = %s AND p.kind = %s AND p.action = 'rekey' AND {table}.source_id = p.source_id
  AND {table}.guid = p.subject{fits}
"""


def apply_rekey(*, run: Run, source: DirectorySource, progress: Progress) -> Outcome:
    """Give everybody the planned key in one transaction, with which the source is read from then.

    Raises StalePlan where anybody is not what was planned from; nothing is changed then. Runs of
    the source that wait are over: they name people by the old key.
    """
    rows = run.changes.filter(action="rekey")
    progress.phase(Run.Phase.APPLY, rows.count())
    outcome = Outcome()
    with transaction.atomic():
        progress.hold()
        for kind, table in _KEYED.items():
            planned = rows.filter(kind=kind).count()
            more = f", version = {table}.version + 1"
            fits = f" AND {table}.version = p.base_version"
            if _set(run, kind, table, more, fits) != planned:
                raise StalePlan(
                    "Somebody changed since this was planned. Nothing was changed; preview again."
                )
            if planned:
                outcome.applied[f"{kind}.rekey"] = planned
        for table in _FOLLOWING:
            _set(run, "person", table, "", "")
        _end_waiting(run, source)
        source.key_attribute = str(run.question["key_attribute"])
        if source.mode not in modes_of(source):
            source.mode = DirectorySource.Mode.FULL
        source.cookie = None
        source.save(update_fields=["key_attribute", "mode", "cookie"])
        run.applied_to = rows.order_by("-ordinal").values_list("ordinal", flat=True).first() or 0
        run.save(update_fields=["applied_to"])
    return outcome


def _set(run: Run, kind: str, table: str, more: str, fits: str) -> int:
    statement = _SET.format(table=table, plan=TABLE, more=more, fits=fits)
    return bulk.execute(statement, [run.pk, kind])


def _end_waiting(run: Run, source: DirectorySource) -> None:
    waiting = Run.objects.filter(source=source, state=Run.State.WAITING).exclude(pk=run.pk)
    PlannedChange.objects.filter(run__in=waiting, status=PlannedChange.Status.HELD).update(
        status=PlannedChange.Status.DISCARDED
    )
    waiting.update(state=Run.State.SUPERSEDED, remark=f"Run #{run.pk} gave everybody another key.")
