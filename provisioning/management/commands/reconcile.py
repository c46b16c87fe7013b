"""Find drift: what stands at stores otherwise than the console left it."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from provisioning.management.names import find_stores
from provisioning.models import ConfigStore
from provisioning.services.push import drift_rows
from provisioning.services.push.reconcile import DriftReport, reconcile

_DRIFT, _FAILED = 1, 2


class Command(BaseCommand):
    """`reconcile [STORE …] [--repair] [--json]`: only looks unless --repair.

    Exit 0 when nothing differs, 1 when something does, 2 when a store cannot be read.
    """

    help = (
        "Compare everything at managed stores with what is intended, and keep what differs. "
        "Nothing is written there; --repair asks the next push to. "
        "Exit status: 0 no drift; 1 drift; 2 a store cannot be read."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Which stores, whether to repair, and how to print."""
        parser.add_argument("stores", nargs="*", metavar="STORE", help="names; all managed if none")
        parser.add_argument("--repair", action="store_true", help="repair what nobody ignores")
        parser.add_argument("--examples", type=int, default=20, help="differences to print each")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Look, then say what differs."""
        stores = [s for s in find_stores(options["stores"]) if s.mode == ConfigStore.Mode.MANAGE]
        if options["stores"] and len(stores) < len(options["stores"]):
            raise CommandError("A store in Observe has no drift.", returncode=_FAILED)
        reports = [reconcile(store=store, repair=options["repair"]) for store in stores]
        if options["json"]:
            said = [
                {**report.as_json(), "rows": _rows(report, options["examples"])}
                for report in reports
            ]
            self.stdout.write(json.dumps({"stores": said}, ensure_ascii=False))
        else:
            for report in reports:
                self._print(report, options["examples"])
        if any(report.problem for report in reports):
            raise CommandError("Not every store could be read.", returncode=_FAILED)
        if any(report.total for report in reports):
            raise CommandError("There is drift.", returncode=_DRIFT)

    def _print(self, report: DriftReport, examples: int) -> None:
        self.stdout.write(self.style.MIGRATE_HEADING(f"{report.store}: {report.total:,} differ"))
        if report.problem:
            self.stdout.write(f"  {report.problem}")
        if report.waiting:
            self.stdout.write(f"  Not looked at, a push compares it: {', '.join(report.waiting)}")
        for row in _rows(report, examples):
            fields = ", ".join(name for name, *_ in row["fields"])
            self.stdout.write(f"  {row['kind']} {row['key']}: {row['problem']} {fields}".rstrip())
        if report.ignored:
            self.stdout.write(f"  {report.ignored:,} more are ignored for now.")
        if report.repairing:
            self.stdout.write(f"  {report.repairing:,} are repaired by the next push.")


def _rows(report: DriftReport, examples: int) -> list[dict[str, Any]]:
    rows = drift_rows.open_drift(store=report.store).order_by("kind", "key")[:examples]
    return [
        {
            "kind": row.kind, "key": row.key, "problem": row.problem, "fields": row.fields,
            "first_seen": row.first_seen.isoformat(),
        }
        for row in rows
    ]  # fmt: skip
