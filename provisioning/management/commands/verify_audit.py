"""Check that no event of the audit log was changed."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from provisioning.models import AuditEvent
from provisioning.services.console import audit


class Command(BaseCommand):
    """`verify_audit`: exit 0 if the chain holds, 1 with the first event that does not fit."""

    help = (
        "Check the chain of the audit log. Exit status: 0 it holds; 1 an event was changed, or one "
        "is gone; the first is named."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Follow the chain from the first event to the last."""
        broken = audit.find_broken_event()
        if broken is not None:
            raise CommandError(
                f"Event {broken.pk} ({broken.at:%Y-%m-%d %H:%M:%S} UTC, {broken.action}) does not "
                "follow from the one before: it or that one was changed, or one in between is gone."
            )
        self.stdout.write(f"The audit log is whole: {AuditEvent.objects.count():,} events.")
