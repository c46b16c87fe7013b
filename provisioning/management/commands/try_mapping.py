"""Show what the attribute map of a source makes of one real entry; nothing is changed."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from provisioning.core.errors import ProvisioningError
from provisioning.models import DirectorySource
from provisioning.services.directory.mapping_sample import DISABLED, MappingSample, try_mapping

_UNUSABLE, _UNKNOWN = 1, 3


class Command(BaseCommand):
    """`try_mapping SOURCE [--find TEXT] [--next N] [--set FIELD=EXPRESSION …] [--json]`."""

    help = (
        "Show what the attribute map of a source, with the edits that --set gives, makes of one "
        "entry and why; nothing is kept. Exit status: 0 the entry can be used; 1 it or an "
        "expression cannot; 3 there is no such source or entry."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Which source, whom to try it on, which edits, and how to print."""
        parser.add_argument("name", help="the name of the source")
        parser.add_argument(
            "--find", default="", metavar="TEXT", help="part of a name, user name or mail address"
        )
        parser.add_argument(
            "--next", type=int, default=0, metavar="N", help="leave out the first N who are found"
        )
        parser.add_argument(
            "--set", action="append", default=[], metavar="FIELD=EXPRESSION", dest="edits",
            help="another expression for a field, or for “disabled”; may be given several times",
        )  # fmt: skip
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the entry and each field."""
        source = DirectorySource.objects.filter(name=options["name"]).first()
        if source is None:
            raise CommandError(f"There is no source “{options['name']}”.", returncode=_UNKNOWN)
        for edit in options["edits"]:
            field, _, text = edit.partition("=")
            if field == DISABLED:
                source.disabled_expression = text
            else:
                source.mapping[field] = text
        try:
            sample = try_mapping(
                source=source, secret=None, text=options["find"], place=max(0, options["next"])
            )
        except ProvisioningError as error:
            raise CommandError(error.message, returncode=_UNUSABLE) from error
        if sample.entry is None:
            raise CommandError("Nobody was found.", returncode=_UNKNOWN)
        if options["json"]:
            self._print_json(sample)
        else:
            self._print(sample)
        if sample.problem or any(result.problem for result in sample.fields.values()):
            raise CommandError(
                sample.problem or "An expression cannot be used.", returncode=_UNUSABLE
            )

    def _print(self, sample: MappingSample) -> None:
        assert sample.entry is not None  # noqa: S101 - for the type checker: handle() looked
        self.stdout.write(self.style.MIGRATE_HEADING(sample.entry.entry.dn))
        for name, values in sample.entry.shown:
            self.stdout.write(f"  {name}: {'; '.join(values)}")
        self.stdout.write(self.style.MIGRATE_HEADING("Fields"))
        for name, result in sample.fields.items():
            value = f"FAILED: {result.problem}" if result.problem else result.value or "empty"
            why = f"  ({result.why})" if result.why else ""
            self.stdout.write(f"  {name}: {value}{why if result.counts else '  (does not count)'}")
        if sample.left_out:
            self.stdout.write("The entry is left out: nobody who could have an account.")

    def _print_json(self, sample: MappingSample) -> None:
        assert sample.entry is not None  # noqa: S101 - for the type checker: handle() looked
        answer = {
            "dn": sample.entry.entry.dn,
            "attributes": dict(sample.entry.shown),
            "never_read": sample.entry.hidden,
            "fields": {name: asdict(result) for name, result in sample.fields.items()},
            "left_out": sample.left_out,
            "problem": sample.problem,
        }
        self.stdout.write(json.dumps(answer, ensure_ascii=False, indent=2))
