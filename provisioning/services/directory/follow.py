"""Following sources: a directory that says when something changed is read at that moment."""

from __future__ import annotations

import threading
import time

import structlog
from django.db import close_old_connections

from provisioning.core.errors import Busy, ProvisioningError
from provisioning.directory.reader import Reader
from provisioning.directory.ways import listen
from provisioning.models import DirectorySource
from provisioning.services.directory.poll import read_changes
from provisioning.services.rules.rule_book import RuleBook
from provisioning.services.sync.sync import reading_of

log = structlog.stdlib.get_logger(__name__)

# Seconds. A burst of changes is read when it pauses, or at last after _BURST.
_QUIET, _BURST = 0.1, 1.0
_LOOK_AGAIN = 15.0
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0


def find_followed() -> list[int]:
    """The ids of the sources that are read by their changes on schedule."""
    modes = DirectorySource.Mode
    # What a SCIM client writes wakes a worker by itself.
    found = DirectorySource.objects.filter(enabled=True).exclude(mode__in=[modes.FULL, modes.SCIM])
    return list(found.order_by("pk").values_list("pk", flat=True))


def follow(*, source_id: int, stop: threading.Event) -> None:
    """Read the changes of a source as they happen, until `stop` is set or it is set otherwise.

    The schedule goes on beside it and reads what was not heard: listening loses nothing, whenever
    it ends. A directory that cannot be reached is tried again, at last once a minute.
    """
    pause = _FIRST_PAUSE
    while not stop.is_set():
        close_old_connections()
        source = DirectorySource.objects.filter(pk=source_id, pk__in=find_followed()).first()
        if source is None:
            return
        try:
            _listen(source, stop)
            pause = _FIRST_PAUSE
        except ProvisioningError as error:
            log.warning("not listening", source=source.name, reason=error.message)
            stop.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
    close_old_connections()


def _listen(source: DirectorySource, stop: threading.Event) -> None:
    """Listen until `stop`, or until it is time to look whether the source is set otherwise."""
    record, _ = reading_of(source, RuleBook())
    began = time.monotonic()
    with Reader(record) as reader:
        log.info("listening", source=source.name)
        since: float | None = None
        for rang in listen(reader, source.mode, wait=_QUIET):
            now = time.monotonic()
            since = now if rang and since is None else since
            if since is not None and (not rang or now - since > _BURST) and _read(source):
                since = None
            if stop.is_set() or now - began > _LOOK_AGAIN:
                return


def _read(source: DirectorySource) -> bool:
    """Whether the changes were read; another run of the source may be under way."""
    close_old_connections()
    source.refresh_from_db()
    try:
        read_changes(source=source)
    except Busy:
        return False
    return True
