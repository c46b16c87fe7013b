"""A progress bar on a terminal; silent where nobody looks."""

from __future__ import annotations

import shutil
import time
from typing import TextIO

_EVERY = 0.1


class ProgressBar:
    """`label [#####-----] 1,234 of 5,000` on `stream`, redrawn at most ten times a second."""

    def __init__(self, label: str, total: int, stream: TextIO) -> None:
        self._label, self._total, self._stream = label, max(total, 1), stream
        self._shows = stream.isatty()
        self._drawn_at = 0.0

    def show(self, done: int) -> None:
        """Draw `done` of the total."""
        now = time.monotonic()
        if not self._shows or (now - self._drawn_at < _EVERY and done < self._total):
            return
        self._drawn_at = now
        count = f" {done:,} of {self._total:,}"
        width = max(10, min(40, shutil.get_terminal_size().columns - len(self._label + count) - 4))
        filled = min(width, width * done // self._total)
        self._stream.write(f"\r{self._label} [{'#' * filled}{'-' * (width - filled)}]{count}")
        self._stream.flush()

    def close(self) -> None:
        """Leave the line."""
        if self._shows and self._drawn_at:
            self._stream.write("\n")
