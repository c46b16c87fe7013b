"""One sync in a process of its own, through the service that workers call; prints its figures.

`python -m bench.sync_once` in the environment of a console with one source. `committed_at` is when
the outbox was committed, on the monotonic clock, which all processes of a machine share.
"""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Callable
from typing import Any

import django
from django.db.backends.sqlite3.base import DatabaseWrapper


class LockWatch:
    """How long this process holds SQLite's write lock at most: from BEGIN IMMEDIATE to its end."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._began = 0.0
        self._wrap("_start_transaction_under_autocommit", self._begin)
        for end in ("_commit", "_rollback"):
            self._wrap(end, self._end)

    def _wrap(self, name: str, then: Callable[[], None]) -> None:
        function: Callable[..., Any] = getattr(DatabaseWrapper, name)

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            answer = function(*args, **kwargs)
            then()
            return answer

        setattr(DatabaseWrapper, name, wrapped)

    def _begin(self) -> None:
        self._began = time.perf_counter()

    def _end(self) -> None:
        if self._began:
            self.longest = max(self.longest, time.perf_counter() - self._began)
            self._began = 0.0


def main() -> None:
    """Sync the only source; raises AssertionError when it did not end well."""
    watch = LockWatch()
    django.setup()
    # Models exist only after setup.
    from provisioning.models import DirectorySource, Run  # noqa: PLC0415
    from provisioning.services.actor import COMMAND_LINE  # noqa: PLC0415
    from provisioning.services.runs import runs  # noqa: PLC0415

    source = DirectorySource.objects.get()
    run = runs.sync_here(source=source, actor=COMMAND_LINE, dry=False)
    committed_at = time.monotonic()
    assert run.state == Run.State.DONE, run.problem
    figures = {
        "committed_at": committed_at,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "write_lock_ms": watch.longest * 1000,
        "people": run.counts["read.people"],
        "changes": sum(n for name, n in run.counts.items() if not name.startswith("read.")),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
