"""Sync directories in this process: dry by default, with --apply for real."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from provisioning.core.errors import Busy
from provisioning.models import DirectorySource, Run
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.directory import poll
from provisioning.services.directory.changes import follows_changes
from provisioning.services.runs import runs
from provisioning.services.runs.run_effects import Effects
from provisioning.services.runs.run_report import (
    KINDS,
    RunReport,
    changes_of,
    report_run,
    words_of,
)

_BAR = 30
_FAILED, _HELD, _BUSY = 1, 2, 3


class Command(BaseCommand):
    """`sync_directory [source …] [--apply [--changes]] [--json]`."""

    help = (
        "Read directories and show what would change; with --apply, make it so within the limits. "
        "Exit status: 0 done; 1 a source could not be read; 2 changes pass a limit and wait for "
        "approval in the console (or would wait); 3 another sync is under way."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Which sources, for real or not, and how to print."""
        parser.add_argument("sources", nargs="*", metavar="source", help="names; none: all enabled")
        parser.add_argument("--apply", action="store_true", help="apply what is within the limits")
        parser.add_argument(
            "--changes", action="store_true",
            help="with --apply: read only what changed since the last time",
        )  # fmt: skip
        parser.add_argument(
            "--details", action="store_true", help="every change, with each field before and after"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON array")

    def handle(self, *args: Any, **options: Any) -> None:
        """Sync one source after the other; a source that fails does not keep the next from it."""
        if options["changes"] and not options["apply"]:
            raise CommandError("--changes goes with --apply: what was read is not told again.")
        statuses, reports = [], []
        for source in self._chosen(options["sources"]):
            try:
                report = (
                    self._read_changes(source, quiet=options["json"])
                    if options["changes"]
                    else self._sync(source, apply=options["apply"], quiet=options["json"])
                )
            except Busy as error:
                self.stderr.write(f"{source}: {error.message}")
                statuses.append(_BUSY)
                continue
            if report is None:
                continue
            reports.append(report)
            statuses.append(_status_of(report))
            if not options["json"]:
                self._print(report, details=options["details"])
        if options["json"]:
            found = [
                report.as_json() | ({"changes": _changes(report)} if options["details"] else {})
                for report in reports
            ]
            self.stdout.write(json.dumps(found, ensure_ascii=False, indent=2))
        for status, message in (
            (_FAILED, "Not every source could be synced."),
            (_BUSY, "Another sync is under way; try again when it is over."),
            (_HELD, "Some changes pass a limit: an administrator approves them in the console."),
        ):
            if status in statuses:
                raise CommandError(message, returncode=status)

    def _chosen(self, names: list[str]) -> list[DirectorySource]:
        sources = DirectorySource.objects.order_by("name")
        if not names:
            chosen = list(sources.filter(enabled=True))
            if not chosen:
                raise CommandError("No source is read on schedule; name one.")
            return chosen
        by_name = {source.name: source for source in sources}
        unknown = [name for name in names if name not in by_name]
        if unknown:
            raise CommandError(
                f"There is no source “{unknown[0]}”. Sources: {', '.join(by_name) or 'none'}."
            )
        return [by_name[name] for name in names]

    def _sync(self, source: DirectorySource, *, apply: bool, quiet: bool) -> RunReport:
        watched = self.stdout.isatty() and not quiet
        run = runs.sync_here(
            source=source,
            actor=COMMAND_LINE,
            dry=not apply,
            watch=self._draw if watched else None,
        )
        if watched:
            self.stdout.write("\r\033[K", ending="")
        return report_run(run=run)

    def _read_changes(self, source: DirectorySource, *, quiet: bool) -> RunReport | None:
        if not follows_changes(source):
            raise CommandError(f"{source} is set to be read completely each time.")
        run = poll.read_changes(source=source)
        if run is None and not quiet:
            self.stdout.write(f"{source}: nothing changed.")
        return report_run(run=run) if run is not None else None

    def _draw(self, phase: Run.Phase, done: int, total: int) -> None:
        full = round(_BAR * min(done, total) / total) if total else 0
        bar = "█" * full + "░" * (_BAR - full)
        count = f"{done:,} of about {total:,}" if total else f"{done:,}"
        self.stdout.write(f"\r\033[K{phase.label:<12} {bar} {count}", ending="")
        self.stdout.flush()

    def _print(self, report: RunReport, *, details: bool) -> None:
        heading = f"{report.of}: {_outcome(report)} (run #{report.run})"
        self.stdout.write(self.style.MIGRATE_HEADING(heading))
        for text in filter(None, (report.problem, report.remark)):
            self.stdout.write(f"  {text}")
        if report.state == Run.State.FAILED:
            return
        read = f"{report.read:,} people"
        if report.read_groups:
            read += f", {report.read_groups:,} group{'' if report.read_groups == 1 else 's'}"
        if report.unreadable:
            read += f", {report.unreadable:,} entries unusable"
        self.stdout.write(f"  Read       {read}")
        for kind, actions in report.figures.items():
            self.stdout.write(f"  {KINDS[kind]:<10} {words_of(actions)}")
        if not report.figures:
            self.stdout.write("  Nothing to change.")
        if report.effects is not None:
            self._list_effects(report.effects)
        self._list("Limits", report.limits, len(report.limits))
        self._list("Conflicts", report.conflicts, report.conflict_count)
        self._list("Proposed SIP URIs, to be decided in the console", report.proposals,
                   len(report.proposals))  # fmt: skip
        for change in _changes(report) if details else ():
            words = "; ".join(
                f"{field}: {'' if old is None else old} → {new}"
                for field, (old, new) in change["fields"].items()
            )
            self.stdout.write(
                f"  {change['status']} {change['action']} {change['kind']} {change['name']}"
                f"{f' ({words})' if words else ''}"
            )

    def _list_effects(self, effects: Effects) -> None:
        for label, count in effects.lines:
            self.stdout.write(f"  {label}: {count:,}")
        for store in effects.stores:
            self.stdout.write(f"  {store.store}: {store.text}")

    def _list(self, title: str, lines: list[str], count: int) -> None:
        if lines:
            self.stdout.write(self.style.WARNING(f"  {title}: {count:,}"))
            for line in lines:
                self.stdout.write(f"    {line}")


def _changes(report: RunReport) -> list[dict[str, Any]]:
    return list(changes_of(Run.objects.get(pk=report.run)))


def _status_of(report: RunReport) -> int:
    if report.state in (Run.State.FAILED, Run.State.STOPPED):
        return _FAILED
    return _HELD if report.held else 0


def _outcome(report: RunReport) -> str:
    if report.state in (Run.State.FAILED, Run.State.STOPPED):
        return "failed"
    if report.dry:
        return (
            f"preview, nothing was changed; {report.held:,} would wait"
            if report.held
            else ("preview, nothing was changed")
        )
    return f"applied, {report.held:,} changes wait for approval" if report.held else "applied"
