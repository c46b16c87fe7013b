"""Who is in single groups: as the console keeps it, and as the directory names them now."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from provisioning.core.records import Entry
from provisioning.directory.dn import normalise_dn
from provisioning.directory.groups import membership_attributes
from provisioning.directory.members import NamedMembers, member_dns, tell_apart, without
from provisioning.directory.selection import filters_of_primary_groups
from provisioning.models import DirectorySource, GroupMember, Person
from provisioning.services.directory.changed_groups import PeopleNow, primary_sid
from provisioning.services.directory.read_groups import find_foreign
from provisioning.services.directory.readers import AnyReader

_CHUNK = 500


class KeptMember(NamedTuple):
    """A membership as it is kept; `direct` where the group names the person itself."""

    guid: str
    direct: bool
    source_id: int
    dn: str
    left: bool


@dataclass(frozen=True, slots=True)
class GroupNow:
    """The direct members of a group, as `directory.groups.ResolvedGroup` has them."""

    direct: frozenset[str]
    children: frozenset[str]
    foreign: int
    unknown: tuple[str, ...]


def kept_members_of(group_id: int) -> list[KeptMember]:
    """Everybody who is kept as a member of the group."""
    rows = GroupMember.objects.filter(group=group_id).values_list(
        "person__guid", "direct", "person__source_id", "person__dn", "person__left_at"
    )
    return [KeptMember(*row[:4], row[4] is not None) for row in rows.iterator(chunk_size=10_000)]


def direct_groups(guids: Collection[str], source_id: int) -> Iterator[tuple[str, int]]:
    """(GUID, id of a group) of every group, of any source, that names one of these people."""
    waiting = sorted(guids)
    for start in range(0, len(waiting), _CHUNK):
        # People first: SQLite does not know that few of them lead to everything else.
        people = dict(
            Person.objects.filter(
                source=source_id, guid__in=waiting[start : start + _CHUNK]
            ).values_list("pk", "guid")
        )
        rows = GroupMember.objects.filter(person__in=list(people), direct=True)
        for person, group in rows.values_list("person_id", "group_id"):
            yield people[person], group


def resolve_members(
    *,
    source: DirectorySource,
    reader: AnyReader,
    entries: Collection[Entry],
    kept: Iterable[KeptMember],
    people: PeopleNow,
    groups: Mapping[str, str],
    foreign: dict[str, int],
) -> dict[str, GroupNow]:
    """Who is in each of the groups that `entries` are, by key.

    `kept` are their members of before, `groups` the keys of all groups that there are, by DN.
    `foreign` gets the sources of members who were read from another one. Whoever came after the
    changes were told is no member yet: the run that gets to know them adds them.
    """
    dns = {entry.guid: member_dns(entry) for entry in entries}
    members = {
        each.guid: normalise_dn(each.dn)
        for each in kept
        if each.direct and each.source_id == source.pk and not each.left and _stays(each, people)
    }
    names = {dn: guid for guid, dn in members.items()}
    names |= {normalise_dn(entry.dn): guid for guid, entry in people.met.items()}
    named = set().union(*dns.values())
    if others := without(named, names, groups):
        names |= _find_named(source, others, people)
        missing = [guid for guid, dn in members.items() if dn not in named]
        names |= _find_moved(reader, others.difference(names), missing)
    found = {guid: tell_apart(each, names, groups) for guid, each in dns.items()}
    abroad = find_foreign(source, set().union(*(each.foreign for each in found.values())))
    foreign |= dict(abroad.values())
    primary = _by_primary_group(source, reader, entries, people)
    return {
        guid: _group_now(members, abroad, primary.get(guid, ())) for guid, members in found.items()
    }


def _group_now(
    members: NamedMembers, abroad: Mapping[str, tuple[str, int]], primary: Iterable[str]
) -> GroupNow:
    known = {abroad[sid][0] for sid in members.foreign if sid in abroad}
    return GroupNow(
        direct=members.people.union(known, primary),
        children=members.groups,
        foreign=sum(sid not in abroad for sid in members.foreign),
        unknown=members.unknown,
    )


def _stays(member: KeptMember, people: PeopleNow) -> bool:
    """Whether somebody has the name of before; of those who were met the new one counts."""
    return member.guid not in people.leaving and member.guid not in people.met


def _find_named(source: DirectorySource, dns: Collection[str], people: PeopleNow) -> dict[str, str]:
    """Who of the others of this source has one of these DNs: they are kept as they are written."""
    rows = Person.objects.filter(source=source, left_at=None).values_list("guid", "dn")
    return {
        name: guid
        for guid, dn in rows.iterator(chunk_size=10_000)
        if (name := normalise_dn(dn)) in dns
        and guid not in people.leaving
        and guid not in people.met
    }


def _find_moved(
    reader: AnyReader, dns: Collection[str], missing: Collection[str]
) -> dict[str, str]:
    """Who of the members that are not named any more has one of these DNs by now.

    They moved after the changes were told, or could not be read when they were.
    """
    if not dns or not missing:
        return {}
    return {
        name: entry.guid
        for page in reader.people((), reader.select(sorted(missing)))
        for entry in page
        if (name := normalise_dn(entry.dn)) in dns
    }


def _by_primary_group(
    source: DirectorySource, reader: AnyReader, groups: Iterable[Entry], people: PeopleNow
) -> dict[str, set[str]]:
    """Whose primary group each of `groups` is: `member` does not show it."""
    attributes = membership_attributes(reader.source)
    if "primarygroupid" not in attributes:
        return {}
    by_sid = {
        sids[0]: entry.guid for entry in groups if (sids := entry.attributes.get("objectsid"))
    }
    found: dict[str, set[str]] = {guid: set() for guid in by_sid.values()}
    for page in reader.people(attributes, filters_of_primary_groups(by_sid)):
        for entry in page:
            if guid := by_sid.get(primary_sid(entry)):
                found[guid].add(entry.guid)
    known = _known(source, set().union(*found.values()), people)
    return {guid: members & known for guid, members in found.items()}


def _known(source: DirectorySource, guids: Collection[str], people: PeopleNow) -> set[str]:
    """Those of `guids` that are people of the source once the run is applied."""
    known = set(people.met)
    waiting = sorted(set(guids) - known)
    for start in range(0, len(waiting), _CHUNK):
        rows = Person.objects.filter(
            source=source, left_at=None, guid__in=waiting[start : start + _CHUNK]
        )
        known.update(rows.values_list("guid", flat=True))
    return known.difference(people.leaving)
