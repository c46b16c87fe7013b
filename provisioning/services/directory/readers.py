"""What a source is read through: a connection to a directory, or what its SCIM client wrote."""

from __future__ import annotations

from provisioning.core.records import SourceRecord
from provisioning.directory import ways
from provisioning.directory.changes import Changes, Start
from provisioning.directory.reader import Reader
from provisioning.models import DirectorySource
from provisioning.services.scim.scim_reader import ScimReader

AnyReader = Reader | ScimReader


def open_reader(source: DirectorySource, record: SourceRecord) -> AnyReader:
    """The reader of `source`, to be entered; `record` is how it is reached."""
    if source.kind == DirectorySource.Kind.SCIM:
        return ScimReader(record, source.pk)
    return Reader(record)


def begin_changes(reader: AnyReader, way: str) -> Start:
    """Where reading changes begins right now; raises as `directory.ways.begin` does."""
    return reader.begin() if isinstance(reader, ScimReader) else ways.begin(reader, way)


def read_changes(reader: AnyReader, way: str, cookie: bytes, attributes: frozenset[str]) -> Changes:
    """What changed since `cookie`; raises as `directory.ways.read_changes` does."""
    if isinstance(reader, ScimReader):
        return reader.changes(cookie)
    return ways.read_changes(reader, way, cookie, attributes)
