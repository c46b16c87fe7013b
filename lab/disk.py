"""A small file system of its own, which is soon full."""

import os
from contextlib import suppress
from pathlib import Path

from lab.process import Counterpart, LabError, run

MEBIBYTE = 1 << 20


class SmallDisk(Counterpart):
    """A file system of `size` bytes in memory at `directory`; mounting needs root or sudo."""

    def __init__(self, directory: Path, *, size: int = MEBIBYTE) -> None:
        self.directory = directory.absolute()
        self.size = size
        self._root = [] if os.geteuid() == 0 else ["sudo", "-n"]
        self._filler = self.directory / "filler"

    def start(self) -> None:
        if os.path.ismount(self.directory):
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        options = f"size={self.size},mode=0700,uid={os.geteuid()},gid={os.getegid()}"
        run([*self._root, "mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.directory)])

    def stop(self) -> None:
        # Whoever still has a file open there does not keep the directory from going.
        with suppress(LabError):
            run([*self._root, "umount", "--lazy", str(self.directory)])

    def fill(self) -> None:
        """Leaves no room at all."""
        with suppress(OSError), self._filler.open("wb", buffering=0) as filler:
            while filler.write(bytes(4096)):
                pass

    def free(self) -> None:
        """Gives back what fill() took."""
        self._filler.unlink(missing_ok=True)
