"""Reading the groups of a source: their names, and who of another forest is in them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from itertools import islice

from provisioning.core.errors import Rejected
from provisioning.core.records import Entry
from provisioning.core.text import clean_line
from provisioning.directory.groups import Membership
from provisioning.directory.presets import GROUP_ATTRIBUTES
from provisioning.models import DirectoryGroup, DirectorySource, Person
from provisioning.services.directory.readers import AnyReader

_CHUNK = 500


@dataclass(slots=True)
class ReadGroups:
    """Name and description of each group by GUID; the source of each member of another forest."""

    names: dict[str, tuple[str, str]] = field(default_factory=dict)
    foreign: dict[str, int] = field(default_factory=dict)


def read_groups(
    *, source: DirectorySource, reader: AnyReader, membership: Membership
) -> ReadGroups:
    """Read every group into `membership`, after everybody of the source is in it.

    Members of another forest are the people of other sources with the same objectSid. Raises what
    the reader raises, and Rejected where the directory answers with none although some are known.
    """
    read = ReadGroups()
    for page in reader.groups(GROUP_ATTRIBUTES):
        for entry in page:
            membership.add_group(entry)
            read.names[entry.guid] = (name_of(entry), description_of(entry))
    known = DirectoryGroup.objects.filter(source=source, left_at__isnull=True)
    if not read.names and known.exists():
        raise Rejected(
            "The directory answered, but with 0 groups. Check the bases, the filter and the read "
            "rights of the bind account."
        )
    for sid, (guid, source_id) in find_foreign(source, list(membership.foreign_sids())).items():
        membership.know_foreign(sid, guid)
        read.foreign[guid] = source_id
    return read


def find_foreign(source: DirectorySource, sids: Collection[str]) -> dict[str, tuple[str, int]]:
    """The key and the source of everybody of other sources who has one of these SIDs.

    Of several with the same one the newest counts.
    """
    found: dict[str, tuple[str, int]] = {}
    waiting = iter(sids)
    while chunk := list(islice(waiting, _CHUNK)):
        others = Person.objects.exclude(source=source).filter(left_at=None, sid__in=chunk)
        for sid, guid, source_id in others.order_by("id").values_list("sid", "guid", "source_id"):
            found[sid] = guid, source_id
    return found


def name_of(entry: Entry) -> str:
    """How a group is called."""
    return _first(entry.attributes, "cn", entry.dn)


def description_of(entry: Entry) -> str:
    """What the directory says of a group."""
    return _first(entry.attributes, "description", "")


def _first(values: dict[str, list[bytes]], name: str, default: str) -> str:
    found = values.get(name)
    return clean_line(found[0].decode("utf-8", "replace")) if found else default
