"""Try what SIP servers do with what stands there."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import QuerySet

from provisioning.core.errors import ProvisioningError
from provisioning.management.names import find_servers
from provisioning.models import ProbeResult, ServerPool, SipServer
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.probes.accounts import set_up_probes, take_probes_away
from provisioning.services.probes.probe import probe_server
from provisioning.services.probes.standing import standing_at

_WRONG, _FAILED = 1, 2


class Command(BaseCommand):
    """`probe_servers [SERVER …] [--set-up | --take-away] [--apply] [--json]`.

    Exit 0 when nothing was disproved, 1 when a server does something else, 2 when one could not be
    probed, 3 when there is no such server.
    """

    help = (
        "Register, call and write at SIP servers with probe accounts, and tell which kinds of rows "
        "are effective. With --set-up or --take-away only make or remove the probe accounts; dry "
        "unless --apply. Exit status: 0 nothing was disproved; 1 a server does something else than "
        "intended; 2 a server could not be probed; 3 there is no such server."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Which servers, and what to do."""
        parser.add_argument("servers", nargs="*", metavar="SERVER", help="all if none is named")
        accounts = parser.add_mutually_exclusive_group()
        accounts.add_argument(
            "--set-up", action="store_true", help="make what probe accounts their pools lack"
        )
        accounts.add_argument("--take-away", action="store_true", help="remove them")
        parser.add_argument("--apply", action="store_true", help="do it")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Probe, or see to the accounts."""
        servers = find_servers(options["servers"])
        if options["set_up"] or options["take_away"]:
            self._accounts(servers, options)
            return
        told = [_probe(server) for server in servers]
        if options["json"]:
            self.stdout.write(json.dumps({"servers": told}, ensure_ascii=False))
        else:
            for each in told:
                self._print(each)
        if any(kind["standing"] == "ineffective" for each in told for kind in each["kinds"]):
            raise CommandError("Not everything is effective.", returncode=_WRONG)
        if any(not each["probed"] for each in told):
            raise CommandError("Not every server could be probed.", returncode=_FAILED)

    def _accounts(self, servers: QuerySet[SipServer], options: dict[str, Any]) -> None:
        pools = ServerPool.objects.filter(servers__in=servers).distinct().order_by("name")
        change = set_up_probes if options["set_up"] else take_probes_away
        done = {}
        for pool in pools if options["apply"] else ():
            try:
                done[pool.name] = change(pool=pool, actor=COMMAND_LINE)
            except ProvisioningError as error:
                raise CommandError(error.message, returncode=_FAILED) from error
        if options["json"]:
            self.stdout.write(json.dumps({"accounts": done}, ensure_ascii=False))
            return
        what = "made" if options["set_up"] else "removed"
        for name, count in done.items():
            self.stdout.write(f"{name}: {count} probe accounts {what}.")
        if not options["apply"]:
            names = ", ".join(map(str, pools)) or "none"
            self.stdout.write(f"Probe accounts would be {what} for: {names}. --apply does it.")

    def _print(self, told: dict[str, Any]) -> None:
        over = f" over {told['transport'].upper()}" if told["transport"] else ""
        self.stdout.write(
            f"{told['server']}: {'probed' + over if told['probed'] else 'not probed'}"
        )
        if told["problem"]:
            self.stdout.write(f"  {told['problem']}")
        for kind in told["kinds"]:
            self.stdout.write(f"  {kind['kind']}: {kind['standing']} {kind['why']}".rstrip())


def _probe(server: SipServer) -> dict[str, Any]:
    transport, problem = "", ""
    try:
        talk = probe_server(server=server)
        transport, problem = talk.transport, talk.problem
    except ProvisioningError as error:
        problem = error.message
    return {
        "server": server.name,
        "probed": bool(transport),
        "transport": transport,
        "problem": problem,
        "kinds": [
            {
                "kind": each.kind.value, "standing": each.word, "rows": each.rows, "why": each.why,
                "probes": [_result(result) for result in each.results],
            }
            for each in standing_at(server)
        ],
    }  # fmt: skip


def _result(result: ProbeResult) -> dict[str, Any]:
    return {
        "key": result.key, "outcome": result.outcome, "sent": result.sent,
        "expected": result.expected, "got": result.got, "at": result.at.isoformat(),
    }  # fmt: skip
