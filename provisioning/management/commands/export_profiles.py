"""Export the client documents of accounts into a folder or a ZIP."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import QuerySet

from provisioning.core.errors import ProvisioningError
from provisioning.core.text import counted
from provisioning.management.account_choice import add_filter, filter_accounts
from provisioning.management.progress_bar import ProgressBar
from provisioning.models import Account
from provisioning.profiles.registry import RENDERERS
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.clients import export
from provisioning.services.clients.export_folder import write_folder

_SOME_FAILED = 2


class Command(BaseCommand):
    """`export_profiles --format rtc [--filter state=active] --output DIR_OR_ZIP [--json]`.

    Exit 0 when every account got its document, 2 when some did not, 1 when nothing was written.
    """

    help = (
        "Write the client documents of accounts into a folder or a ZIP. Exit status: 0 every "
        "account got its document; 1 nothing was written; 2 some accounts got none."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Format, accounts and output."""
        parser.add_argument("--format", required=True, choices=list(RENDERERS))
        add_filter(parser, default="state=active")
        parser.add_argument("--account", metavar="SIPURI", help="only this account")
        parser.add_argument(
            "--with-secrets", action="store_true", help="let the documents hold passwords"
        )
        parser.add_argument(
            "--output", required=True, type=Path, metavar="DIR_OR_ZIP", help="a folder, or x.zip"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write, then say what was written."""
        accounts = _accounts(options["filter"], options["account"])
        total = accounts.count()
        if not total:
            raise CommandError("No account matches. Nothing was written.")
        bar = ProgressBar("Exporting", total, sys.stderr)
        tally = export.Tally()
        try:
            for tally in _written(accounts, options):
                bar.show(tally.written + tally.problems)
        except ProvisioningError as error:
            raise CommandError(error.message) from error
        finally:
            bar.close()
        self._report(tally, options)

    def _report(self, tally: export.Tally, options: dict[str, Any]) -> None:
        if options["json"]:
            answer = {
                "format": options["format"],
                "output": str(options["output"]),
                "written": tally.written,
                "problems": tally.problems,
                "first_problems": tally.first_problems,
            }
            self.stdout.write(json.dumps(answer, ensure_ascii=False))
        else:
            self.stdout.write(
                f"{counted(tally.written, 'account')} written to {options['output']}."
            )
        if tally.problems:
            listed = "\n".join(tally.first_problems)
            raise CommandError(
                f"{counted(tally.problems, 'account')} got no document:\n{listed}",
                returncode=_SOME_FAILED,
            )


def _accounts(filters: list[str], sip_uri: str | None) -> QuerySet[Account]:
    if sip_uri is not None:
        aor = sip_uri.strip().lower().removeprefix("sip:")
        return Account.objects.filter(aor=aor).exclude(state="removed")
    try:
        return filter_accounts(Account.objects.all(), filters or ["state=active"])
    except ProvisioningError as error:
        raise CommandError(f"{error.message} Nothing was written.") from error


def _written(accounts: QuerySet[Account], options: dict[str, Any]) -> Iterator[export.Tally]:
    output: Path = options["output"]
    if output.suffix.lower() != ".zip":
        yield from write_folder(
            accounts=accounts,
            format=options["format"],
            with_secret=options["with_secrets"],
            actor=COMMAND_LINE,
            folder=output,
        )
        return
    tally = export.Tally()
    pieces = export.stream_accounts(
        accounts=accounts,
        format=options["format"],
        with_secret=options["with_secrets"],
        actor=COMMAND_LINE,
        tally=tally,
    )
    try:
        descriptor, temporary = tempfile.mkstemp(dir=output.absolute().parent, prefix=".export-")
    except OSError as error:
        raise CommandError(f"{output} cannot be written: {error.strerror}.") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            for piece in pieces:
                file.write(piece)
                yield tally
        Path(temporary).replace(output)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    yield tally
