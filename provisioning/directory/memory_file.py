"""Files in memory only, for libraries that read keys from a path and from nowhere else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def memory_file(content: bytes) -> Iterator[str]:
    """The path of a file with `content` that no disk and no other user sees; gone at the end."""
    descriptor = os.memfd_create("rtcadmin")
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
