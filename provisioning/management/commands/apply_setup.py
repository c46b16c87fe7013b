"""Set the console up from a file."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from provisioning.core.errors import ProvisioningError
from provisioning.services.console.setup_file import Applied, apply_setup, read_setup
from provisioning.services.console.setup_sections import SECTIONS

_WAITING = 3


class Command(BaseCommand):
    """`apply_setup FILE [--apply] [--json]`: dry unless --apply.

    Exit 0 when the console is (or would be) what the file says, 3 when entries wait for the first
    read of a source, 1 when something is wrong; nothing was written then.
    """

    help = (
        "Make the console what a JSON file says, all of it or nothing. Sections, each a list of "
        f"entries with the fields of its form: {', '.join(SECTIONS)}. Entries name each other; "
        "FIELD_file takes a field from a file beside the document, and secrets are given only as "
        "secret_file. What the file does not name is left alone. Without --apply everything is "
        "checked and nothing written. Exit status: 0 done; 1 wrong, nothing written; 3 done, but "
        "entries that name a group wait until its source was read: sync, then apply again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """The file, and whether to write."""
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument("--apply", action="store_true", help="write; without it only check")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Apply the file and say what became of each entry."""
        file: Path = options["file"]
        try:
            entries = apply_setup(
                document=read_setup(file), folder=file.parent, dry=not options["apply"]
            )
        except ProvisioningError as error:
            raise CommandError(f"{error.message}\nNothing was written.") from error
        if options["json"]:
            answer = {"applied": options["apply"], "entries": [asdict(each) for each in entries]}
            self.stdout.write(json.dumps(answer, ensure_ascii=False))
        else:
            self._print(entries, applied=options["apply"])
        waiting = sum(each.action == "waiting" for each in entries)
        if waiting:
            raise CommandError(
                f"Entries that wait: {waiting}. Sync the source, then apply the file again.",
                returncode=_WAITING,
            )

    def _print(self, entries: list[Applied], *, applied: bool) -> None:
        for each in entries:
            if each.action != "unchanged":
                line = f"{each.section:16} {each.name}: {each.action}"
                self.stdout.write(f"{line} ({each.detail})" if each.detail else line)
        counts = Counter(each.action for each in entries)
        summary = ", ".join(f"{count} {action}" for action, count in sorted(counts.items()))
        self.stdout.write(f"{summary or 'The file has no entries'}.")
        if not applied:
            self.stdout.write("Nothing was written. Add --apply to write it.")
