"""Check the DNS records of SIP domains."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from provisioning.core.errors import ProvisioningError
from provisioning.management.names import NO_SUCH
from provisioning.models import SipDomain
from provisioning.services.rules.dns_records import Checked, State, check_records, wanted_records

_WRONG, _FAILED = 1, 2


class Command(BaseCommand):
    """`check_dns [DOMAIN …] [--records] [--json]`: asks DNS, and changes nothing.

    Exit 0 when everything is published, 1 when something is not, 2 when nobody knows, 3 for a SIP
    domain that there is not.
    """

    help = (
        "Compare the SRV and NAPTR records of SIP domains with the SIP servers that are in use, or "
        "print the records to publish. Exit status: 0 all published; 1 something is missing or "
        "leads elsewhere; 2 DNS could not be asked; 3 there is no such SIP domain."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Which SIP domains, and what to print."""
        parser.add_argument("domains", nargs="*", metavar="DOMAIN", help="all if none is named")
        parser.add_argument("--records", action="store_true", help="only print what to publish")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print records, or what DNS says of them."""
        domains = _find(options["domains"])
        if options["records"]:
            self._print_records(domains, as_json=options["json"])
            return
        try:
            found = {str(domain): check_records(domain=domain) for domain in domains}
        except ProvisioningError as error:
            raise CommandError(error.message, returncode=_FAILED) from error
        if options["json"]:
            said = {name: [asdict(each) for each in checked] for name, checked in found.items()}
            self.stdout.write(json.dumps({"domains": said}))
        else:
            for checked in found.values():
                self._print(checked)
        states = {each.state for checked in found.values() for each in checked}
        if states & {State.MISSING, State.DIFFERENT}:
            raise CommandError("Not everything is published as it should be.", returncode=_WRONG)
        if State.UNKNOWN in states:
            raise CommandError("DNS did not answer everything.", returncode=_FAILED)

    def _print_records(self, domains: list[SipDomain], *, as_json: bool) -> None:
        records = {str(domain): wanted_records(domain=domain) for domain in domains}
        if as_json:
            said = {name: list(map(str, found)) for name, found in records.items()}
            self.stdout.write(json.dumps({"records": said}))
            return
        for found in records.values():
            for record in found:
                self.stdout.write(str(record))

    def _print(self, checked: list[Checked]) -> None:
        for each in checked:
            self.stdout.write(f"{each.name} {each.type}: {each.state} {each.problem}".rstrip())
            for data in each.missing:
                self.stdout.write(f"  missing: {data}")
            for data in each.others:
                self.stdout.write(f"  leads to no server here: {data}")


def _find(names: list[str]) -> list[SipDomain]:
    domains = SipDomain.objects.order_by("domain")
    if not names:
        return list(domains)
    found = list(domains.filter(domain__in=[name.lower() for name in names]))
    if unknown := {name.lower() for name in names} - {domain.domain for domain in found}:
        raise CommandError(f"There is no SIP domain {min(unknown)}.", returncode=NO_SUCH)
    return found
