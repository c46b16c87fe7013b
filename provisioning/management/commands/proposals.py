"""Proposed SIP URIs: listed, and with --apply accepted or declined."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import QuerySet

from provisioning.core.errors import ProvisioningError
from provisioning.models import AccountRule, Proposal
from provisioning.services.accounts.known_clients import known_clients
from provisioning.services.accounts.proposals import accept_proposals, decline_proposals
from provisioning.services.actor import COMMAND_LINE

_SHOWN = 1000


class Command(BaseCommand):
    """`proposals [--rule NAME] [--accept | --decline] [--apply] [--json]`."""

    help = (
        "List the SIP URIs that rules propose and which clients would have to fetch their profile "
        "again. With --accept and --apply a worker plans them all, within the limits. Exit status: "
        "0 done, 1 there is nothing to decide or no such rule."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Of which rule, what to do, for real or not, and how to print."""
        parser.add_argument("--rule", metavar="NAME", help="only those of this account rule")
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--accept", action="store_true", help="give the new SIP URIs")
        what.add_argument("--decline", action="store_true", help="keep the present ones")
        parser.add_argument("--apply", action="store_true", help="do it")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """List them, then decide."""
        proposals = Proposal.objects.filter(state=Proposal.State.OPEN).order_by("id")
        if options["rule"] is not None:
            rule = AccountRule.objects.filter(name=options["rule"]).first()
            if rule is None:
                raise CommandError(f"There is no account rule “{options['rule']}”.")
            proposals = proposals.filter(account__rule=rule)
        count = proposals.count()
        listed = _listed(proposals)
        done = ""
        try:
            if options["apply"] and options["accept"]:
                run = accept_proposals(proposals=proposals, actor=COMMAND_LINE)
                done = f"Accepted {count:,}; run #{run.pk} plans them."
            elif options["apply"] and options["decline"]:
                done = f"Declined {decline_proposals(proposals=proposals, actor=COMMAND_LINE):,}."
        except ProvisioningError as error:
            raise CommandError(error.message) from error
        if options["json"]:
            found = {"count": count, "proposals": listed, "done": done}
            self.stdout.write(json.dumps(found, ensure_ascii=False, indent=2))
            return
        for each in listed:
            self.stdout.write(
                f"{each['name']}: sip:{each['now']} → sip:{each['proposed']}; must fetch again: "
                f"{each['clients'] or 'none known'}"
            )
        if count > len(listed):
            self.stdout.write(f"and {count - len(listed):,} more")
        self.stdout.write(done or f"{count:,} proposed. Nothing was changed.")


def _listed(proposals: QuerySet[Proposal]) -> list[dict[str, str]]:
    rows = list(proposals.select_related("account")[:_SHOWN])
    clients = known_clients(account_ids=[row.account_id for row in rows])
    return [
        {
            "name": row.account.name,
            "now": row.account.aor,
            "proposed": row.aor,
            "clients": clients.get(row.account_id, ""),
        }
        for row in rows
    ]
