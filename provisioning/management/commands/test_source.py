"""Test the connection of a source, step by step; nothing is changed."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from provisioning.management.step_output import FAILED, WARNING, print_step, steps_as_json
from provisioning.models import DirectorySource
from provisioning.services.directory.source_test import probe_source
from provisioning.services.servers.connection_test import StepState

_UNKNOWN = 3


class Command(BaseCommand):
    """`test_source NAME [--json]`."""

    help = (
        "Test the connection of a source from its address to its groups, with the stored secret. "
        "Exit status: 0 every step works; 1 a step failed; 2 it works, with a warning; 3 there is "
        "no such source."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Which source, and how to print."""
        parser.add_argument("name", help="the name of the source")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print each step as soon as it is known."""
        source = DirectorySource.objects.filter(name=options["name"]).first()
        if source is None:
            names = ", ".join(
                DirectorySource.objects.order_by("name").values_list("name", flat=True)
            )
            raise CommandError(
                f"There is no source “{options['name']}”. Sources: {names or 'none'}.",
                returncode=_UNKNOWN,
            )
        steps = []
        for step in probe_source(source=source, secret=None):
            steps.append(step)
            if not options["json"]:
                print_step(self.stdout, step)
        if options["json"]:
            answer = {"source": source.name, "steps": steps_as_json(steps)}
            self.stdout.write(json.dumps(answer, ensure_ascii=False, indent=2))
        states = {step.state for step in steps}
        if StepState.FAILED in states:
            raise CommandError("The test ended at the step that failed.", returncode=FAILED)
        if StepState.WARNING in states:
            raise CommandError("It works; look at the warnings.", returncode=WARNING)
