"""What is named on the command line, found or said to be missing; days as they are written."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Sequence
from datetime import date

from django.core.management.base import CommandError
from django.db.models import QuerySet

from provisioning.models import ConfigStore, SipServer

# The exit code of commands that a monitoring system asks about a thing that there is not.
NO_SUCH = 3


def find_stores(names: Sequence[str]) -> list[ConfigStore]:
    """The stores called `names`, in that order; all where none is named."""
    stores = {store.name: store for store in ConfigStore.objects.order_by("name")}
    unknown = [name for name in names if name not in stores]
    if unknown:
        raise CommandError(
            f"There is no store “{', '.join(unknown)}”. There are: {', '.join(stores) or 'none'}."
        )
    return [stores[name] for name in names or stores]


def find_servers(names: Sequence[str]) -> QuerySet[SipServer]:
    """The SIP servers called `names`; all that are in use where none is named."""
    servers = SipServer.objects.select_related("pool", "store").order_by("pool__name", "name")
    there = set(servers.values_list("name", flat=True))
    unknown = [name for name in names if name not in there]
    if unknown:
        listed = ", ".join(sorted(there)) or "none"
        raise CommandError(
            f"There is no SIP server “{unknown[0]}”. There are: {listed}.", returncode=NO_SUCH
        )
    return servers.filter(name__in=names) if names else servers.filter(enabled=True)


def a_day(text: str) -> date:
    """The day that an option gives."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"“{text}” is no day such as 2027-01-31.") from None
