"""Applying a write-back: value by value, each only while it is as planned, then read back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from django.db import transaction

from provisioning.core.errors import ProvisioningError, Rejected, StalePlan
from provisioning.core.records import Entry
from provisioning.core.written import PROXY_ADDRESSES
from provisioning.directory.writing import SLICE, Edit, Writer, open_writer, texts
from provisioning.models import DirectorySource, PlannedChange, Run, WrittenValue
from provisioning.services.push import pause
from provisioning.services.runs.apply import Outcome
from provisioning.services.runs.progress import Progress, Stopped
from provisioning.services.write_back.write_back import (
    active_attributes,
    settings_of,
    writing_record,
)

log = structlog.stdlib.get_logger(__name__)

_STATUSES = PlannedChange.Status
_GONE = "The person is not in the directory any more. Nothing was written."


@dataclass(slots=True)
class _Result:
    """What became of a row: it was written, or it has another status and says why."""

    row: PlannedChange
    edit: Edit
    status: PlannedChange.Status = _STATUSES.PLANNED
    message: str = ""


def apply_values(*, run: Run, source: DirectorySource, progress: Progress) -> Outcome:
    """Write every planned value of `run`; a person who is refused does not keep others from theirs.

    A run that was interrupted goes on where it stopped; what it wrote meanwhile is found written.
    Raises Stopped on request and when pushes are paused, and a ProvisioningError when nobody can
    write at all; what was written stays.
    """
    planned = run.changes.filter(status=_STATUSES.PLANNED).order_by("ordinal")
    progress.phase(Run.Phase.APPLY, planned.filter(ordinal__gt=run.applied_to).count())
    outcome = Outcome()
    if not planned.filter(ordinal__gt=run.applied_to).exists():
        return outcome
    allowed = {each.attribute for each in active_attributes(source)}
    with open_writer(writing_record(settings_of(source))) as writer:
        while rows := list(planned.filter(ordinal__gt=run.applied_to)[:SLICE]):
            if pause.is_paused():
                raise Stopped("Pushes are paused. What was written before stays.")
            _write_slice(run, source, writer, rows, allowed, progress, outcome)
    _remark_refused(run)
    return outcome


def _remark_refused(run: Run) -> None:
    """Say how many values the directory did not take; why stands at each."""
    refused = run.changes.filter(status=_STATUSES.PROBLEM).exclude(action="none").count()
    if refused:
        what = "1 value was" if refused == 1 else f"{refused:,} values were"
        run.remark = f"{run.remark} {what} refused by the directory.".strip()


def _write_slice(
    run: Run, source: DirectorySource, writer: Writer, rows: Sequence[PlannedChange],
    allowed: set[str], progress: Progress, outcome: Outcome,
) -> None:  # fmt: skip
    entries = writer.read({row.subject for row in rows}, allowed)
    _note_intents(source, rows)
    results: list[_Result] = []
    try:
        for row in rows:
            results.append(_write(writer, row, entries.get(row.subject), allowed))
            progress.advance(1)
    finally:
        if results:
            _read_back(writer, results, allowed)
            _keep(run, source, results, progress, outcome)


def _write(writer: Writer, row: PlannedChange, entry: Entry | None, allowed: set[str]) -> _Result:
    attribute, after = next(iter(row.after.items()))
    edit = Edit(entry.dn if entry else "", attribute, row.before[attribute], after)
    if entry is None:
        return _Result(row, edit, _STATUSES.STALE, _GONE)
    if attribute not in allowed:
        text = f"{attribute} is not written any more. Nothing was changed."
        return _Result(row, edit, _STATUSES.STALE, text)
    present = texts(entry.attributes.get(attribute.lower(), ()))
    if _is_done(edit, present):
        return _Result(row, edit)
    try:
        writer.write(edit)
    except StalePlan as error:
        return _Result(row, edit, _STATUSES.STALE, error.message)
    except Rejected as error:
        log.info("value refused", run=row.run_id, reason=error.message)
        return _Result(row, edit, _STATUSES.PROBLEM, error.message)
    return _Result(row, edit)


def _is_done(edit: Edit, present: Sequence[str]) -> bool:
    """Whether the entry has what was planned, such as after a worker died while it wrote."""
    if edit.attribute.lower() == PROXY_ADDRESSES:
        return (not edit.after or edit.after in present) and edit.before not in present
    return list(present) == ([edit.after] if edit.after else [])


def _read_back(writer: Writer, results: Sequence[_Result], allowed: set[str]) -> None:
    """Look whether what the server said was done is there; where nobody can tell, it counts."""
    written = [each for each in results if each.status == _STATUSES.PLANNED]
    if not written:
        return
    try:
        entries = writer.read({each.row.subject for each in written}, allowed)
    except ProvisioningError as error:
        log.warning("values were not read back", reason=error.message)
        return
    for each in written:
        entry = entries.get(each.row.subject)
        present = texts(entry.attributes.get(each.edit.attribute.lower(), ())) if entry else []
        if entry is not None and not _is_done(each.edit, present):
            each.status = _STATUSES.PROBLEM
            each.message = (
                f"The directory took the change of {each.edit.attribute}, but has "
                f"{', '.join(present) or 'nothing'} there. Somebody else may write it as well."
            )


def _note_intents(source: DirectorySource, rows: Sequence[PlannedChange]) -> None:
    """Know our values as ours before they are written, whatever happens meanwhile."""
    values = [
        WrittenValue(source=source, guid=row.subject, attribute=attribute, value=after)
        for row in rows
        for attribute, after in row.after.items()
        if after
    ]
    WrittenValue.objects.bulk_create(values, ignore_conflicts=True)


def _keep(
    run: Run, source: DirectorySource, results: Sequence[_Result], progress: Progress,
    outcome: Outcome,
) -> None:  # fmt: skip
    """Note what became of the rows, in one transaction; from here on they are over."""
    with transaction.atomic():
        for each in results:
            mine = WrittenValue.objects.filter(
                source=source, guid=each.row.subject, attribute=each.edit.attribute
            )
            if each.status == _STATUSES.PLANNED:
                mine.exclude(value=each.edit.after).delete()
                outcome.applied[f"value.{each.row.action}"] += 1
                continue
            PlannedChange.objects.filter(pk=each.row.pk).update(
                status=each.status, message=each.message
            )
            if each.status == _STATUSES.STALE:
                outcome.stale += 1
        run.applied_to = results[-1].row.ordinal
        Run.objects.filter(pk=run.pk, lease_owner=progress.owner).update(applied_to=run.applied_to)
