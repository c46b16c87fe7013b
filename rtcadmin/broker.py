"""What Kombu does otherwise with brokers here, so that workers outlive what may happen to them.

Messages as files: Kombu opens one under the name that workers look for and writes it then, and a
worker that looks in between finds it empty, and ends. Here it gets its name when it is complete.

Redis: when its connection is lost, a worker puts what it has not acknowledged back into the queue,
over that connection, or acknowledges it there when the task is done, and ends where this fails.
Here it leaves it: messages only wake, and the sweeper finds what none of them told of.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from time import monotonic_ns
from typing import Any

from kombu.exceptions import ChannelError
from kombu.transport import TRANSPORT_ALIASES, filesystem, redis
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


class RedisQoS(redis.QoS):
    """Puts nothing back when it ends."""

    restore_at_shutdown = False


class RedisChannel(redis.Channel):
    """A channel that is silent once it is closed."""

    QoS = RedisQoS

    def basic_ack(self, delivery_tag: str, multiple: bool = False) -> None:
        """Acknowledge a message of this connection."""
        if not self.closed:
            super().basic_ack(delivery_tag, multiple)

    def basic_reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Reject a message of this connection."""
        if not self.closed:
            super().basic_reject(delivery_tag, requeue)


class RedisTransport(redis.Transport):
    """What `redis://` and `rediss://` mean here."""

    Channel = RedisChannel


def use_transports() -> None:
    """Let every connection of this process use those of this module."""
    TRANSPORT_ALIASES["filesystem"] = "rtcadmin.broker:FileTransport"
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = "rtcadmin.broker:RedisTransport"
