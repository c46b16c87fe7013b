"""Follow directories: what changes is read at that moment instead of on the schedule."""

from __future__ import annotations

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand
from django.db import close_old_connections

from provisioning.services.directory.follow import find_followed, follow

_LOOK_AGAIN = 15.0


class Command(BaseCommand):
    """`follow_directory`: runs until it is told to stop (SIGTERM, Ctrl-C)."""

    help = (
        "Listen to every directory that is read by its changes, and read what changed at that "
        "moment. One such process is enough; without it, changes are read on their schedule."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """One thread for each source; sources that are added or changed are noticed."""
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        threads: dict[int, threading.Thread] = {}
        while not stop.is_set():
            close_old_connections()
            for source_id in find_followed():
                if source_id not in threads or not threads[source_id].is_alive():
                    threads[source_id] = self._start(source_id, stop)
            stop.wait(_LOOK_AGAIN)
        for thread in threads.values():
            thread.join()

    def _start(self, source_id: int, stop: threading.Event) -> threading.Thread:
        arguments = {"source_id": source_id, "stop": stop}
        thread = threading.Thread(target=follow, kwargs=arguments, name=f"source {source_id}")
        thread.start()
        return thread
