"""Reading only those groups of a source in which something may differ since the last reading."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from provisioning.core.records import Entry
from provisioning.directory.groups import membership_attributes
from provisioning.directory.presets import GROUP_ATTRIBUTES
from provisioning.directory.selection import filters_of_sids
from provisioning.directory.sid import primary_group
from provisioning.models import DirectorySource, GroupMember, GroupNesting, Person
from provisioning.services.directory.readers import AnyReader

# From here on reading all of them is faster.
_MOST_GROUPS = 500
_MOST_NAMES = 50


@dataclass(frozen=True, slots=True)
class PeopleNow:
    """What a run found of people: the entries `met`, by key, and the keys of those `leaving`.

    `concerned` are those of both who may be in other groups though no group changed: they came,
    went or moved.
    """

    met: Mapping[str, Entry]
    leaving: Collection[str]
    concerned: Collection[str]


@dataclass(slots=True)
class ChangedGroups:
    """The entries that were read, by key, and the keys of groups that are not there any more."""

    read: dict[str, Entry] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)


def read_changed_groups(
    *,
    source: DirectorySource,
    reader: AnyReader,
    keys: Collection[str],
    people: PeopleNow,
    present: Mapping[str, str],
) -> ChangedGroups | None:
    """Read the groups among `keys`, and those that name somebody who came, went or moved.

    `present` are the DNs of the groups that are kept, by key: exactly what the directory said
    before. None where reading all of them is faster, or where none would remain.
    """
    found = ChangedGroups()
    if not _read(reader, keys, found):
        return None
    found.gone = {key for key in keys if key in present and key not in found.read}
    moved = [entry for key, entry in found.read.items() if present.get(key) != entry.dn]
    if len(moved) + len(people.concerned) > _MOST_NAMES:
        return None
    if found.gone and found.gone >= present.keys():
        return None
    suspects = _of_people(source, reader, people) | _of_groups(source, reader, moved, found.gone)
    suspects &= present.keys() - found.read.keys() - found.gone
    return found if _read(reader, suspects, found) else None


def _read(reader: AnyReader, keys: Collection[str], found: ChangedGroups) -> bool:
    """Read the groups among `keys`; False where it would be too many."""
    for page in reader.groups(GROUP_ATTRIBUTES, reader.select(sorted(keys))):
        found.read.update((entry.guid, entry) for entry in page)
        if len(found.read) > _MOST_GROUPS:
            return False
    return True


def _of_people(source: DirectorySource, reader: AnyReader, people: PeopleNow) -> set[str]:
    """The groups that name one of the concerned but are not kept so, and the other way round."""
    kept: dict[str, set[str]] = {guid: set() for guid in people.concerned}
    people_here = Person.objects.filter(source=source, guid__in=kept)
    rows = GroupMember.objects.filter(
        person__in=list(people_here.values_list("pk", flat=True)), direct=True
    )
    for guid, group in rows.values_list("person__guid", "group__guid"):
        kept[guid].add(group)
    named: dict[str, set[str]] = {
        guid: _naming(reader, people.met[guid].dn) for guid in kept if guid in people.met
    }
    for guid, group in _primary_groups(reader, [people.met[guid] for guid in named]).items():
        named[guid].add(group)
    return set().union(*(kept[guid] ^ named.get(guid, set()) for guid in kept))


def _of_groups(
    source: DirectorySource, reader: AnyReader, moved: Iterable[Entry], gone: Collection[str]
) -> set[str]:
    """The groups around those that came, went or moved."""
    guids = {entry.guid for entry in moved}
    rows = GroupNesting.objects.filter(child__source=source, child__guid__in={*guids, *gone})
    around = set(rows.values_list("parent__guid", flat=True))
    return around.union(*(_naming(reader, entry.dn) for entry in moved))


def _naming(reader: AnyReader, dn: str) -> set[str]:
    return {entry.guid for page in reader.groups((), reader.naming(dn)) for entry in page}


def _primary_groups(reader: AnyReader, people: Collection[Entry]) -> dict[str, str]:
    """The primary group of each of `people` that has one here, by key."""
    if "primarygroupid" not in membership_attributes(reader.source):
        return {}
    sids = {entry.guid: primary_sid(entry) for entry in people}
    filters = filters_of_sids(set(sids.values()) - {b""})
    groups = {
        entry.attributes["objectsid"][0]: entry.guid
        for page in reader.groups(("objectsid",), filters)
        for entry in page
    }
    return {guid: groups[sid] for guid, sid in sids.items() if sid in groups}


def primary_sid(entry: Entry) -> bytes:
    """The objectSid of somebody's primary group, empty where it was not read."""
    values = entry.attributes
    sid, number = values.get("objectsid"), values.get("primarygroupid")
    return primary_group(sid[0], number[0]) if sid and number else b""
