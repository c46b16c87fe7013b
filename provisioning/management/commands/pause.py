"""The global Pause: whether it lasts, and with --apply begun or ended."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from provisioning.core.errors import ProvisioningError
from provisioning.models import PendingChange, PushPause
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.push import pause


class Command(BaseCommand):
    """`pause [--begin --reason TEXT | --end] [--apply] [--json]`."""

    help = (
        "Say whether pushes to SIP servers are paused; with --begin or --end, and --apply, pause "
        "all of them or go on. Exit status: 0 done, 1 refused."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """What to do, why, for real or not, and how to print."""
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--begin", action="store_true", help="write to no SIP server any more")
        what.add_argument("--end", action="store_true", help="go on; what waits is sent")
        parser.add_argument("--reason", default="", metavar="TEXT", help="why; everybody sees it")
        parser.add_argument("--apply", action="store_true", help="do it")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it, then say how it is."""
        acts = options["begin"] or options["end"]
        try:
            if options["apply"] and options["begin"]:
                pause.pause(reason=options["reason"], actor=COMMAND_LINE)
            elif options["apply"] and options["end"]:
                pause.resume(actor=COMMAND_LINE)
        except ProvisioningError as error:
            raise CommandError(f"{error.message} Nothing was changed.") from error
        row = PushPause.objects.filter(paused=True).select_related("by").first()
        found = {
            "paused": row is not None,
            "since": row.since.isoformat(timespec="seconds") if row and row.since else None,
            "by": (row.by.username if row.by else COMMAND_LINE.name) if row else None,
            "reason": row.reason if row else "",
            "pending": PendingChange.objects.count(),
        }
        if options["json"]:
            self.stdout.write(json.dumps(found, ensure_ascii=False, indent=2))
            return
        said = (
            f"All pushes are paused since {found['since']} by {found['by']}: {found['reason']}."
            if row
            else "Pushes are not paused."
        )
        self.stdout.write(f"{said} {found['pending']:,} changes are pending.")
        if acts and not options["apply"]:
            self.stdout.write("Nothing was changed; add --apply.")
