"""Move accounts to another home pool: dry by default, with --apply for real."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db.models import QuerySet

from provisioning.core.errors import InvalidInput, ProvisioningError, UnsafePlan
from provisioning.core.states import State
from provisioning.management.account_choice import filter_accounts
from provisioning.management.any_order import AnyOrderCommand
from provisioning.management.names import a_day
from provisioning.models import Account, ServerPool
from provisioning.services.accounts.move_home import HomeMove, move_home
from provisioning.services.actor import COMMAND_LINE

# The option, and the key of the filter that it is.
_FILTERS = {"from": "pool", "domain": "domain", "site": "site", "rule": "rule"}


class Command(AnyOrderCommand):
    """`move_accounts POOL [SIP URI …] [--from …] [--until …] --reason TEXT [--apply] [--json]`."""

    help = (
        "Move accounts to another home pool: those that are named, or all that the options match. "
        "Exit status: 0 done, 1 not possible, 2 a limit is passed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Where to, whose accounts, until when and why, for real or not, and how to print."""
        parser.add_argument("pool", metavar="POOL", help="name of the new home pool")
        parser.add_argument("aor", metavar="URI", nargs="*", help="SIP URIs; else all that match")
        parser.add_argument("--from", metavar="POOL", help="only those at home in this pool")
        parser.add_argument("--domain", help="only of this SIP domain")
        parser.add_argument("--site", help="only of this site")
        parser.add_argument("--rule", help="only of this account rule")
        parser.add_argument("--until", type=a_day, metavar="DAY", help="the last day of the pins")
        parser.add_argument("--reason", default="", metavar="TEXT", help="why; needed to move")
        parser.add_argument("--apply", action="store_true", help="do it")
        parser.add_argument("--approve", action="store_true", help="though a limit is passed")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Show what would move, or move it."""
        try:
            ask = {
                "accounts": _chosen(options), "pool": _pool(options["pool"]),
                "reason": options["reason"], "ends_on": options["until"], "actor": COMMAND_LINE,
            }  # fmt: skip
            # Weighed first: what passes a limit unapproved is told with its numbers, not refused.
            move = move_home(**ask, dry=True)
            held = bool(move.breaches) and not options["approve"]
            done = options["apply"] and not held
            if done:
                move = move_home(**ask, approved=options["approve"], seen=move.seen)
        except UnsafePlan as error:
            raise CommandError(error.message, returncode=2) from error
        except ProvisioningError as error:
            raise CommandError(error.message) from error
        self._tell(move, done=done, as_json=options["json"])
        if held:
            raise CommandError("A limit is passed: add --approve if it is meant.", returncode=2)

    def _tell(self, move: HomeMove, *, done: bool, as_json: bool) -> None:
        if as_json:
            told = {
                "pool": move.pool.name, "moving": len(move.moving), "there": move.there,
                "leaving": move.leaving, "repinned": move.repinned,
                "refused": [
                    {"account": aor, "reason": refusal.reason}
                    for refusal in move.refused for _, aor in refusal.accounts
                ],
                "limits": list(move.breaches), "dry": not done,
            }  # fmt: skip
            self.stdout.write(json.dumps(told, ensure_ascii=False, indent=2))
            return
        word = "moved" if done else "would move"
        self.stdout.write(f"{len(move.moving):,} {word} to {move.pool}; {move.there:,} are there.")
        for name, count in move.leaving.items():
            self.stdout.write(f"  {count:,} leave {name}")
        if move.repinned:
            self.stdout.write(f"  {move.repinned:,} are pinned to a pool; their pins are replaced")
        for refusal in move.refused:
            self.stdout.write(f"  {len(refusal.accounts):,} stay. {refusal.reason}")
            for name, aor in refusal.accounts:
                self.stdout.write(f"    {name} (sip:{aor})")
        if move.unserved:
            self.stdout.write(f"No store of {move.pool} is managed; they stay served here.")
        for breach in move.breaches:
            self.stdout.write(breach)
        if not done:
            self.stdout.write("Nothing was changed; add --apply.")


def _pool(name: str) -> ServerPool:
    found = ServerPool.objects.filter(name=name).first()
    if found is None:
        names = ", ".join(ServerPool.objects.order_by("name").values_list("name", flat=True))
        raise InvalidInput(f"There is no pool “{name[:80]}”. There are: {names or 'none'}.")
    return found


def _chosen(options: dict[str, Any]) -> QuerySet[Account]:
    wanted = [uri.lower().removeprefix("sips:").removeprefix("sip:") for uri in options["aor"]]
    given = [f"{key}={options[option]}" for option, key in _FILTERS.items()
             if options[option] is not None]  # fmt: skip
    if not wanted and not given:
        raise InvalidInput("Name SIP URIs, or say which accounts with --from, --domain, --site or "
                           "--rule. Nothing was changed.")  # fmt: skip
    accounts = filter_accounts(Account.objects.exclude(state=State.REMOVED), given)
    if not wanted:
        return accounts
    accounts = accounts.filter(aor__in=wanted)
    missing = set(wanted) - set(accounts.values_list("aor", flat=True))
    if missing:
        raise InvalidInput(
            f"No such account: {', '.join(sorted(missing)[:5])}. Nothing was changed."
        )
    return accounts
