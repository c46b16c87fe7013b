"""What Kombu does otherwise with brokers here, so that workers outlive what may happen to them.

Messages as files: Kombu opens one under the name that workers look for and writes it then, and a
worker that looks in between finds it empty, and ends. Here it gets its name when it is complete.

Redis: when its connection is lost, a worker puts what it has not acknowledged back into the queue,
over that connection, and ends where this fails. Here it stays where it is: messages only wake, and
the sweeper finds what none of them told of.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from time import monotonic_ns
from typing import Any

from kombu.exceptions import ChannelError
from kombu.transport import TRANSPORT_ALIASES, filesystem
from kombu.transport.redis import QoS
from kombu.utils.json import dumps


class Channel(filesystem.Channel):
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


class Transport(filesystem.Transport):
    """What `filesystem://` means here."""

    Channel = Channel


def use_complete_messages() -> None:
    """Let every connection to `filesystem://` of this process be one of these."""
    TRANSPORT_ALIASES["filesystem"] = "rtcadmin.broker:Transport"


def leave_unacknowledged_messages() -> None:
    """Let no worker of this process put messages back into a queue of Redis."""
    QoS.restore_at_shutdown = False
