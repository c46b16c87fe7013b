"""Sync directories in this process: dry by default, with --apply for real."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from provisioning.core.errors import Busy
from provisioning.management.json_stream import write_object
from provisioning.management.run_output import (
    BUSY,
    FAILED,
    HELD,
    RunOutput,
    outcome_of,
    status_of,
)
from provisioning.models import DirectorySource, Run
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.directory import poll
from provisioning.services.directory.changes import follows_changes
from provisioning.services.runs import runs
from provisioning.services.runs.run_report import RunReport, changes_of, report_run


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
        output = RunOutput(self, quiet=options["json"])
        for source in self._chosen(options["sources"]):
            try:
                report = (
                    self._read_changes(source, quiet=options["json"])
                    if options["changes"]
                    else _sync(source, output, apply=options["apply"])
                )
            except Busy as error:
                self.stderr.write(f"{source}: {error.message}")
                statuses.append(BUSY)
                continue
            if report is None:
                continue
            reports.append(report)
            statuses.append(status_of(report))
            if not options["json"]:
                title = f"{report.of}: {outcome_of(report)} (run #{report.run})"
                output.print(report, title=title, details=options["details"])
        if options["json"]:
            self._print_json(reports, details=options["details"])
        for status, message in (
            (FAILED, "Not every source could be synced."),
            (BUSY, "Another sync is under way; try again when it is over."),
            (HELD, "Some changes pass a limit: an administrator approves them, here by `runs`."),
        ):
            if status in statuses:
                raise CommandError(message, returncode=status)

    def _print_json(self, reports: list[RunReport], *, details: bool) -> None:
        if not (details and reports):
            found = [report.as_json() for report in reports]
            self.stdout.write(json.dumps(found, ensure_ascii=False, indent=2))
            return
        for place, report in enumerate(reports):
            self.stdout.write(", " if place else "[", ending="")
            changes = changes_of(Run.objects.get(pk=report.run))
            write_object(self.stdout, report.as_json(), "changes", changes)
        self.stdout.write("]")

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

    def _read_changes(self, source: DirectorySource, *, quiet: bool) -> RunReport | None:
        if not follows_changes(source):
            raise CommandError(f"{source} is set to be read completely each time.")
        run = poll.read_changes(source=source)
        if run is None and not quiet:
            self.stdout.write(f"{source}: nothing changed.")
        return report_run(run=run) if run is not None else None


def _sync(source: DirectorySource, output: RunOutput, *, apply: bool) -> RunReport:
    try:
        run = runs.sync_here(source=source, actor=COMMAND_LINE, dry=not apply, watch=output.watch)
    finally:
        output.end_watch()
    return report_run(run=run)
