"""Numbers: listed, given a state, imported from CSV; dry by default, with --apply for real."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import transaction
from django.db.models import QuerySet

from provisioning.core.errors import InvalidInput, ProvisioningError
from provisioning.core.spreadsheet import csv_lines
from provisioning.core.telephone import normalise
from provisioning.management.any_order import AnyOrderCommand
from provisioning.management.json_stream import write_object
from provisioning.models import Number, NumberRange, Site
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.numbers.number_import import (
    COLUMNS,
    ImportPlan,
    ImportRow,
    import_numbers,
    plan_import,
)
from provisioning.services.numbers.numbers import add_number, set_number_state
from provisioning.services.numbers.ranges import numbers_in

_PROBLEMS = 2
_PART = 2000
_LINES = 50
_STDIN = "-"


class Command(AnyOrderCommand):
    """`numbers (list | set | import) [NUMBER | FILE] [--state …] [--apply] [--json | --csv]`."""

    help = (
        "List the numbers that the console knows, say what one is that nobody has, or import some "
        "from CSV. Exit status: 0 done; 1 not possible; 2 some lines cannot be imported, the "
        "others are or could be."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """What to do, with which, for real or not, and how to print."""
        parser.add_argument("action", choices=("list", "set", "import"))
        parser.add_argument(
            "what", nargs="?", metavar="NUMBER|FILE",
            help="set: in E.164; import: CSV, - for stdin",
        )  # fmt: skip
        parser.add_argument(
            "--state", choices=Number.State.values, help="list: only these; set: it"
        )
        parser.add_argument("--note", default="", metavar="TEXT", help="set: such as fax, floor 2")
        parser.add_argument("--range", metavar="NAME", help="list: only those of this range")
        parser.add_argument("--site", metavar="NAME", help="list: only of accounts of this site")
        parser.add_argument(
            "--country", default="", metavar="CC",
            help="import: whose national numbers they are, such as DE",
        )  # fmt: skip
        parser.add_argument("--apply", action="store_true", help="set, import: do it")
        form = parser.add_mutually_exclusive_group()
        form.add_argument("--json", action="store_true", help="print JSON")
        form.add_argument("--csv", action="store_true", help="list: print CSV for import")

    def handle(self, *args: Any, **options: Any) -> None:
        """List or import."""
        try:
            if options["action"] == "list":
                return self._list(_chosen(options), options)
            if options["action"] == "set":
                return self._set(options)
            plan = _imported(_text(options["what"]), options)
        except ProvisioningError as error:
            raise CommandError(error.message) from error
        self._tell(plan, options)
        if plan.problems:
            count = len(plan.problems)
            raise CommandError(
                f"{count:,} line{'' if count == 1 else 's'} cannot be imported.",
                returncode=_PROBLEMS,
            )
        return None

    def _list(self, rows: QuerySet[Number], options: dict[str, Any]) -> None:
        found = rows.order_by("e164").iterator(chunk_size=_PART)
        if options["csv"]:
            for line in csv_lines(_cells(found)):
                self.stdout.write(line, ending="")
            return
        for row in found:
            if options["json"]:
                self.stdout.write(json.dumps(_told(row), ensure_ascii=False))
            else:
                who = f"  {row.account} (sip:{row.account.aor})" if row.account else ""
                note = f"  {row.note}" if row.note else ""
                self.stdout.write(f"{row.e164}  {row.state}{who}{note}")

    def _set(self, options: dict[str, Any]) -> None:
        if not options["what"] or not options["state"]:
            raise InvalidInput("Say which number, and --state. Nothing was changed.")
        state, note = Number.State(options["state"]), options["note"]
        e164 = normalise(options["what"])
        known = Number.objects.filter(e164=e164).first()
        before = known.state if known else None
        # Without --apply it is done and taken back, so that what would be refused is told.
        with transaction.atomic():
            number = (
                set_number_state(number=known, state=state, note=note, actor=COMMAND_LINE)
                if known
                else add_number(e164=e164, state=state, note=note, actor=COMMAND_LINE)
            )
            transaction.set_rollback(not options["apply"])
        if options["json"]:
            told = {**_told(number), "before": before, "dry": not options["apply"]}
            self.stdout.write(json.dumps(told, ensure_ascii=False, indent=2))
            return
        self.stdout.write(f"{number}: {before or 'not known'} → {number.state}")
        if not options["apply"]:
            self.stdout.write("Nothing was changed; add --apply.")

    def _tell(self, plan: ImportPlan, options: dict[str, Any]) -> None:
        if options["json"]:
            head = {"counts": plan.counts, "dry": not options["apply"]}
            write_object(self.stdout, head, "lines", map(asdict, plan.rows))
            return
        for row in [row for row in plan.rows if row.action != "none"][:_LINES]:
            self.stdout.write(_in_words(row))
        shown = plan.counts.get("none", 0) + _LINES
        if len(plan.rows) > shown:
            self.stdout.write(f"and {len(plan.rows) - shown:,} more; --json prints all.")
        words = {"add": "new", "change": "changed", "none": "so already", "problem": "unusable"}
        counts = [f"{plan.counts[key]:,} {word}" for key, word in words.items()
                  if key in plan.counts]  # fmt: skip
        self.stdout.write(f"{', '.join(counts) or 'No line'}.")
        if not options["apply"]:
            self.stdout.write("Nothing was imported; add --apply.")


def _chosen(options: dict[str, Any]) -> QuerySet[Number]:
    rows = Number.objects.select_related("account", "used_in")
    if options["state"]:
        rows = rows.filter(state=options["state"])
    if options["site"] is not None:
        site = Site.objects.filter(name=options["site"]).first()
        if site is None:
            raise InvalidInput(f"There is no site “{options['site'][:80]}”.")
        rows = rows.filter(account__site=site)
    if options["range"] is not None:
        number_range = NumberRange.objects.filter(name=options["range"]).first()
        if number_range is None:
            raise InvalidInput(f"There is no number range “{options['range'][:80]}”.")
        rows = numbers_in(number_range, rows)
    return rows


def _imported(text: str, options: dict[str, Any]) -> ImportPlan:
    """What is, or would be, imported; a file without a good line changes nothing."""
    country = options["country"].upper()
    plan = plan_import(text=text, country=country)
    if not options["apply"]:
        return plan
    return import_numbers(text=text, country=country, digest=plan.digest, actor=COMMAND_LINE)


def _text(name: str | None) -> str:
    if name is None:
        raise InvalidInput("Say which file; - is standard input. Nothing was imported.")
    try:
        content = sys.stdin.buffer.read() if name == _STDIN else Path(name).read_bytes()
        return content.decode("utf-8-sig")
    except OSError as error:
        raise InvalidInput(f"{name} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{name} is not UTF-8 text. Nothing was imported.") from error


def _cells(rows: Iterator[Number]) -> Iterator[tuple[str, ...]]:
    yield COLUMNS[:4]
    for row in rows:
        yield row.e164, f"sip:{row.account.aor}" if row.account else "", row.state, row.note


def _told(row: Number) -> dict[str, Any]:
    until = row.quarantined_until
    return {
        "number": row.e164,
        "state": row.state,
        "account": row.account.aor if row.account else None,
        "name": row.account.name if row.account else None,
        "used_in": str(row.used_in) if row.used_in else None,
        "quarantined_until": until.isoformat(timespec="seconds") if until else None,
        "note": row.note,
    }


def _in_words(row: ImportRow) -> str:
    if row.problem:
        return f"line {row.line}: {row.e164 or 'no number'}: {row.problem}"
    to = f" of sip:{row.aor}" if row.aor else ""
    note = f" ({row.note})" if row.note else ""
    return f"line {row.line}: {row.action} {row.e164}: {row.state}{to}{note}"
