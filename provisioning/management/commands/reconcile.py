"""Find drift: what stands at stores otherwise than the console left it."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from provisioning.core.errors import InvalidInput, ProvisioningError
from provisioning.core.text import counted
from provisioning.management.names import a_day, find_stores
from provisioning.models import ConfigStore, Drift
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.push import drift_rows
from provisioning.services.push.drift_actions import ignore, take_over
from provisioning.services.push.reconcile import DriftReport, reconcile

_DRIFT, _FAILED = 1, 2


class Command(BaseCommand):
    """`reconcile [STORE …] [--repair | (--ignore | --take-over) [--apply]] [--json]`.

    Exit 0 when nothing differs, 1 when something does, 2 when a store cannot be read.
    """

    help = (
        "Compare everything at managed stores with what is intended, and keep what differs. "
        "Nothing is written there; --repair asks the next push to. --ignore leaves differences "
        "alone until a day, --take-over makes the server's values the console's. "
        "Exit status: 0 no drift; 1 drift; 2 a store cannot be read, or it was refused."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Which stores, whether to repair, and how to print."""
        parser.add_argument("stores", nargs="*", metavar="STORE", help="names; all managed if none")
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--repair", action="store_true", help="repair what nobody ignores")
        what.add_argument("--ignore", action="store_true", help="leave it alone until --until")
        what.add_argument(
            "--take-over", action="store_true", help="the server's password or number is right"
        )
        parser.add_argument(
            "--of", nargs="+", action="extend", metavar="KEY",
            help="ignore, take over: only at these keys; all differences without",
        )  # fmt: skip
        parser.add_argument("--until", type=a_day, metavar="DAY", help="ignore: that day included")
        parser.add_argument("--reason", default="", metavar="TEXT", help="ignore: why")
        parser.add_argument("--apply", action="store_true", help="ignore, take over: do it")
        parser.add_argument("--examples", type=int, default=20, help="differences to print each")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Look, then say what differs."""
        stores = [s for s in find_stores(options["stores"]) if s.mode == ConfigStore.Mode.MANAGE]
        if options["stores"] and len(stores) < len(options["stores"]):
            raise CommandError("A store in Observe has no drift.", returncode=_FAILED)
        reports = [reconcile(store=store, repair=options["repair"]) for store in stores]
        done = self._decide(stores, options) if options["ignore"] or options["take_over"] else ""
        if options["json"]:
            said = [
                {**report.as_json(), "rows": _rows(report, options["examples"])}
                for report in reports
            ]
            self.stdout.write(json.dumps({"stores": said, "done": done}, ensure_ascii=False))
        else:
            for report in reports:
                self._print(report, options["examples"])
            if done:
                self.stdout.write(done)
        if any(report.problem for report in reports):
            raise CommandError("Not every store could be read.", returncode=_FAILED)
        if any(drift_rows.open_drift(store=store).exists() for store in stores):
            raise CommandError("There is drift.", returncode=_DRIFT)

    def _decide(self, stores: list[ConfigStore], options: dict[str, Any]) -> str:
        """Ignore or take over; what was, or would be done."""
        chosen = {store: _chosen(store, options["of"]) for store in stores}
        count = sum(map(len, chosen.values()))
        what = "ignored" if options["ignore"] else "taken over"
        try:
            if not count:
                raise InvalidInput("There is no such difference. Nothing was changed.")
            # Without --apply it is done and taken back, so that what would be refused is told.
            with transaction.atomic():
                for store, rows in chosen.items():
                    _act(store, rows, options)
                transaction.set_rollback(not options["apply"])
        except ProvisioningError as error:
            raise CommandError(error.message, returncode=_FAILED) from error
        said = counted(count, "difference")
        if options["apply"]:
            return f"{said} {what}."
        return f"{said} would be {what}. Nothing was changed; add --apply."

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


def _chosen(store: ConfigStore, keys: list[str] | None) -> list[Drift]:
    rows = drift_rows.open_drift(store=store).order_by("kind", "key")
    return list(rows if keys is None else rows.filter(key__in=keys))


def _act(store: ConfigStore, rows: list[Drift], options: dict[str, Any]) -> None:
    if options["take_over"]:
        for each in rows:
            take_over(store=store, drift=each, actor=COMMAND_LINE)
    elif rows:
        if options["until"] is None:
            raise InvalidInput("Say until which day: --until. Nothing was changed.")
        ignore(
            store=store, drift=rows, until=options["until"], reason=options["reason"],
            actor=COMMAND_LINE,
        )  # fmt: skip


def _rows(report: DriftReport, examples: int) -> list[dict[str, Any]]:
    rows = drift_rows.open_drift(store=report.store).order_by("kind", "key")[:examples]
    return [
        {
            "kind": row.kind, "key": row.key, "problem": row.problem, "fields": row.fields,
            "first_seen": row.first_seen.isoformat(),
        }
        for row in rows
    ]  # fmt: skip
