"""Make, list and revoke the bearer tokens of SCIM clients."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from provisioning.core.errors import ProvisioningError
from provisioning.models import DirectorySource
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.scim.scim_tokens import (
    DEFAULT_DAYS,
    create_token,
    revoke_token,
    tenant_url,
)

_REFUSED, _UNKNOWN = 1, 3


class Command(BaseCommand):
    """`scim_token SOURCE [--new NAME [--days N] | --revoke NAME] [--json]`."""

    help = (
        "List the tokens of the SCIM client of a source; make one, which is printed this once, or "
        "revoke those with a name. Exit status: 0 done; 1 it cannot be done; 3 there is no such "
        "source or token."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Which source, what to do, and how to print."""
        parser.add_argument("source", help="the name of the source")
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--new", metavar="NAME", help="make a token; say who uses it")
        what.add_argument("--revoke", metavar="NAME", help="revoke the tokens with this name")
        parser.add_argument(
            "--days", type=int, default=DEFAULT_DAYS, metavar="N",
            help=f"how long a new token is good for; {DEFAULT_DAYS} unless given",
        )  # fmt: skip
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it, and print."""
        source = DirectorySource.objects.filter(name=options["source"], kind="scim").first()
        if source is None:
            raise CommandError(
                f"There is no SCIM source “{options['source']}”.", returncode=_UNKNOWN
            )
        answer: dict[str, Any] = {"source": source.name, "tenant_url": tenant_url(source)}
        if options["new"] is not None:
            try:
                new = create_token(
                    source=source, name=options["new"], days=options["days"], actor=COMMAND_LINE
                )
            except ProvisioningError as error:
                raise CommandError(error.message, returncode=_REFUSED) from error
            answer |= {"token": new.text, "expires_at": new.token.expires_at.isoformat()}
        elif options["revoke"] is not None:
            found = list(source.scim_tokens.filter(name=options["revoke"], revoked_at=None))
            if not found:
                raise CommandError(
                    f"“{source}” has no token “{options['revoke']}” that works.",
                    returncode=_UNKNOWN,
                )
            for token in found:
                revoke_token(token=token, actor=COMMAND_LINE)
            answer["revoked"] = len(found)
        else:
            answer["tokens"] = _tokens(source)
        self._print(answer, as_json=options["json"])

    def _print(self, answer: dict[str, Any], *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(answer, ensure_ascii=False, indent=2))
            return
        for token in answer.pop("tokens", ()):
            used = token["last_used_at"] or "never"
            self.stdout.write(
                f"{token['state']:<8} {token['name']}: until {token['expires_at']}, used {used}"
            )
        for name, value in answer.items():
            self.stdout.write(f"{name.replace('_', ' ')}: {value}")


def _tokens(source: DirectorySource) -> list[dict[str, Any]]:
    now = timezone.now()
    return [
        {
            "name": token.name,
            "state": "revoked" if token.revoked_at
            else "works" if token.expires_at > now else "expired",
            "expires_at": token.expires_at.isoformat(),
            "last_used_at": token.last_used_at.isoformat() if token.last_used_at else None,
        }
        for token in source.scim_tokens.order_by("pk")
    ]  # fmt: skip
