"""Adopt rows of an existing store, so that the console manages them from then on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from provisioning.core.errors import ProvisioningError
from provisioning.core.text import counted
from provisioning.management.names import find_stores
from provisioning.models import DirectoryGroup
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.servers.adopt import EFFECTS, AdoptReport, adopt, preview_adoption
from provisioning.services.servers.adopt_choice import MATCHES, Portion, read_aors


class Command(BaseCommand):
    """`adopt_accounts STORE [--domain …] [--group …] [--match …] [--aors FILE] [--apply]`."""

    help = (
        "Adopt existing accounts of a store: without --apply only show which, and what the next "
        "push would change at the server. Nothing is written to the store. Exit 1 on failure."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Which store, which rows, and whether to adopt."""
        parser.add_argument("store", help="name of the configuration store")
        parser.add_argument("--domain", action="append", default=[], help="only this SIP domain")
        parser.add_argument("--group", help="only people in this group, by its name")
        parser.add_argument(
            "--match", action="append", default=[], choices=MATCHES, help="only what is found so"
        )
        parser.add_argument("--aors", type=Path, help="only those in the first column of this CSV")
        parser.add_argument(
            "--clear-text", action="store_true", help="take passwords over that are in clear"
        )
        parser.add_argument("--apply", action="store_true", help="adopt; without it only show")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Show or adopt."""
        (store,) = find_stores([options["store"]])
        portion = _portion(options)
        try:
            if options["apply"]:
                report = adopt(store=store, portion=portion, actor=COMMAND_LINE)
            else:
                report = preview_adoption(store=store, portion=portion)
        except ProvisioningError as error:
            raise CommandError(error.message) from error
        if options["json"]:
            answer = {"applied": options["apply"], "store": store.name, **report.as_json()}
            self.stdout.write(json.dumps(answer, ensure_ascii=False))
        else:
            self._print(report, applied=options["apply"])

    def _print(self, report: AdoptReport, *, applied: bool) -> None:
        word = "adopted" if applied else "would be adopted"
        self.stdout.write(
            self.style.MIGRATE_HEADING(f"{counted(report.adopted, 'account')} {word}")
        )
        for effect, count in report.effects.items():
            self.stdout.write(f"  {count:,}: {EFFECTS[effect]}")
        if report.digests:
            formats = ", ".join(report.formats)
            self.stdout.write(f"  {report.digests:,} without clear text: no {formats} documents")
        for reason, count in report.left.most_common():
            self.stdout.write(f"  {count:,} left as they are: {reason}")
        if not applied:
            self.stdout.write("Nothing was kept. Add --apply to adopt.")


def _portion(options: dict[str, Any]) -> Portion:
    group = None
    if options["group"]:
        group = DirectoryGroup.objects.filter(name=options["group"], left_at=None).first()
        if group is None:
            raise CommandError(f"There is no group “{options['group']}”.")
    aors = None
    if options["aors"]:
        try:
            aors = read_aors(options["aors"].read_bytes())
        except OSError as error:
            raise CommandError(f"{options['aors']} cannot be read: {error.strerror}.") from error
        except ProvisioningError as error:
            raise CommandError(error.message) from error
    return Portion(
        domains=frozenset(domain.lower() for domain in options["domain"]),
        group=group,
        matches=frozenset(options["match"]),
        aors=aors,
        clear_text=options["clear_text"],
    )
