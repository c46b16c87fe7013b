"""Progress of a run: what the page shows, the lease that says it is alive, and the wish to stop."""

from __future__ import annotations

import time
from collections.abc import Callable

from django.conf import settings
from django.db import transaction

from provisioning.core.errors import ProvisioningError
from provisioning.models import DirectorySource, Run
from provisioning.services import bulk, leases

# Told of every report: the phase, how many steps are done, of about how many.
Watch = Callable[[Run.Phase, int, int], None]


class Stopped(ProvisioningError):
    """Somebody asked the run to stop before anything was applied."""


class Lost(ProvisioningError):
    """Another worker took the run over; this one must not write any more."""


class Progress:
    """Reports of one worker about one run; at most two writes a second."""

    def __init__(self, run: Run, owner: str, watch: Watch | None = None) -> None:
        self.run = run
        self.owner = owner
        self._watch = watch
        self._total = 0
        self._done = 0
        self._said = 0.0
        # Until it applies; a run that goes on with applying was asked too late.
        self._stoppable = self._may_stop(run.phase)

    def phase(self, phase: Run.Phase, total: int = 0) -> None:
        """Enter a phase of about `total` steps; raises as `advance` does."""
        self._done = 0
        self._total = total
        self.run.phase = phase
        self._write(phase=phase, done=0, total=total)
        self._stoppable = self._may_stop(phase)

    def advance(self, steps: int) -> None:
        """Report `steps` more; raises Stopped or Lost when the run is not ours to go on with."""
        self._done += steps
        if time.monotonic() - self._said >= 0.5:
            self._write(done=self._done)

    def hold(self) -> None:
        """Lock the run for the caller's transaction, so that nobody takes it over; raises Lost."""
        self._renew()

    def _may_stop(self, phase: str) -> bool:
        return phase != Run.Phase.APPLY or self.run.kind == Run.Kind.WRITE_BACK

    def _write(self, **fields: object) -> None:
        self._said = time.monotonic()
        if self._watch is not None:
            self._watch(Run.Phase(self.run.phase), self._done, self._total)
        with transaction.atomic():
            bulk.commit_lazily()
            self._renew(**fields)

    def _renew(self, **fields: object) -> None:
        mine = Run.objects.filter(pk=self.run.pk, lease_owner=self.owner)
        free = mine.filter(stop_requested=False) if self._stoppable else mine
        if not free.update(lease_until=leases.until(settings.SYNC_LEASE), **fields):
            if mine.exists():
                raise Stopped("Stopped on request. Nothing was changed.")
            raise Lost("Another worker has taken this run over.")
        if self.run.source_id is not None:
            source = DirectorySource.objects.filter(pk=self.run.source_id)
            leases.renew(source, self.owner, settings.SYNC_LEASE)
