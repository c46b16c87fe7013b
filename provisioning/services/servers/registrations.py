"""Live registrations of single accounts, asked of servers and stores; unknown is never none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from provisioning.core.errors import ProvisioningError
from provisioning.core.records import Presence, Registration
from provisioning.models import Account, ConfigStore, SipServer
from provisioning.services.servers import driver_access


@dataclass(frozen=True, slots=True)
class LiveList:
    """Registrations, and why some may be missing; `known` is False where no server answered."""

    registrations: list[Registration]
    problems: list[str]
    known: bool


def list_registrations(*, account: Account) -> LiveList:
    """The account's live contacts, as every enabled server of its home pool says."""
    servers = list(
        SipServer.objects.filter(pool_id=account.pool_id, enabled=True)
        .select_related("store")
        .order_by("name")
    )
    found: dict[tuple[str, str], Registration] = {}
    problems: list[str] = []
    for server in servers:
        try:
            with driver_access.open_server(server) as driver:
                contacts = driver.registrations_of(account.aor)
        except ProvisioningError as error:
            problems.append(f"{server}: {error.message}")
        else:
            # Servers that share their registrations report the same contact.
            found.update({(each.contact, each.received): each for each in contacts})
    if not servers:
        problems.append(f"The home pool “{account.pool}” has no enabled SIP server.")
    return LiveList(list(found.values()), problems, known=len(problems) < len(servers))


def find_presence(*, account: Account) -> list[Presence] | None:
    """What the account's clients published at its home pool; None where no store keeps that."""
    found: list[Presence] | None = None
    for store in ConfigStore.objects.filter(pool_id=account.pool_id).order_by("name"):
        try:
            with driver_access.open_store(store) as driver:
                published = driver.presence([account.aor])
        except ProvisioningError:
            continue  # such as without the right to read it; it is extra and alarms nobody
        if published is not None:
            found = [*(found or []), *published]
    return found


def find_clients(*, accounts: Sequence[Account]) -> tuple[dict[str, list[str]], list[str]]:
    """The user agents registered for each of `accounts` by SIP URI, and why some may be missing."""
    found: dict[str, list[str]] = {}
    problems: list[str] = []
    pools = {account.pool_id for account in accounts}
    for store in ConfigStore.objects.filter(pool__in=pools).order_by("name"):
        aors = [account.aor for account in accounts if account.pool_id == store.pool_id]
        try:
            with driver_access.open_store(store) as driver:
                live = driver.registrations(aors)
                if live is None:
                    problems.append(f"{store} does not hold registrations.")
                for each in live or ():
                    found.setdefault(each.aor, []).append(each.user_agent or each.contact)
        except ProvisioningError as error:
            problems.append(f"{store}: {error.message}")
    return found, problems
