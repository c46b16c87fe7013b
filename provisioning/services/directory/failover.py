"""Which of a source's servers is in use, why others were passed over, and which is tried last."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from provisioning.core.errors import IncompleteRead
from provisioning.models import DirectorySource
from provisioning.services.directory.readers import AnyReader


@contextmanager
def watched(source: DirectorySource, reader: AnyReader) -> Iterator[None]:
    """Keep which server an open `reader` uses; one that breaks off a read is tried last from now.

    So a server that answers, but ends every read half-way, does not keep the others from being used
    when the read is tried again.
    """
    _keep(source, server_in_use=reader.server, passed_over=reader.passed_over)
    try:
        yield
    except IncompleteRead:
        if len(source.uris.split()) > 1:
            _keep(source, broke_off=reader.server)
        raise


def _keep(source: DirectorySource, **values: object) -> None:
    changed = {name: value for name, value in values.items() if getattr(source, name) != value}
    if not changed:
        return
    DirectorySource.objects.filter(pk=source.pk).update(**changed)
    for name, value in changed.items():
        setattr(source, name, value)
