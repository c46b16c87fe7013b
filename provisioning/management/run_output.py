"""A run on a terminal: a bar while it goes, then what it found and what waits."""

from __future__ import annotations

from collections.abc import Sequence

from django.core.management.base import BaseCommand

from provisioning.models import Run
from provisioning.services.runs.progress import Watch
from provisioning.services.runs.run_effects import Effects
from provisioning.services.runs.run_report import (
    KINDS,
    RunReport,
    changes_of,
    words_of,
)

FAILED, HELD, BUSY = 1, 2, 3
_BAR = 30
_ENDED_BADLY = (Run.State.FAILED, Run.State.STOPPED)


class RunOutput:
    """Writes runs to the output of a command."""

    def __init__(self, command: BaseCommand, *, quiet: bool) -> None:
        self._out, self._style = command.stdout, command.style
        self._watched = not quiet and self._out.isatty()

    @property
    def watch(self) -> Watch | None:
        """What a run tells how far it has come, where somebody looks."""
        return self._draw if self._watched else None

    def end_watch(self) -> None:
        """Wipe the bar away."""
        if self._watched:
            self._out.write("\r\033[K", ending="")

    def print(self, report: RunReport, *, title: str, details: bool = False) -> None:
        """What the run found; with `details` every change, with each field before and after."""
        self._out.write(self._style.MIGRATE_HEADING(title))
        for text in filter(None, (report.problem, report.remark)):
            self._out.write(f"  {text}")
        if report.state == Run.State.FAILED:
            return
        if report.read or report.read_groups or report.unreadable:
            self._out.write(f"  Read       {_read(report)}")
        for kind, actions in report.figures.items():
            self._out.write(f"  {KINDS[kind]:<10} {words_of(actions)}")
        if not report.figures:
            self._out.write("  Nothing to change.")
        if report.effects is not None:
            self._list_effects(report.effects)
        self._list("Limits", report.limits, len(report.limits))
        self._list("Conflicts", report.conflicts, report.conflict_count)
        self._list("Proposed SIP URIs, to be decided", report.proposals, len(report.proposals))
        if details:
            self._list_changes(report.run)

    def _draw(self, phase: Run.Phase, done: int, total: int) -> None:
        full = round(_BAR * min(done, total) / total) if total else 0
        bar = "█" * full + "░" * (_BAR - full)
        count = f"{done:,} of about {total:,}" if total else f"{done:,}"
        self._out.write(f"\r\033[K{phase.label:<12} {bar} {count}", ending="")
        self._out.flush()

    def _list_effects(self, effects: Effects) -> None:
        for label, count in effects.lines:
            self._out.write(f"  {label}: {count:,}")
        for store in effects.stores:
            self._out.write(f"  {store.store}: {store.text}")

    def _list(self, title: str, lines: Sequence[str], count: int) -> None:
        if lines:
            self._out.write(self._style.WARNING(f"  {title}: {count:,}"))
            for line in lines:
                self._out.write(f"    {line}")

    def _list_changes(self, run_id: int) -> None:
        for change in changes_of(Run.objects.get(pk=run_id)):
            words = "; ".join(
                f"{field}: {'' if old is None else old} → {new}"
                for field, (old, new) in change["fields"].items()
            )
            why = f": {change['message']}" if change["message"] else ""
            self._out.write(
                f"  {change['status']} {change['action']} {change['kind']} {change['name']}"
                f"{f' ({words})' if words else ''}{why}"
            )


def status_of(report: RunReport) -> int:
    """The exit code that a run which was carried out here ends with."""
    if report.state in _ENDED_BADLY:
        return FAILED
    # Without a held change of its own, what passes a limit waits in an earlier run.
    return HELD if report.held or report.limits else 0


def outcome_of(report: RunReport) -> str:
    """What became of a run that was carried out here, in a few words."""
    if report.state in _ENDED_BADLY:
        return "failed"
    if report.dry:
        waits = f"; {report.held:,} would wait" if report.held else ""
        return f"preview, nothing was changed{waits}"
    return f"applied, {report.held:,} changes wait for approval" if report.held else "applied"


def _read(report: RunReport) -> str:
    read = f"{report.read:,} people"
    if report.read_groups:
        read += f", {report.read_groups:,} group{'' if report.read_groups == 1 else 's'}"
    if report.unreadable:
        read += f", {report.unreadable:,} entries unusable"
    return read
