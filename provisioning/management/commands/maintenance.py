"""What is in maintenance; with a name, begin or end it."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from provisioning.core.errors import ProvisioningError
from provisioning.models import ServerPool, SipServer
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.servers.maintenance import Place, begin_maintenance, end_maintenance

_FAILED = 1


class Command(BaseCommand):
    """`maintenance [NAME] [--server] [--reason TEXT] [--hours N] [--end] [--apply] [--json]`."""

    help = (
        "List what is in maintenance, or begin or end it for a pool or SIP server; dry unless "
        "--apply. Exit status: 0 done; 1 there is none of that name, or it was refused."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """What, and what to do with it."""
        parser.add_argument("name", nargs="?", metavar="NAME", help="a pool, or with --server one")
        parser.add_argument("--server", action="store_true", help="NAME is a SIP server")
        parser.add_argument("--reason", default="", help="why; everybody sees it")
        parser.add_argument("--hours", type=int, default=2, help="ends by itself after so many")
        parser.add_argument("--end", action="store_true", help="end it now")
        parser.add_argument("--apply", action="store_true", help="do it")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it, then list."""
        said = ""
        if options["name"]:
            said = self._do(_find(options["name"], server=options["server"]), options)
        found = [
            {
                noun: str(place),
                "until": place.maintenance_until.isoformat(timespec="seconds"),
                "reason": place.maintenance_reason,
            }
            for noun, model in (("pool", ServerPool), ("server", SipServer))
            for place in model._default_manager.order_by("name")
            if place.in_maintenance and place.maintenance_until
        ]
        if options["json"]:
            self.stdout.write(json.dumps({"maintenance": found}, ensure_ascii=False))
            return
        if said:
            self.stdout.write(said)
        for each in found:
            name = each.get("pool") or each.get("server")
            self.stdout.write(f"{name}: until {each['until']}, {each['reason']}")
        if not found:
            self.stdout.write("Nothing is in maintenance.")

    def _do(self, place: Place, options: dict[str, Any]) -> str:
        if not options["apply"]:
            what = "would end" if options["end"] else f"would begin for {options['hours']} hours"
            return f"Maintenance of {place} {what}; --apply does it."
        try:
            if options["end"]:
                end_maintenance(place=place, actor=COMMAND_LINE)
            else:
                begin_maintenance(
                    place=place, reason=options["reason"], hours=options["hours"],
                    actor=COMMAND_LINE,
                )  # fmt: skip
        except ProvisioningError as error:
            raise CommandError(error.message, returncode=_FAILED) from error
        return ""


def _find(name: str, *, server: bool) -> Place:
    model: type[ServerPool] | type[SipServer] = SipServer if server else ServerPool
    place: Place | None = model._default_manager.filter(name=name).first()
    if place is None:
        what = "SIP server" if server else "pool"
        raise CommandError(f"There is no {what} {name}.", returncode=_FAILED)
    return place
