"""Asking a source on its schedule what changed: a run only where there is something to do."""

from __future__ import annotations

import structlog
from django.utils import timezone

from provisioning.core.errors import Busy, ProvisioningError
from provisioning.directory.changes import ChangesRefused
from provisioning.models import DirectorySource, Run
from provisioning.services.directory.changes import PATIENCE, failed_last, find_changes, sealed
from provisioning.services.directory.failover import watched
from provisioning.services.directory.readers import open_reader
from provisioning.services.rules.rule_book import RuleBook
from provisioning.services.runs.runs import execute_run
from provisioning.services.scim.scim_find import has_users
from provisioning.services.sync.sync import reading_of

log = structlog.stdlib.get_logger(__name__)


def read_changes(*, source: DirectorySource) -> Run | None:
    """Read what changed in `source` and apply it here; the run, None where nothing had changed.

    A directory that cannot tell what changed is read whole, and again only after a while. One that
    cannot be reached leaves one failed run, however often it is asked; a SCIM client that has sent
    nobody yet leaves none. Raises Busy when another run of the source is under way; what changed is
    told again then.
    """
    if source.is_scim and not source.cookie and not has_users(source=source):
        return None
    try:
        if _nothing_changed(source) and not failed_last(source=source):
            return None
    except ChangesRefused:
        if not source.cookie and _fell_back_lately(source):
            return None
    except ProvisioningError as error:
        if _is_known(source, error):
            return None
        log.warning("changes were not read", source=source.name, reason=error.message)
    run = Run.objects.create(
        kind=Run.Kind.SYNC, source=source, reading=Run.Reading.CHANGES
    )  # fmt: skip
    try:
        execute_run(run_id=run.pk)
    except Busy:
        Run.objects.filter(pk=run.pk, state=Run.State.QUEUED).delete()
        raise
    return Run.objects.filter(pk=run.pk).first()


def _nothing_changed(source: DirectorySource) -> bool:
    """Whether the directory has nothing new; then reading goes on from here."""
    record, mapping = reading_of(source, RuleBook())
    with open_reader(source, record) as reader, watched(source, reader):
        changes = find_changes(source=source, reader=reader, mapping=mapping)
    if not changes.empty:
        return False
    # A run that ended meanwhile may have gone further.
    same = DirectorySource.objects.filter(pk=source.pk, cookie=source.cookie)
    same.update(cookie=sealed(source, mapping, changes.cookie), last_changes_at=timezone.now())
    return True


def _fell_back_lately(source: DirectorySource) -> bool:
    return source.fell_back_at is not None and timezone.now() - source.fell_back_at < PATIENCE


def _is_known(source: DirectorySource, error: ProvisioningError) -> bool:
    """Whether the newest sync of the source failed for the same reason."""
    syncs = Run.objects.filter(source=source, kind=Run.Kind.SYNC, dry=False)
    newest = syncs.order_by("-id").first()
    return newest is not None and (newest.state, newest.problem) == (
        Run.State.FAILED, error.message,
    )  # fmt: skip
