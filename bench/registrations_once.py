"""One look at the live registrations of a store; import it where Django is set up."""

from __future__ import annotations

import json
import os
import resource
import time
from collections.abc import Sequence

from bench.processor import processor_seconds
from provisioning.models import ConfigStore
from provisioning.services.servers.contact_lists import read_contacts


def poll(work: Sequence[int]) -> None:
    """Read them as a worker does; prints how many there are, seconds, and peak memory."""
    processes = [os.getpid(), *work]
    began, spent = time.perf_counter(), processor_seconds(processes)
    found = read_contacts(store_id=ConfigStore.objects.get().pk)
    assert found is not None
    figures = {
        "count": found.count,
        "seconds": time.perf_counter() - began,
        "cpu": processor_seconds(processes) - spent,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(figures))
