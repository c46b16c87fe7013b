"""Writing behind: a second thread writes to the database while the first reads and decides."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from django.db import connections

from provisioning.services import bulk

# One that is being written and one that waits: more would only take memory.
_MOST = 2


class Behind:
    """Does one piece of work after the other, in a thread with a database connection of its own.

    Both are made when there is work, and are gone after `close`. What is written is seen by others
    when `wait` has returned. When one piece of work fails, those after it are dropped, and a later
    call of `add` or `wait` raises its error; `close` raises none and drops what was not begun.
    """

    def __init__(self) -> None:
        self._thread: ThreadPoolExecutor | None = None
        self._open: deque[Future[None]] = deque()
        self._failed = False

    def add(self, work: Callable[[], None]) -> None:
        """Have `work` done; waits as long as too much is waiting already."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="behind")
            self._thread.submit(bulk.checkpoint_rarely)
        while len(self._open) >= _MOST:
            self._open.popleft().result()
        self._open.append(self._thread.submit(self._do, work))

    @property
    def is_used(self) -> bool:
        """Whether anything was ever added."""
        return self._thread is not None

    def _do(self, work: Callable[[], None]) -> None:
        if self._failed:
            return
        try:
            work()
        except BaseException:
            self._failed = True
            raise

    def wait(self) -> None:
        """Return when everything is written."""
        while self._open:
            self._open.popleft().result()

    def close(self) -> None:
        """End the thread when what it is at is written, or has failed."""
        if self._thread is not None:
            for work in self._open:
                work.cancel()
            self._thread.submit(connections.close_all)
            self._thread.shutdown()
            self._thread = None
