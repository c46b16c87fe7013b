"""Report what an existing SIP server's database holds, without changing a row."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from provisioning.core.errors import ProvisioningError
from provisioning.core.text import counted
from provisioning.management.names import find_stores
from provisioning.services.servers.observe import LABELS, Category, ObserveReport, observe_store
from provisioning.services.servers.observe_csv import write_csv


class Command(BaseCommand):
    """`observe_server <store> [--json | --csv]`: exit 1 when the store cannot be read."""

    help = (
        "Compare a store with people and accounts here: matched people, accounts of leavers or of "
        "nobody known, duplicate numbers, drift. Nothing is written. Exit status: 0 compared; "
        "1 the store cannot be read."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """The store's name, and how to print."""
        parser.add_argument("store", help="name of the configuration store")
        parser.add_argument("--examples", type=int, default=5, help="examples of each kind")
        form = parser.add_mutually_exclusive_group()
        form.add_argument("--json", action="store_true", help="print one JSON object")
        form.add_argument("--csv", action="store_true", help="print every finding as CSV")

    def handle(self, *args: Any, **options: Any) -> None:
        """Look and print."""
        (store,) = find_stores([options["store"]])
        try:
            if options["csv"]:
                for line in write_csv(store=store):
                    self.stdout.write(line, ending="")
                return
            report = observe_store(store=store, examples=options["examples"])
        except ProvisioningError as error:
            raise CommandError(error.message) from error
        if options["json"]:
            self.stdout.write(json.dumps(report.as_json(), ensure_ascii=False, indent=2))
        else:
            self._print(report)

    def _print(self, report: ObserveReport) -> None:
        self.stdout.write(
            f"{report.store}: {counted(report.accounts, 'account')}. Nothing was changed."
        )
        for domain, count in report.domains.items():
            unknown = "  (no SIP domain here)" if domain in report.unknown_domains else ""
            self.stdout.write(f"  {domain}: {count:,}{unknown}")
        self.stdout.write(f"People found: {report.people_found:,} of {report.people:,}")
        for category in Category:
            heading = f"{LABELS[category]}: {report.counts[category]:,}"
            self.stdout.write(self.style.MIGRATE_HEADING(heading))
            for finding in report.examples[category]:
                who = f"  {finding.person}" if finding.person else ""
                self.stdout.write(f"  {finding.key}{who}  {finding.detail}")
