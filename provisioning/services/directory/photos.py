"""Portraits: asked for in the directory when somebody looks at a person, never kept."""

from __future__ import annotations

from dataclasses import replace

import structlog

from provisioning.core.errors import ProvisioningError
from provisioning.directory.sample import read_photo
from provisioning.models import Person
from provisioning.services.servers import targets

log = structlog.stdlib.get_logger(__name__)

# Seconds: a page shows initials rather than hold a worker for a picture.
_PATIENCE = 2.0


def find_photo(*, person: Person) -> tuple[str, bytes]:
    """Media type and bytes of a JPEG or PNG of at most 200 kB; both empty where there is none.

    Never raises a ProvisioningError: a directory that cannot be asked has no picture to show.
    """
    source = person.source
    if not source.photo_attribute or person.left_at is not None:
        return "", b""
    try:
        record = targets.pin_source(source.as_record())
        record = replace(
            record,
            connect_timeout=min(record.connect_timeout, _PATIENCE),
            read_timeout=min(record.read_timeout, _PATIENCE),
        )
        return read_photo(record, source.photo_attribute, dn=person.dn, guid=person.guid)
    except ProvisioningError as error:
        log.info("photo was not read", source=source.name, reason=error.message)
        return "", b""
