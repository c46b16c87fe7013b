"""Join the entries of two sources that are one person: dry by default, with --apply for real."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from provisioning.core.errors import Busy, ProvisioningError
from provisioning.models import DirectorySource, PlannedChange, Run
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.joins.candidates import BY
from provisioning.services.joins.joins import join_here
from provisioning.services.runs.run_report import report_run, summary_of

_EXAMPLES = 20
_FAILED, _HELD = 1, 2


class Command(BaseCommand):
    """`join_people SOURCE SOURCE --by WHAT [--apply] [--json]`."""

    help = (
        "Show which entries of two sources are one person, by something that exactly one person of "
        "either has; with --apply, join them within the limits, so that each has one account. Exit "
        "status: 0 done; 1 it failed; 2 changes pass a limit and wait for approval in the console "
        "(or would wait)."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Which sources, by what, for real or not, and how to print."""
        parser.add_argument("sources", nargs=2, metavar="source", help="the names of two sources")
        parser.add_argument(
            "--by", required=True, choices=[name.replace("_", "-") for name in BY],
            help="what both have; sid: the sIDHistory of one names the objectSid of the other",
        )  # fmt: skip
        parser.add_argument("--apply", action="store_true", help="apply what is within the limits")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Compare two sources."""
        one, other = (_source(name) for name in options["sources"])
        by = options["by"].replace("-", "_")
        try:
            run = join_here(
                one=one, other=other, by=by, actor=COMMAND_LINE, dry=not options["apply"]
            )
        except (Busy, ProvisioningError) as error:
            raise CommandError(error.message, returncode=_FAILED) from error
        self._print(run, as_json=options["json"])
        if run.state in (Run.State.FAILED, Run.State.STOPPED):
            raise CommandError("Nobody was joined.", returncode=_FAILED)
        if run.changes.filter(status=PlannedChange.Status.HELD).exists():
            raise CommandError(
                "Some changes pass a limit: an administrator approves them in the console.",
                returncode=_HELD,
            )

    def _print(self, run: Run, *, as_json: bool) -> None:
        report = report_run(run=run)
        rows = run.changes.order_by("ordinal")
        joined = [
            f"{name} → {after['same_as']}: {after['by']}"
            for name, after in rows.filter(action="join").values_list("name", "after")
        ]
        unclear = [
            f"{name}: {why}"
            for name, why in rows.filter(action="unclear").values_list("name", "message")
        ]
        if as_json:
            found = {**report.as_json(), "joined": joined, "unclear": unclear}
            self.stdout.write(json.dumps(found, ensure_ascii=False, indent=2))
            return
        what = "preview, nothing was changed" if run.dry else run.get_state_display().lower()
        self.stdout.write(self.style.MIGRATE_HEADING(f"{run}: {what}"))
        for text in filter(None, (report.problem, report.remark)):
            self.stdout.write(f"  {text}")
        self.stdout.write(f"  Changes    {summary_of(run) or 'nobody to join'}")
        for label, count in report.effects.lines if report.effects else ():
            self.stdout.write(f"  {label}: {count:,}")
        for title, texts in (
            ("Limits", report.limits),
            ("One person", joined),
            ("Unclear", unclear),
        ):
            if texts:
                self.stdout.write(f"  {title}: {len(texts):,}")
                for text in texts[:_EXAMPLES]:
                    self.stdout.write(f"    {text}")


def _source(name: str) -> DirectorySource:
    source = DirectorySource.objects.filter(name=name).first()
    if source is None:
        raise CommandError(f"There is no source “{name}”.", returncode=_FAILED)
    return source
