"""How joined entries are put together, as an administrator sets it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.db import transaction

from provisioning.core.errors import InvalidInput
from provisioning.core.precedence import ORDERED_FIELDS
from provisioning.models import DirectorySource, Joining, Person
from provisioning.services.accounts.asked import ask
from provisioning.services.actor import Actor
from provisioning.services.console import saving
from provisioning.services.rules.matching import ONLY
from provisioning.services.sync.lookalikes import HELD_BY


def save_joining(
    *,
    order: Sequence[int],
    first: Mapping[str, int],
    service: str,
    holds: Sequence[str],
    actor: Actor,
) -> None:
    """Keep the order of sources, which source comes `first` for single fields, and the rest.

    Whoever has several entries is decided anew by the next sync of any of them, within the limits.
    Raises InvalidInput for a source, field or choice that there is not.
    """
    known = dict(DirectorySource.objects.values_list("pk", "name"))
    if set(order) - known.keys() or set(first.values()) - known.keys():
        raise InvalidInput("One of the sources is not there any more. Load the page again.")
    if set(first) - set(ORDERED_FIELDS) or set(holds) - HELD_BY.keys():
        raise InvalidInput("There is no such field. Load the page again.")
    if service not in Joining.Service.values:
        raise InvalidInput("Choose which entry decides about service.")
    before = Joining.objects.first()
    row = Joining(
        pk=ONLY,
        order=list(order),
        orders={name: [first[name]] for name in ORDERED_FIELDS if name in first},
        service=service,
        holds=[name for name in HELD_BY if name in holds],
    )
    with transaction.atomic():
        saving.save(row=row, before=before, actor=actor)
        ask(Person.objects.filter(pk__in=Person.objects.filter(same_as__isnull=False).values(
            "same_as"
        )))  # fmt: skip
