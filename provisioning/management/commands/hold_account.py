"""Hold an account for a leave, or end the leave: dry by default, with --apply for real."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from provisioning.core.errors import InvalidInput, ProvisioningError
from provisioning.core.states import State
from provisioning.management.account_choice import find_account
from provisioning.management.names import a_day
from provisioning.models import Account, Pin
from provisioning.services.accounts import blocks
from provisioning.services.actor import COMMAND_LINE


class Command(BaseCommand):
    """`hold_account NAME (--until DAY --reason TEXT | --end) [--apply] [--json]`."""

    help = (
        "Take an account's service away until the end of a day, whatever the directory says "
        "meanwhile, or end such a leave now. Exit status: 0 done, 1 not possible."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Whose account, until when and why, for real or not, and how to print."""
        parser.add_argument("name", metavar="NAME", help="user name, SIP URI or number")
        parser.add_argument("--until", type=a_day, metavar="DAY", help="the last day of the leave")
        parser.add_argument("--reason", default="", metavar="TEXT", help="such as parental leave")
        parser.add_argument("--end", action="store_true", help="end the leave now")
        parser.add_argument("--apply", action="store_true", help="do it")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Hold one account, or end its leave."""
        try:
            if options["end"] is (options["until"] is not None):
                raise InvalidInput("Say either --until with a day, or --end. Nothing was changed.")
            account = find_account(options["name"])
            before = account.state
            if options["apply"]:
                account = _end(account) if options["end"] else _hold(account, options)
        except ProvisioningError as error:
            raise CommandError(error.message) from error
        self._print(account, before, options)

    def _print(self, account: Account, before: str, options: dict[str, Any]) -> None:
        if options["json"]:
            found = {"account": account.aor, "before": before, "state": account.state,
                     "dry": not options["apply"]}  # fmt: skip
            self.stdout.write(json.dumps(found, ensure_ascii=False, indent=2))
        elif options["apply"]:
            self.stdout.write(f"{account} (sip:{account.aor}) is {account.state} now.")
        else:
            what = "its leave would end" if options["end"] else "it would be held"
            self.stdout.write(
                f"{account} (sip:{account.aor}) is {account.state}; {what}. Nothing was changed: "
                "add --apply."
            )


def _hold(account: Account, options: dict[str, Any]) -> Account:
    return blocks.hold_account(
        account=account, reason=options["reason"], ends_on=options["until"], actor=COMMAND_LINE
    )


def _end(account: Account) -> Account:
    pin = account.pins.filter(field=Pin.Field.STATE, value=State.HELD).first()
    if pin is None:
        raise InvalidInput(f"{account} is not on leave. Nothing was changed.")
    return blocks.end_pin(pin=pin, actor=COMMAND_LINE)
