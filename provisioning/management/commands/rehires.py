"""People who look like somebody who left: listed, and with --apply decided."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from provisioning.core.errors import ProvisioningError
from provisioning.models import Rehire
from provisioning.services.accounts.rehires import (
    accept_rehire,
    decline_rehire,
    open_rehires,
    plan_rehire,
    undo_rehire,
)
from provisioning.services.actor import COMMAND_LINE

_DECIDE = {"accept": accept_rehire, "decline": decline_rehire, "undo": undo_rehire}


class Command(BaseCommand):
    """`rehires [--accept N | --decline N | --undo N] [--apply] [--json]`."""

    help = (
        "List who came under a new key and looks like somebody who left, with the evidence. "
        "Accepting gives the account back with SIP URI, number and secret. Exit status: 0 done, "
        "1 there is no such offer or it cannot be decided."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Which offer, what to do, for real or not, and how to print."""
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--accept", type=int, metavar="N", help="offer N is the same person")
        what.add_argument("--decline", type=int, metavar="N", help="offer N is two people")
        what.add_argument("--undo", type=int, metavar="N", help="offer N was accepted wrongly")
        parser.add_argument("--apply", action="store_true", help="do it")
        parser.add_argument("--json", action="store_true", help="print a list")

    def handle(self, *args: Any, **options: Any) -> None:
        """Decide one offer, or list them all."""
        for name, decide in _DECIDE.items():
            if options[name] is not None:
                self._decide(name, decide, options[name], apply=options["apply"])
                return
        offers = [_described(rehire) for rehire in open_rehires().order_by("id")]
        if options["json"]:
            self.stdout.write(json.dumps(offers, ensure_ascii=False, indent=2))
            return
        for each in offers:
            evidence = ", ".join(f"same {what} {value}" for what, value in each["evidence"])
            self.stdout.write(
                f"{each['offer']}: {each['person']} looks like {each['former']}, who left on "
                f"{each['left']}: {evidence}. {each['gives']}"
            )
        if not offers:
            self.stdout.write("Nobody who came lately looks like somebody who left.")

    def _decide(self, name: str, decide: Any, number: int, *, apply: bool) -> None:
        rehire = Rehire.objects.select_related("person", "former").filter(pk=number).first()
        if rehire is None:
            raise CommandError(f"There is no offer {number}.")
        if not apply:
            self.stdout.write(f"{rehire}: nothing was changed; add --apply to {name} it.")
            return
        try:
            decide(rehire=rehire, actor=COMMAND_LINE)
        except ProvisioningError as error:
            raise CommandError(error.message) from error
        self.stdout.write(f"{rehire}: done ({name}).")


def _described(rehire: Rehire) -> dict[str, Any]:
    try:
        plan = plan_rehire(rehire=rehire)
    except ProvisioningError as error:
        gives = error.message
    else:
        gives = f"Accepting gives back sip:{plan.kept.aor}"
        gives += f" and {plan.number}." if plan.number else "."
        if plan.replaced is not None:
            gives += f" sip:{plan.replaced.aor} is removed."
    left = rehire.former.left_at
    return {
        "offer": rehire.pk,
        "person": f"{rehire.person} ({rehire.person.login})",
        "former": f"{rehire.former} ({rehire.former.login})",
        "left": left.date().isoformat() if left else "",
        "evidence": rehire.evidence,
        "gives": gives,
    }
