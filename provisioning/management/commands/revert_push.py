"""Revert a push or an adoption: what stood at the store before stands there again."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from provisioning.core.errors import ProvisioningError
from provisioning.models import PushRecord
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.push.restoring import RevertPlan
from provisioning.services.push.revert import HOLD_DAYS, plan_revert, revert

_SHOWN = 100


class Command(BaseCommand):
    """`revert_push [NUMBER] [--apply --reason …] [--json]`: dry unless --apply."""

    help = (
        "List pushes, or restore what stood at a store before a push or an adoption. Without "
        "--apply only show what would be restored. Rows that moved on since are left out."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Which one, and whether to write."""
        parser.add_argument(
            "number", type=int, nargs="?", help="which push; without, the newest are listed"
        )
        parser.add_argument("--apply", action="store_true", help="revert; without it only show")
        parser.add_argument("--reason", default="", help="why; needed with --apply")
        parser.add_argument("--days", type=int, default=HOLD_DAYS, help="left alone for so long")
        parser.add_argument("--approve", action="store_true", help="pass the store's limit")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Show or revert."""
        if options["number"] is None:
            return self._list(options)
        record = PushRecord.objects.select_related("store").filter(pk=options["number"]).first()
        if record is None:
            raise CommandError(f"There is no push {options['number']}, or it is too old.")
        try:
            if options["apply"]:
                plan = revert(
                    record=record, reason=options["reason"], days=options["days"],
                    approved=options["approve"], actor=COMMAND_LINE,
                )  # fmt: skip
            else:
                plan = plan_revert(record=record)
        except ProvisioningError as error:
            raise CommandError(error.message) from error
        if options["json"]:
            self.stdout.write(json.dumps({"applied": options["apply"], **_counts(plan)}))
            return None
        self.stdout.write(self.style.MIGRATE_HEADING(f"{record} at {record.store}"))
        for name, count in _counts(plan).items():
            self.stdout.write(f"  {name}: {count:,}")
        if not options["apply"]:
            self.stdout.write("Nothing was written. Add --apply to revert.")
        return None

    def _list(self, options: dict[str, Any]) -> None:
        if options["apply"]:
            raise CommandError("Say which push: its number. Nothing was reverted.")
        records = PushRecord.objects.select_related("store", "by", "reverts").order_by("-pk")
        found = [_told(record) for record in records[:_SHOWN]]
        if options["json"]:
            self.stdout.write(json.dumps({"pushes": found}, ensure_ascii=False, indent=2))
            return
        for each in found:
            why = ", ".join(filter(None, (each["by"], each["reason"])))
            self.stdout.write(
                f"#{each['push']} {each['kind']} at {each['store']}, {each['at']}: "
                f"{each['created']:,} created, {each['changed']:,} changed, "
                f"{each['deleted']:,} deleted{f' ({why})' if why else ''}"
            )
        if not found:
            self.stdout.write("No push of the last 90 days.")


def _told(record: PushRecord) -> dict[str, Any]:
    return {
        "push": record.pk, "kind": record.kind, "store": record.store.name,
        "at": record.at.isoformat(timespec="seconds"), "created": record.created,
        "changed": record.changed, "deleted": record.deleted,
        "by": record.by.username if record.by else None, "reason": record.reason,
        "reverts": record.reverts_id, "settled": record.settled,
    }  # fmt: skip


def _counts(plan: RevertPlan) -> dict[str, int]:
    return {
        "written back": plan.written, "created again": plan.created, "deleted": plan.deleted,
        "released": plan.released, "moved on": plan.moved, "failed": len(plan.problems),
    }  # fmt: skip
