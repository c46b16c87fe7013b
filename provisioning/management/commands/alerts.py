"""What is wrong now; with --acknowledge, say that somebody knows."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from provisioning.core.errors import ProvisioningError
from provisioning.core.severity import Severity
from provisioning.models import Alert
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.alerts.alerts import acknowledge, look

_WRONG, _FAILED = 1, 2


class Command(BaseCommand):
    """`alerts [--kept] [--acknowledge N … [--note TEXT]] [--json]`."""

    help = (
        "Look for what is wrong now and print it, the worst first. Exit status: 0 nothing is "
        "wrong; 1 something is, that nobody has acknowledged; 2 the command failed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """What to do, and how to print."""
        parser.add_argument("--kept", action="store_true", help="as last found; look for nothing")
        parser.add_argument(
            "--acknowledge", nargs="+", type=int, metavar="N", default=[],
            help="say that somebody knows of these alerts",
        )  # fmt: skip
        parser.add_argument("--note", default="", help="with --acknowledge: what is done about it")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Look, acknowledge, print."""
        if not options["kept"]:
            look()
        if options["acknowledge"]:
            self._check(options["acknowledge"])
            try:
                acknowledge(
                    alert_ids=options["acknowledge"], note=options["note"], actor=COMMAND_LINE
                )
            except ProvisioningError as error:
                raise CommandError(error.message, returncode=_FAILED) from error
        order = [severity.value for severity in Severity]
        found = sorted(
            Alert.objects.filter(ended_at=None).order_by("since"),
            key=lambda alert: order.index(alert.severity),
        )
        if options["json"]:
            said = {"alerts": [_fields(alert) for alert in found]}
            self.stdout.write(json.dumps(said, ensure_ascii=False))
        else:
            self._print(found)
        wrong = [a for a in found if a.acknowledged_at is None and a.severity != Severity.DECISION]
        if wrong:
            raise CommandError(
                f"{len(wrong)} alert{'s' if len(wrong) != 1 else ''} nobody has acknowledged.",
                returncode=_WRONG,
            )

    def _check(self, numbers: list[int]) -> None:
        open_now = Alert.objects.filter(ended_at=None, pk__in=numbers)
        missing = set(numbers) - set(open_now.values_list("pk", flat=True))
        if missing:
            raise CommandError(
                f"There is no open alert #{min(missing)}. Nothing was acknowledged.",
                returncode=_FAILED,
            )

    def _print(self, found: list[Alert]) -> None:
        if not found:
            self.stdout.write("Nothing is wrong.")
        for alert in found:
            label = Severity(alert.severity).label
            self.stdout.write(self.style.MIGRATE_HEADING(f"#{alert.pk} {label}: {alert.title}"))
            self.stdout.write(f"  {alert.text}")
            if alert.acknowledged_at:
                by = alert.acknowledged_by or "somebody"
                self.stdout.write(f"  Known to {by}: {alert.note}".rstrip(": "))


def _fields(alert: Alert) -> dict[str, Any]:
    return {
        "id": alert.pk, "kind": alert.kind, "severity": alert.severity, "title": alert.title,
        "text": alert.text, "since": alert.since.isoformat(),
        "acknowledged": alert.acknowledged_at is not None, "note": alert.note,
    }  # fmt: skip
