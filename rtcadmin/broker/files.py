"""Messages as files that appear in one step.

Kombu opens one under the name that workers look for and writes it then, and a worker that looks in
between finds it empty, and ends. Here it gets its name when it is complete.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from time import monotonic_ns
from typing import Any

from kombu.exceptions import ChannelError
from kombu.transport import filesystem
from kombu.utils.json import dumps


class FileChannel(filesystem.Channel):
    """A channel whose messages appear in one step."""

    def _put(  # type: ignore[override] # kombu's own two differ as well
        self, queue: str, message: Any, **_: Any
    ) -> None:
        # Named by time, because workers take them in that order.
        name = f"{monotonic_ns() // 1000}_{uuid.uuid4()}.{queue}.msg"
        complete = Path(self.data_folder_out, name)
        draft = complete.with_suffix(".draft")
        try:
            draft.write_bytes(dumps(message).encode())
            draft.rename(complete)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise ChannelError(f"Cannot write {complete}") from error


class FileTransport(filesystem.Transport):
    """What `filesystem://` means here."""

    Channel = FileChannel
