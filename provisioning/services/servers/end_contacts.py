"""Ending live registrations that an administrator chose, at every server that may hold them."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from django.conf import settings
from django.db import transaction

from provisioning.core.errors import InvalidInput, ProvisioningError, Unreachable
from provisioning.drivers.base import ServerDriver
from provisioning.models import Account, RegisteredContact, SipServer
from provisioning.services import bulk
from provisioning.services.actor import Actor
from provisioning.services.console import audit
from provisioning.services.servers.driver_access import ask_servers

MOST_AT_ONCE = 1000


@dataclass(slots=True)
class Ended:
    """How many registrations are over, and what some servers said instead."""

    count: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Work:
    """What one server is asked to end; `done` are the ids that it holds no more."""

    server: SipServer
    contacts: list[RegisteredContact]
    done: set[int] = field(default_factory=set)

    def question(self, until: float) -> Callable[[ServerDriver], None]:
        def end(driver: ServerDriver) -> None:
            for each in self.contacts:
                if time.monotonic() > until:
                    raise Unreachable("it answers, but too slowly for so many at once.")
                driver.end_registration(each.aor, each.contact)
                self.done.add(each.pk)

        return end


def end_registrations(*, contact_ids: Sequence[int], actor: Actor) -> Ended:
    """End up to 1,000 registrations; a client that is still allowed to registers again by itself.

    One counts as ended where every enabled server of its store says that it holds it no more.
    Raises InvalidInput where none of them is left, or no server can be asked.
    """
    if len(contact_ids) > MOST_AT_ONCE:
        raise InvalidInput(
            f"{len(contact_ids):,} registrations are too many at once; at most {MOST_AT_ONCE:,}. "
            "None was ended. Narrow the filter."
        )
    contacts = list(
        RegisteredContact.objects.filter(pk__in=bulk.among_numbers(contact_ids))
        .select_related("account", "store")
        .order_by("pk")
    )
    if not contacts:
        raise InvalidInput("They are over already. Nothing was changed.")
    works = _works(contacts)
    if not works:
        raise InvalidInput("No SIP server of that store is in use, so none can be asked.")
    until = time.monotonic() + settings.PUSH_SLICE
    answers = ask_servers([w.server for w in works], [w.question(until) for w in works])
    found = Ended()
    for work, answer in zip(works, answers, strict=True):
        if isinstance(answer, ProvisioningError):
            left = len(work.contacts) - len(work.done)
            found.problems.append(f"{work.server}, {left:,} left: {answer.message}")
    ended = _ended(contacts, works)
    found.count = len(ended)
    with transaction.atomic():
        RegisteredContact.objects.filter(
            pk__in=bulk.among_numbers([each.pk for each in ended])
        ).delete()
        for each in ended:
            audit.record(
                actor=actor,
                action="ended a registration of" if each.account else "ended a registration at",
                obj=each.account or each.store,
                detail={"SIP URI": each.aor, "contact": each.contact, "client": each.user_agent},
            )
    return found


def end_contact(*, account: Account, contact: str, actor: Actor) -> None:
    """End one registration of an account at every server of its home pool.

    Raises InvalidInput where no server holds it, Unreachable with what a server said that could not
    end it.
    """
    if not contact:  # to a driver that means all of them
        raise InvalidInput("Say which registration. Nothing was changed.")
    servers = SipServer.objects.filter(pool_id=account.pool_id, enabled=True)
    asked = list(servers.select_related("store").order_by("name"))
    if not asked:
        raise InvalidInput("No SIP server of its home pool is in use, so none can be asked.")

    def end(driver: ServerDriver) -> bool:
        return driver.end_registration(account.aor, contact)

    answers = ask_servers(asked, [end for _ in asked])
    problems = [
        f"{server}: {answer.message}"
        for server, answer in zip(asked, answers, strict=True)
        if isinstance(answer, ProvisioningError)
    ]
    if problems:
        raise Unreachable(f"It may still be alive. {' '.join(problems)}")
    kept = RegisteredContact.objects.filter(aor=account.aor, contact=contact)
    client = kept.values_list("user_agent", flat=True).first() or ""
    with transaction.atomic():
        kept.filter(store__pool_id=account.pool_id).delete()
        if any(answers):
            audit.record(
                actor=actor,
                action="ended a registration of",
                obj=account,
                detail={"SIP URI": account.aor, "contact": contact, "client": client},
            )
    if not any(answers):
        raise InvalidInput("It is over already. Nothing was changed.")


def _works(contacts: Sequence[RegisteredContact]) -> list[_Work]:
    by_store: dict[int, list[RegisteredContact]] = defaultdict(list)
    for each in contacts:
        by_store[each.store_id].append(each)
    servers = SipServer.objects.filter(store__in=by_store, enabled=True).select_related("store")
    return [_Work(server, by_store[server.store_id]) for server in servers.order_by("name")]


def _ended(
    contacts: Sequence[RegisteredContact], works: Sequence[_Work]
) -> list[RegisteredContact]:
    """Those that every server of their store holds no more."""
    by_store: dict[int, list[_Work]] = defaultdict(list)
    for work in works:
        by_store[work.server.store_id].append(work)
    return [
        each
        for each in contacts
        if by_store[each.store_id] and all(each.pk in work.done for work in by_store[each.store_id])
    ]
