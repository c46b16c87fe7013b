"""Give everybody of a source another key: dry by default, with --apply for real."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from provisioning.core.errors import Busy, ProvisioningError
from provisioning.models import DirectorySource, Run
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.directory.rekey import rekey_here
from provisioning.services.directory.sources import KEY_ATTRIBUTES
from provisioning.services.runs.run_report import report_run, summary_of

_EXAMPLES = 20
_FAILED, _UNCLEAR, _BUSY = 1, 2, 3


class Command(BaseCommand):
    """`change_key SOURCE ATTRIBUTE [--apply] [--json]`."""

    help = (
        "Show who of a source becomes which by another key attribute; with --apply, give everybody "
        "that key at once. Exit status: 0 done; 1 it failed; 2 somebody has no such key, so that "
        "it would be refused; 3 the source is being read."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Which source, by which attribute, for real or not."""
        parser.add_argument("source", help="the name of the source")
        parser.add_argument("attribute", choices=KEY_ATTRIBUTES, help="the new key attribute")
        parser.add_argument("--apply", action="store_true", help="make it so")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Rekey one source."""
        source = DirectorySource.objects.filter(name=options["source"]).first()
        if source is None:
            raise CommandError(f"There is no source “{options['source']}”.", returncode=_FAILED)
        try:
            run = rekey_here(
                source=source, key_attribute=options["attribute"], actor=COMMAND_LINE,
                dry=not options["apply"],
            )  # fmt: skip
        except Busy as error:
            raise CommandError(error.message, returncode=_BUSY) from error
        except ProvisioningError as error:
            raise CommandError(error.message, returncode=_FAILED) from error
        unclear = self._print(run, as_json=options["json"])
        if run.state in (Run.State.FAILED, Run.State.STOPPED):
            raise CommandError("The key was not changed.", returncode=_FAILED)
        if unclear:
            raise CommandError("Not everybody has a key of their own.", returncode=_UNCLEAR)

    def _print(self, run: Run, *, as_json: bool) -> int:
        report = report_run(run=run)
        unclear = [
            f"{name}: {why}"
            for name, why in run.changes.filter(action="unclear").values_list("name", "message")
        ]
        if as_json:
            found = {**report.as_json(), "unclear": unclear}
            self.stdout.write(json.dumps(found, ensure_ascii=False, indent=2))
            return len(unclear)
        what = "preview, nothing was changed" if run.dry else run.get_state_display().lower()
        self.stdout.write(self.style.MIGRATE_HEADING(f"{run} of {run.source}: {what}"))
        for text in filter(None, (report.problem, report.remark)):
            self.stdout.write(f"  {text}")
        self.stdout.write(f"  Changes    {summary_of(run) or 'nobody is known yet'}")
        for text in unclear[:_EXAMPLES]:
            self.stdout.write(f"    {text}")
        return len(unclear)
