"""The far end of a gateway: while it is open it takes calls over UDP, and is busy to all of them.

It answers OPTIONS as well, by which servers find out whether a gateway is there.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

from provisioning.core.errors import Rejected
from provisioning.core.records import Transport
from provisioning.drivers.sip.endpoint import Endpoint
from provisioning.drivers.sip.message import LARGEST, Request

# Between two looks whether it is to close, and between two at a port that another one has.
_LOOK, _AGAIN = 0.2, 0.05


class NextHop:
    """Open from entering to leaving it; raises Rejected where its port stays somebody else's."""

    def __init__(self, host: str, port: int, *, patience: float) -> None:
        self._line = _OpenLine(host, port, patience)
        self._endpoint = Endpoint(self._line)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()
        self._line.close()

    @property
    def rung(self) -> Sequence[Request]:
        """The requests that came."""
        return list(self._endpoint.rung)

    def _serve(self) -> None:
        while not self._over.is_set():
            # What cannot be answered in a line is dropped.
            with suppress(ValueError):
                self._endpoint.next_response(time.monotonic() + _LOOK)


class _OpenLine:
    """A UDP port of this machine; what is sent goes to whom the last message came from."""

    transport: Transport = "udp"

    def __init__(self, host: str, port: int, patience: float) -> None:
        self.local = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._socket = socket.socket(
            socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM
        )
        self._peer: tuple[object, ...] = ()
        until = time.monotonic() + patience
        while True:
            try:
                # Any address of the machine: the servers may know it by that of a router before it.
                self._socket.bind(("", port))
            except OSError as error:
                if time.monotonic() < until:
                    time.sleep(_AGAIN)
                    continue
                self._socket.close()
                raise Rejected(
                    f"UDP port {port}, the console's own gateway, cannot be opened: "
                    f"{os.strerror(error.errno or 0)}."
                ) from None
            return

    def send(self, packet: bytes) -> None:
        with suppress(OSError):
            self._socket.sendto(packet, self._peer)

    def receive(self, until: float) -> bytes | None:
        left = until - time.monotonic()
        if left <= 0:
            return None
        self._socket.settimeout(left)
        try:
            packet, self._peer = self._socket.recvfrom(LARGEST)
        except OSError:
            return None
        return packet

    def close(self) -> None:
        self._socket.close()
