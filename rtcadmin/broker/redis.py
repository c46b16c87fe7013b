"""Messages over a Redis that may go away, without an end for the worker.

When its connection is lost, Kombu has a worker put what it has not acknowledged back into the
queue, over that connection, or acknowledge it there when the task is done, and it ends where this
fails. Here it leaves it: messages only wake, and the sweeper finds what none of them told of.
"""

from __future__ import annotations

from kombu.transport import redis


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
