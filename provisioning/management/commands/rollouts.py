"""Rollouts: listed, one shown with its stages, and with --apply decided on."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from provisioning.core.errors import ProvisioningError
from provisioning.management.approver import ask_approver
from provisioning.models import Rollout, ServerPool
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.rollouts import actions
from provisioning.services.rollouts.order import choose_first, in_order
from provisioning.services.rollouts.standing import held_by

_SHOWN = 100
_FAILED = 1
# What may be done: the option, and what it means.
_ACTS = {
    "approve": "approve it as it is now, as the console user --user",
    "push-now": "let it wait for no change window (--reason)",
    "pause": "hold back what is left of it (--reason)",
    "resume": "go on",
    "roll-back": "put back what it changed (--reason)",
    "cancel": "give it up: the same, for good (--reason)",
    "again": "begin one anew that was rolled back or given up",
}


class Command(BaseCommand):
    """`rollouts [ID] [--pool NAME] [--pause | --first SERVER … | …] [--reason TEXT] [--apply]`."""

    help = (
        "List rollouts, or show one with its stages; with an option and --apply decide on it. To "
        "approve, the password of the console user is asked for, or read from standard input. "
        "Exit status: 0 done, 1 there is no such rollout or it was refused."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Which, what to do with it, for real or not, and how to print."""
        parser.add_argument("rollout", nargs="?", type=int, metavar="ID", help="only this one")
        parser.add_argument("--pool", metavar="NAME", help="only those of this pool")
        what = parser.add_mutually_exclusive_group()
        for name, means in _ACTS.items():
            what.add_argument(f"--{name}", dest="act", action="store_const", const=name, help=means)
        what.add_argument(
            "--first", nargs="*", metavar="SERVER",
            help="let stages of --pool come to these servers first; none: all go by name",
        )  # fmt: skip
        parser.add_argument("--user", metavar="NAME", help="the console user who approves")
        parser.add_argument("--reason", default="", help="why; everybody sees it")
        parser.add_argument("--apply", action="store_true", help="do it")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it, then list."""
        done = ""
        rows = Rollout.objects.select_related("pool", "approved_by").order_by("-pk")
        if options["rollout"] is not None:
            rows = rows.filter(pk=options["rollout"])
            if not rows.exists():
                raise CommandError(
                    f"There is no rollout #{options['rollout']}.", returncode=_FAILED
                )
        if options["pool"] is not None:
            rows = rows.filter(pool=_pool(options["pool"]))
        if options["first"] is not None:
            done = _choose(options)
        elif options["act"]:
            done = self._act(rows.first() if options["rollout"] is not None else None, options)
        found = [_told(row) for row in rows[:_SHOWN]]
        if options["json"]:
            self.stdout.write(json.dumps({"rollouts": found, "done": done}, ensure_ascii=False))
            return
        for each in found:
            self._write(each, whole=options["rollout"] is not None)
        if not found:
            self.stdout.write("No rollout.")
        if done:
            self.stdout.write(done)

    def _act(self, row: Rollout | None, options: dict[str, Any]) -> str:
        name: str = options["act"]
        if row is None:
            raise CommandError(f"Say which rollout to {name}: its ID.", returncode=_FAILED)
        if not options["apply"]:
            return f"Nothing was changed; --apply does it: {_ACTS[name]}."
        try:
            _doing(row, options)[name]()
        except ProvisioningError as error:
            raise CommandError(error.message, returncode=_FAILED) from error
        return f"Done: {_ACTS[name]}."

    def _write(self, told: dict[str, Any], *, whole: bool) -> None:
        line = f"#{told['id']} {told['pool']}: {told['state']}; {told['about']}"
        self.stdout.write(line)
        for key in ("waits", "problem"):
            if told[key]:
                self.stdout.write(f"    {told[key]}")
        for stage in told["stages"] if whole else ():
            refused = f", {stage['refused']} refused" if stage["refused"] else ""
            self.stdout.write(
                f"    {stage['name']}: {stage['state']}; {stage['changes']} changes{refused}"
            )


def _pool(name: str) -> ServerPool:
    found = ServerPool.objects.filter(name=name).first()
    if found is None:
        raise CommandError(f"There is no pool “{name}”.", returncode=_FAILED)
    return found


def _choose(options: dict[str, Any]) -> str:
    """Change the order of a pool's stages; says what it is, or would be."""
    if options["pool"] is None:
        raise CommandError("Say whose servers: --pool NAME.", returncode=_FAILED)
    pool = _pool(options["pool"])
    try:
        with transaction.atomic():
            choose_first(pool=pool, names=options["first"], actor=COMMAND_LINE)
            names = [server.name for _, servers in in_order(pool) for server in servers]
            transaction.set_rollback(not options["apply"])
    except ProvisioningError as error:
        raise CommandError(f"{error.message} Nothing was changed.", returncode=_FAILED) from error
    order = f"Stages of {pool} come to {', '.join(names) or 'no server'}, in this order."
    return order if options["apply"] else f"{order} Nothing was changed; --apply does it."


def _doing(row: Rollout, options: dict[str, Any]) -> dict[str, Callable[[], None]]:
    reason = options["reason"]

    def with_reason(act: Callable[..., None]) -> Callable[[], None]:
        return lambda: act(rollout=row, reason=reason, actor=COMMAND_LINE)

    return {
        "approve": lambda: actions.approve(
            rollout=row, digest=row.digest, actor=ask_approver(options["user"])
        ),
        "push-now": with_reason(actions.hurry),
        "pause": with_reason(actions.pause),
        "resume": lambda: actions.resume(rollout=row, actor=COMMAND_LINE),
        "roll-back": with_reason(actions.roll_back),
        "cancel": with_reason(actions.cancel),
        "again": lambda: actions.start_again(rollout=row, actor=COMMAND_LINE),
    }


def _told(row: Rollout) -> dict[str, Any]:
    return {
        "id": row.pk,
        "pool": row.pool.name,
        "what": row.what,
        "about": row.about,
        "state": row.state,
        "waits": row.waits,
        "problem": row.problem,
        "needs approval": row.needs_approval,
        "approved by": str(row.approved_by) if row.approved_by and row.is_approved else "",
        "left": held_by(row).count(),
        "created": row.created_at.isoformat(timespec="seconds"),
        "begun": row.begun_at and row.begun_at.isoformat(timespec="seconds"),
        "ended": row.ended_at and row.ended_at.isoformat(timespec="seconds"),
        "stages": [
            {
                "name": stage.name,
                "state": stage.state,
                "changes": stage.total,
                "refused": stage.failed,
                "servers": stage.gate,
            }
            for stage in row.stages.all()
        ],
    }
