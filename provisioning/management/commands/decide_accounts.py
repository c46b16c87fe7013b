"""Decide every account by the account rules: dry by default, with --apply for real."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from provisioning.core.errors import Busy
from provisioning.management.json_stream import write_object
from provisioning.management.run_output import BUSY, FAILED, HELD, RunOutput, outcome_of, status_of
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.runs.run_report import changes_of, report_run
from provisioning.services.runs.runs import decide_here


class Command(BaseCommand):
    """`decide_accounts [--apply] [--details] [--json]`."""

    help = (
        "Decide every account by the account rules and show what would change; with --apply, make "
        "it so within the limits. No directory is read. Exit status: 0 done; 1 it failed; 2 some "
        "changes pass a limit and wait for approval, or would wait; 3 a worker has it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """For real or not, and how to print."""
        parser.add_argument("--apply", action="store_true", help="apply what is within the limits")
        parser.add_argument(
            "--details", action="store_true", help="every change, with each field before and after"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Decide, then say what came of it."""
        output = RunOutput(self, quiet=options["json"])
        try:
            run = decide_here(actor=COMMAND_LINE, dry=not options["apply"], watch=output.watch)
        except Busy as error:
            raise CommandError(error.message, returncode=BUSY) from error
        finally:
            output.end_watch()
        report = report_run(run=run)
        if options["json"]:
            changes = changes_of(run) if options["details"] else ()
            write_object(self.stdout, report.as_json(), "changes", changes)
        else:
            output.print(report, title=f"{run}: {outcome_of(report)}", details=options["details"])
        status = status_of(report)
        if status == FAILED:
            raise CommandError("The accounts could not be decided.", returncode=FAILED)
        if status == HELD:
            raise CommandError(
                "Some changes pass a limit: an administrator approves them, here by `runs`.",
                returncode=HELD,
            )
