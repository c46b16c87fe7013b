"""What Kombu does otherwise with brokers here, so that workers outlive what may happen to them."""

from __future__ import annotations

from kombu.transport import TRANSPORT_ALIASES


def use_transports() -> None:
    """Let every connection of this process use those of this package.

    Each is imported where it is used: a process without Redis does without its library.
    """
    TRANSPORT_ALIASES["filesystem"] = "rtcadmin.broker.files:FileTransport"
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = "rtcadmin.broker.redis:RedisTransport"
