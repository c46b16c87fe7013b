"""When a source is read, and whether completely or by its changes."""

from __future__ import annotations

import zoneinfo

from django.db import transaction

from provisioning.core.errors import InvalidFields
from provisioning.directory.ways import WAYS
from provisioning.models import DirectorySource
from provisioning.services.actor import Actor
from provisioning.services.console import audit, saving, schedules

_FIELDS = ("mode", "enabled", "interval_seconds", "full_at", "full_zone")
# Reading everything takes its time; asking for changes is quick.
_SHORTEST = {DirectorySource.Mode.FULL: 10}
_SHORTEST_OF_CHANGES = 1
_LONGEST = 7 * 86_400


def modes_of(source: DirectorySource) -> list[DirectorySource.Mode]:
    """The ways in which changes can be told by the key of `source`, reading everything first."""
    if source.is_scim:
        return [DirectorySource.Mode.FULL, DirectorySource.Mode.SCIM]
    key = source.key_attribute.lower()
    ways = [DirectorySource.Mode(name) for name, way in WAYS.items() if way.key_attribute == key]
    return [DirectorySource.Mode.FULL, *ways]


def set_schedule(*, source: DirectorySource, actor: Actor) -> None:
    """Keep when and how `source` is read; nothing else of it is saved.

    Raises InvalidFields. A source that is read another way is read completely first.
    """
    before = saving.find_stored(source)
    _check(source)
    found = saving.changes(before, source)
    with transaction.atomic():
        source.save(update_fields=list(_FIELDS))
        schedules.keep_schedule(source)
        if found:
            audit.record(actor=actor, action="changed", obj=source, detail=found)


def _check(source: DirectorySource) -> None:
    faults: dict[str, str] = {}
    if source.mode not in modes_of(source):
        faults["mode"] = (
            f"Changes are not told that way by {source.key_attribute}, the key of this source."
        )
    shortest = _SHORTEST.get(DirectorySource.Mode(source.mode), _SHORTEST_OF_CHANGES)
    if not shortest <= source.interval_seconds <= _LONGEST:
        plural = "" if shortest == 1 else "s"
        faults["interval_seconds"] = f"From {shortest} second{plural} to 7 days."
    if source.full_zone not in zoneinfo.available_timezones():
        faults["full_zone"] = f"“{source.full_zone}” is not a time zone such as Europe/London."
    if faults:
        raise InvalidFields(faults)
