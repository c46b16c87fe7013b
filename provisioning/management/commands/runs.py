"""Runs: listed, one shown with what it holds, and with --apply decided on."""

from __future__ import annotations

import json
from itertools import islice
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.db.models import Count

from provisioning.core.errors import InvalidInput, ProvisioningError
from provisioning.management.approver import ask_approver
from provisioning.management.json_stream import write_object
from provisioning.management.run_output import RunOutput
from provisioning.models import DirectorySource, PlannedChange, Run
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.runs import review, runs
from provisioning.services.runs.run_report import changes_of, figures_of, report_run, summary_of

_SHOWN = 100
_EXAMPLES = 20
_HELD = PlannedChange.Status.HELD
_ACTS = {
    "approve": "apply everything that waits",
    "discard": "apply nothing of what waits",
    "stop": "stop it before it applies anything",
}


class Command(BaseCommand):
    """`runs [N] [--state …] [--approve | --release NAME … | --discard | --stop] [--apply]`."""

    help = (
        "List runs, or show one with what it holds; with an option and --apply decide on it. Who "
        "approves, releases or discards gives the password of a console user who may, asked for or "
        "read from standard input. Exit status: 0 done, 1 there is no such run or it was refused."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Which, what to do with it, for real or not, and how to print."""
        parser.add_argument("run", nargs="?", type=int, metavar="N", help="only this one")
        parser.add_argument("--state", choices=Run.State.values, help="only those in this state")
        parser.add_argument("--kind", choices=Run.Kind.values, help="only those of this kind")
        parser.add_argument("--source", metavar="NAME", help="only those of this source")
        parser.add_argument(
            "--details", action="store_true", help="with N: every change, not only what waits"
        )
        what = parser.add_mutually_exclusive_group()
        for name, means in _ACTS.items():
            what.add_argument(f"--{name}", dest="act", action="store_const", const=name, help=means)
        what.add_argument(
            "--release", nargs="+", metavar="NAME",
            help="apply what waits for these people or groups only: name, user name, SIP URI, GUID",
        )  # fmt: skip
        parser.add_argument("--user", metavar="NAME", help="the console user who decides")
        parser.add_argument("--apply", action="store_true", help="do it")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Show it, then decide; or list."""
        acts = bool(options["act"] or options["release"])
        if options["run"] is None:
            if acts:
                raise CommandError("Say which run: its number.")
            return self._list(options)
        run = Run.objects.filter(pk=options["run"]).first()
        if run is None:
            raise CommandError(f"There is no run #{options['run']}.")
        if not options["json"]:
            self._show(run, details=options["details"])
        done = ""
        if acts:
            try:
                done = _decide(run, options)
            except ProvisioningError as error:
                raise CommandError(error.message) from error
        if options["json"]:
            run.refresh_from_db()
            head = {**_told(run), **report_run(run=run).as_json(), "done": done}
            status = "" if options["details"] else _HELD
            write_object(self.stdout, head, "changes", changes_of(run, status=status))
        elif done:
            self.stdout.write(done)
        return None

    def _list(self, options: dict[str, Any]) -> None:
        rows = Run.objects.select_related("source", "undoes", "requested_by", "approved_by")
        if options["source"] is not None:
            source = DirectorySource.objects.filter(name=options["source"]).first()
            if source is None:
                raise CommandError(f"There is no source “{options['source']}”.")
            rows = rows.filter(source=source)
        for name in ("state", "kind"):
            if options[name]:
                rows = rows.filter(**{name: options[name]})
        found = list(rows.order_by("-pk")[:_SHOWN])
        held = _held_in(found)
        if options["json"]:
            listed = [{**_told(row), "held": held.get(row.pk, 0)} for row in found]
            self.stdout.write(json.dumps({"runs": listed}, ensure_ascii=False, indent=2))
            return
        for row in found:
            waits = f"; {held[row.pk]:,} wait" if row.pk in held else ""
            self.stdout.write(f"{_title(row)}; {summary_of(row) or 'nothing to change'}{waits}")
            if row.problem:
                self.stdout.write(f"    {row.problem}")
        if not found:
            self.stdout.write("No run.")

    def _show(self, run: Run, *, details: bool) -> None:
        report = report_run(run=run)
        RunOutput(self, quiet=True).print(report, title=_title(run), details=details)
        if run.state in (Run.State.QUEUED, Run.State.RUNNING) and run.total:
            self.stdout.write(f"  {run.done:,} of about {run.total:,} done")
        if not report.held or details:
            return
        self.stdout.write(self.style.WARNING(f"  Waiting: {report.held:,}"))
        for change in islice(changes_of(run, status=_HELD), _EXAMPLES):
            self.stdout.write(f"    {_in_words(change)}")
        if report.held > _EXAMPLES:
            self.stdout.write(f"    and {report.held - _EXAMPLES:,} more; --details prints all.")


def _decide(run: Run, options: dict[str, Any]) -> str:
    """Do what the options ask for; what was, or would be done."""
    chosen = dict(review.find_held(run=run, text=text) for text in options["release"] or ())
    what = f"release {', '.join(chosen.values())}" if chosen else _ACTS[options["act"]]
    if options["act"] == "stop":
        with transaction.atomic():
            runs.stop_run(run=run, actor=COMMAND_LINE)
            transaction.set_rollback(not options["apply"])
    elif run.state != Run.State.WAITING:
        raise InvalidInput(f"Nothing waits in {run}. Nothing was changed.")
    if not options["apply"]:
        return f"Nothing was changed; --apply does it: {what}."
    if options["act"] == "stop":
        return f"Done: {what}."
    # What was shown above is what is approved: its digest was read before anybody was asked.
    actor = ask_approver(options["user"])
    if chosen:
        review.release_people(run=run, digest=run.digest, subjects=list(chosen), actor=actor)
    elif options["act"] == "approve":
        review.approve_run(run=run, digest=run.digest, actor=actor)
    else:
        review.discard_run(run=run, actor=actor)
        return f"Done: {what}. The next run plans it again as long as the directory says so."
    return f"Done: {what}. A worker applies it."


def _held_in(found: list[Run]) -> dict[int, int]:
    """How many changes wait in each run that holds any: one query."""
    held = PlannedChange.objects.filter(run__in=found, status=_HELD)
    return dict(held.values_list("run").annotate(Count("pk")))


def _title(run: Run) -> str:
    by = f", approved by {run.approved_by}" if run.approved_by else ""
    at = f"{run.created_at:%Y-%m-%d %H:%M:%S} UTC"
    of = f", {run.source or run.undoes}" if run.source or run.undoes else ""
    return f"#{run.pk} {run.get_kind_display()}{of}: {run.get_state_display().lower()}{by}, {at}"


def _in_words(change: dict[str, Any]) -> str:
    fields = "; ".join(
        f"{name}: {'' if old is None else old} → {new}"
        for name, (old, new) in change["fields"].items()
    )
    text = f"{change['action']} {change['kind']} {change['name']}"
    return f"{text}{f' ({fields})' if fields else ''}: {change['message']}"


def _told(run: Run) -> dict[str, Any]:
    moments = ("created_at", "started_at", "finished_at", "approved_at")
    return {
        "run": run.pk,
        "kind": run.kind,
        "of": str(run.source or run.undoes or ""),
        "state": run.state,
        "dry": run.dry,
        "phase": run.phase,
        "steps_done": run.done,
        "steps": run.total,
        "asked_by": run.requested_by.username if run.requested_by else None,
        "approved_by": run.approved_by.username if run.approved_by else None,
        "figures": figures_of(run),
        "problem": run.problem,
        "remark": run.remark,
        **{
            name.removesuffix("_at"): at.isoformat(timespec="seconds") if at else None
            for name, at in ((name, getattr(run, name)) for name in moments)
        },
    }
