"""Push what is pending to the stores of SIP servers."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from provisioning.core.errors import Busy, ProvisioningError
from provisioning.core.text import counted
from provisioning.management.json_stream import write_object
from provisioning.management.names import find_stores
from provisioning.management.progress_bar import ProgressBar
from provisioning.models import ConfigStore, PendingChange
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.push import outbox, pause
from provisioning.services.push.dead_letters import dead_changes, retry_dead
from provisioning.services.push.push import push_store
from provisioning.services.push.push_preview import (
    KindPreview,
    RowPreview,
    preview_push,
    preview_rows,
)

_FAILED, _NOT_NOW = 1, 3
_COLUMNS = ("pending", "create", "change", "delete", "refused", "given_up")


@dataclass
class StoreAnswer:
    """What is said of one store; `state` is planned, pushed, observed, busy, paused or failed."""

    store: str
    state: str
    kinds: dict[str, dict[str, int]] = field(default_factory=dict)
    pushed: int = 0
    failed: int = 0
    left: int = 0
    problem: str = ""


class Command(BaseCommand):
    """`push_servers [STORE …] [--everything] [--apply] [--json]`: dry unless --apply.

    Exit 0 when all is (or could be) pushed, 3 when a store is busy or pushes are paused, 1 when
    something failed or is left.
    """

    help = (
        "Push what is pending to the stores of SIP servers; without --apply only show what that "
        "would create, change and delete there. Rows that the console neither created nor adopted "
        "are refused, never changed. Exit status: 0 done; 1 something failed or is left, and "
        "stays pending; 3 pushes are paused, or a worker is pushing to the store."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Which stores, how much, and whether to write."""
        parser.add_argument(
            "stores", nargs="*", metavar="STORE", help="names; all if none is given"
        )
        parser.add_argument(
            "--everything",
            action="store_true",
            help="compare every row, not only what is pending: finds and mends drift",
        )
        parser.add_argument(
            "--details", action="store_true", help="every row that would be written, field by field"
        )
        parser.add_argument(
            "--retry", action="store_true", help="with --apply: also what was given up"
        )
        parser.add_argument("--apply", action="store_true", help="push; without it only show")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Go through the stores, then say what was or would be done."""
        if options["details"] and options["apply"]:
            raise CommandError("--details says what would be done; it goes without --apply.")
        stores = find_stores(options["stores"])
        answers = [self._answer(store, options) for store in stores]
        try:
            if options["json"]:
                self._print_json(stores, answers, options)
            else:
                for store, answer in zip(stores, answers, strict=True):
                    self._print(answer)
                    for row in _rows(store, answer, options):
                        self.stdout.write(_in_words(row))
                if not options["apply"]:
                    self.stdout.write("Nothing was written. Add --apply to push.")
        except ProvisioningError as error:
            raise CommandError(error.message, returncode=_FAILED) from error
        self._leave(answers, options)

    def _answer(self, store: ConfigStore, options: dict[str, Any]) -> StoreAnswer:
        if store.mode != ConfigStore.Mode.MANAGE:
            return StoreAnswer(store.name, "observed")
        try:
            if options["apply"]:
                return _push(store, everything=options["everything"], retry=options["retry"])
            return _planned(store, preview_push(store=store, everything=options["everything"]))
        except Busy as error:
            return StoreAnswer(store.name, "busy", problem=error.message)
        except ProvisioningError as error:
            return StoreAnswer(store.name, "failed", problem=error.message)

    def _print(self, answer: StoreAnswer) -> None:
        self.stdout.write(self.style.MIGRATE_HEADING(f"{answer.store}: {answer.state}"))
        if answer.kinds:
            self.stdout.write(_line("", *(name.replace("_", " ") for name in _COLUMNS)))
        for kind, counts in answer.kinds.items():
            numbers = (f"{counts[name]:,}" for name in _COLUMNS)
            self.stdout.write(_line(kind.replace("_", " "), *numbers))
        if answer.state == "pushed":
            self.stdout.write(
                f"  {counted(answer.pushed, 'row')} written and read back, "
                f"{answer.failed:,} failed, {answer.left:,} pending changes left."
            )
        if answer.problem:
            self.stdout.write(f"  {answer.problem}")

    def _print_json(
        self, stores: list[ConfigStore], answers: list[StoreAnswer], options: dict[str, Any]
    ) -> None:
        """One object; rows are written as they are found, for there may be 100,000."""
        if not options["details"]:
            whole = {"applied": options["apply"], "stores": [vars(each) for each in answers]}
            self.stdout.write(json.dumps(whole, ensure_ascii=False))
            return
        self.stdout.write('{"applied": false, "stores": [', ending="")
        for place, (store, answer) in enumerate(zip(stores, answers, strict=True)):
            self.stdout.write(", " if place else "", ending="")
            rows = map(asdict, _rows(store, answer, options))
            write_object(self.stdout, vars(answer), "rows", rows)
        self.stdout.write("]}")

    def _leave(self, answers: list[StoreAnswer], options: dict[str, Any]) -> None:
        states = {answer.state for answer in answers}
        if any(answer.failed or answer.left or answer.state == "failed" for answer in answers):
            raise CommandError("Not all is pushed; the rest stays pending.", returncode=_FAILED)
        if options["apply"] and options["stores"] and "observed" in states:
            raise CommandError("A store in Observe is never written to.", returncode=_FAILED)
        if states & {"busy", "paused"}:
            raise CommandError("Not now; what is pending stays so.", returncode=_NOT_NOW)


def _planned(store: ConfigStore, kinds: list[KindPreview]) -> StoreAnswer:
    return StoreAnswer(store.name, "planned", {each.kind: each.as_dict() for each in kinds})


def _push(store: ConfigStore, *, everything: bool, retry: bool) -> StoreAnswer:
    if pause.is_paused():
        return StoreAnswer(store.name, "paused", problem="All pushes are paused.")
    if retry and dead_changes(store=store).exists():
        retry_dead(store=store, actor=COMMAND_LINE)
    if everything:
        outbox.mark_store(store)
    total = 0
    if sys.stderr.isatty():
        total = sum(each.rows + each.refused for each in preview_push(store=store))
    bar = ProgressBar(f"Pushing to {store}", total, sys.stderr)
    try:
        report = push_store(store_id=store.pk, mend=everything, tell=bar.show)
    finally:
        bar.close()
    left = PendingChange.objects.filter(outbox.RELEASED, store=store).count()
    return StoreAnswer(
        store.name,
        "failed" if report.problem else "pushed",
        pushed=report.changed,
        failed=report.failed,
        left=left,
        problem=report.problem,
    )


def _rows(store: ConfigStore, answer: StoreAnswer, options: dict[str, Any]) -> Iterator[RowPreview]:
    if options["details"] and answer.state == "planned":
        yield from preview_rows(store=store, everything=options["everything"])


def _in_words(row: RowPreview) -> str:
    fields = "; ".join(
        name if want is None and have is None else f"{name}: {have or ''} → {want or ''}"
        for name, want, have in row.fields
    )
    kind = row.kind.replace("_", " ")
    return f"  {row.action} {kind} {row.key} {row.problem or f'({fields})'}"


def _line(name: str, *cells: str) -> str:
    return f"  {name:12}" + "".join(f"{cell:>10}" for cell in cells)
