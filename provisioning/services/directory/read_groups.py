"""Reading the groups of a source: their names, and who of another forest is in them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from itertools import islice

from provisioning.core.errors import Rejected
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
            values = entry.attributes
            name = _first(values, "cn", entry.dn)
            read.names[entry.guid] = (name, _first(values, "description", ""))
    known = DirectoryGroup.objects.filter(source=source, left_at__isnull=True)
    if not read.names and known.exists():
        raise Rejected(
            "The directory answered, but with 0 groups. Check the bases, the filter and the read "
            "rights of the bind account."
        )
    _know_foreign(source, list(membership.foreign_sids()), membership, read)
    return read


def _know_foreign(
    source: DirectorySource, sids: Collection[str], membership: Membership, read: ReadGroups
) -> None:
    waiting = iter(sids)
    while chunk := list(islice(waiting, _CHUNK)):
        others = Person.objects.exclude(source=source).filter(left_at=None, sid__in=chunk)
        for sid, guid, source_id in others.order_by("-id").values_list("sid", "guid", "source_id"):
            if guid not in read.foreign and sid in membership.foreign_sids():
                membership.know_foreign(sid, guid)
                read.foreign[guid] = source_id


def _first(values: dict[str, list[bytes]], name: str, default: str) -> str:
    found = values.get(name)
    return clean_line(found[0].decode("utf-8", "replace")) if found else default
