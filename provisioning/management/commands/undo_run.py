"""Undo what a run did to accounts: dry by default, with --apply for real."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from provisioning.core.errors import Busy, ProvisioningError
from provisioning.models import PlannedChange, Run
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.runs.run_report import report_run, summary_of
from provisioning.services.runs.undo import undo_here

_EXAMPLES = 20
_FAILED, _HELD, _BUSY = 1, 2, 3


class Command(BaseCommand):
    """`undo_run N [--apply] [--json]`."""

    help = (
        "Show what would bring accounts back to what they were before a run; with --apply, make it "
        "so within the limits and pin it for 30 days. Exit status: 0 done; 1 there is nothing to "
        "undo, or it failed; 2 changes pass a limit and wait for approval in the console (or would "
        "wait); 3 a worker has it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Which run, for real or not, and how to print."""
        parser.add_argument("run", type=int, metavar="N", help="the number of the run")
        parser.add_argument("--apply", action="store_true", help="apply what is within the limits")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Undo one run."""
        run = Run.objects.filter(pk=options["run"]).first()
        if run is None:
            raise CommandError(f"There is no run #{options['run']}.", returncode=_FAILED)
        try:
            found = undo_here(run=run, actor=COMMAND_LINE, dry=not options["apply"])
        except Busy as error:
            raise CommandError(error.message, returncode=_BUSY) from error
        except ProvisioningError as error:
            raise CommandError(error.message, returncode=_FAILED) from error
        self._print(found, as_json=options["json"])
        if found.state in (Run.State.FAILED, Run.State.STOPPED):
            raise CommandError("It was not undone.", returncode=_FAILED)
        if found.changes.filter(status=PlannedChange.Status.HELD).exists():
            raise CommandError(
                "Some changes pass a limit: an administrator approves them in the console.",
                returncode=_HELD,
            )

    def _print(self, run: Run, *, as_json: bool) -> None:
        report = report_run(run=run)
        left = run.changes.filter(status=PlannedChange.Status.STALE).order_by("ordinal")
        lines = [f"{row.name}: {row.message}" for row in left[:_EXAMPLES]]
        if as_json:
            found = {**report.as_json(), "undoes": run.undoes_id, "left": lines,
                     "left_count": left.count()}  # fmt: skip
            self.stdout.write(json.dumps(found, ensure_ascii=False, indent=2))
            return
        what = "preview, nothing was changed" if run.dry else run.get_state_display().lower()
        self.stdout.write(self.style.MIGRATE_HEADING(f"{run}, of {run.undoes}: {what}"))
        for text in filter(None, (report.problem, report.remark)):
            self.stdout.write(f"  {text}")
        self.stdout.write(f"  Accounts   {summary_of(run) or 'nothing to change'}")
        for label, count in report.effects.lines if report.effects else ():
            self.stdout.write(f"  {label}: {count:,}")
        for title, texts, count in (
            ("Limits", report.limits, len(report.limits)),
            ("Left as they are", lines, left.count()),
        ):
            if texts:
                self.stdout.write(self.style.WARNING(f"  {title}: {count:,}"))
                for text in texts:
                    self.stdout.write(f"    {text}")
