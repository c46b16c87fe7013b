"""The pins of an undo: they keep what it restored, until they end, all at once if wanted."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from provisioning.core.errors import InvalidInput
from provisioning.models import Account, Person, Pin, PlannedChange, Run
from provisioning.services.accounts.asked import ask
from provisioning.services.actor import Actor
from provisioning.services.console import audit

_CHUNK = 500


def pin_restored(run: Run, rows: QuerySet[PlannedChange]) -> None:
    """Set the pins of the planned `rows` of an undo, in the transaction that applies them."""
    planned = rows.filter(kind="account", status=PlannedChange.Status.PLANNED)
    wanted = {
        (source_id, subject): after
        for source_id, subject, after in planned.values_list("source_id", "subject", "after")
    }
    pins = [
        Pin(account_id=account_id, field=field, value=value, reason=reason_of(run), run=run,
            ends_on=date.fromisoformat(after["pins_until"]), by_id=run.requested_by_id)
        for account_id, after in _accounts(wanted)
        for field, value in after.get("pins", {}).items()
    ]  # fmt: skip
    Pin.objects.bulk_create(pins, batch_size=_CHUNK)


def reason_of(run: Run) -> str:
    """Why the pins of an undo are there."""
    return f"Undone: {run.undoes}"


def _accounts(wanted: dict[tuple[int, str], dict[str, Any]]) -> list[tuple[int, dict[str, Any]]]:
    """The ids of the accounts of these people, each with its row's values."""
    found = []
    subjects = sorted(wanted)
    for start in range(0, len(subjects), _CHUNK):
        accounts = Account.objects.filter(
            person__guid__in=[guid for _, guid in subjects[start : start + _CHUNK]], slot="main"
        ).values_list("pk", "person__source", "person__guid")
        found += [
            (pk, wanted[source_id, guid])
            for pk, source_id, guid in accounts
            if (source_id, guid) in wanted
        ]
    return found


def end_pins_of(*, run: Run, actor: Actor) -> int:
    """End every pin that an undo set; how many.

    The next sync decides those accounts anew, within the limits. Raises InvalidInput when no pin is
    left.
    """
    with transaction.atomic():
        ids = set(Pin.objects.filter(run=run).values_list("pk", flat=True))
        if not ids:
            raise InvalidInput("No pin of this run is left. Nothing was changed.")
        forget_pins(ids)
        audit.record(actor=actor, action="ended the pins of", obj=run, detail={"pins": len(ids)})
    return len(ids)


def forget_pins(ids: Collection[int]) -> None:
    """Delete pins of undos in the caller's transaction and ask for their people to be decided.

    Many end on one day: nobody's state is computed at once, for no limit would be asked.
    """
    every = sorted(ids)
    for start in range(0, len(every), _CHUNK):
        pins = Pin.objects.filter(pk__in=every[start : start + _CHUNK])
        ask(Person.objects.filter(pk__in=pins.values("account__person")))
        pins.delete()
