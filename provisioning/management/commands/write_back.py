"""Write values of accounts back to a directory in this process: dry by default."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from provisioning.core.errors import Busy, ProvisioningError
from provisioning.models import DirectorySource, PlannedChange, Run
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.runs.run_report import report_run, words_of
from provisioning.services.write_back.write_back_runs import write_back_here

_FAILED, _HELD, _BUSY = 1, 2, 3
_STATUSES = PlannedChange.Status
_SHOWN = 20


class Command(BaseCommand):
    """`write_back SOURCE [--apply] [--json]`."""

    help = (
        "Compare what the write-back of a source writes with what the directory has, and show what "
        "would change; with --apply, write it within the limits. Exit status: 0 done; 1 it failed, "
        "or the directory refused a value; 2 changes wait for approval in the console (or would "
        "wait); 3 another write-back of the source is under way."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Which source, for real or not, and how to print."""
        parser.add_argument("source", help="the name of the source")
        parser.add_argument("--apply", action="store_true", help="write what is within the limits")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write back, and say what became of it."""
        source = DirectorySource.objects.filter(name=options["source"]).first()
        if source is None:
            names = ", ".join(
                DirectorySource.objects.order_by("name").values_list("name", flat=True)
            )
            raise CommandError(
                f"There is no source “{options['source']}”. Sources: {names or 'none'}."
            )
        try:
            run = write_back_here(source=source, actor=COMMAND_LINE, dry=not options["apply"])
        except Busy as error:
            raise CommandError(error.message, returncode=_BUSY) from error
        except ProvisioningError as error:
            raise CommandError(error.message, returncode=_FAILED) from error
        refused = run.changes.filter(status=_STATUSES.PROBLEM).exclude(action="none").count()
        report = report_run(run=run)
        if options["json"]:
            changes = [_told(row) for row in run.changes.order_by("ordinal")]
            answer = {**report.as_json(), "refused": refused, "changes": changes}
            self.stdout.write(json.dumps(answer, ensure_ascii=False, indent=2))
        else:
            self._print(run)
        if run.state in (Run.State.FAILED, Run.State.STOPPED):
            raise CommandError(run.problem or "It was stopped.", returncode=_FAILED)
        if refused:
            raise CommandError("The directory refused some values.", returncode=_FAILED)
        if report.held:
            raise CommandError(
                "Some changes wait: an administrator approves them in the console.",
                returncode=_HELD,
            )

    def _print(self, run: Run) -> None:
        report = report_run(run=run)
        what = "preview, nothing was written" if run.dry else report.state
        self.stdout.write(self.style.MIGRATE_HEADING(f"{report.of}: {what} (run #{run.pk})"))
        if report.remark:
            self.stdout.write(f"  {report.remark}")
        self.stdout.write(f"  Read       {report.read:,} people")
        values = report.figures.get("value")
        self.stdout.write(f"  Values     {words_of(values) if values else 'nothing to change'}")
        for limit in report.limits:
            self.stdout.write(self.style.WARNING(f"  {limit}"))
        rows = run.changes.order_by("ordinal")
        for row in rows[:_SHOWN]:
            self.stdout.write(f"    {_line(row)}")
        more = rows.count() - _SHOWN
        if more > 0:
            self.stdout.write(f"    and {more:,} more")


def _line(row: PlannedChange) -> str:
    """ "Ann Lee: ipPhone 4711 → 4712"."""
    if row.action == "none":
        return f"{row.name}: {row.message}"
    attribute, after = next(iter(row.after.items()))
    why = f" ({row.message})" if row.message else ""
    before = row.before[attribute] or "nothing"
    return f"{row.name}: {attribute} {before} → {after or 'nothing'}{why}"


def _told(row: PlannedChange) -> dict[str, Any]:
    attribute, after = next(iter(row.after.items()), ("", ""))
    return {
        "person": row.name, "attribute": attribute, "before": row.before.get(attribute, ""),
        "after": after, "status": row.status, "message": row.message,
    }  # fmt: skip
