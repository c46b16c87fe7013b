"""One socket to one SIP server, over UDP, TCP or TLS, at addresses that were judged before."""

from __future__ import annotations

import os
import socket
import ssl
import time
from collections.abc import Sequence
from typing import NoReturn

from provisioning.core.certificate import why_refused
from provisioning.core.errors import Rejected, Unreachable
from provisioning.core.records import Listener
from provisioning.drivers.sip.message import LARGEST, body_length

_HEAD_END = b"\r\n\r\n"


class Wire:
    """Sends and receives whole messages; for one thread. Raises Unreachable and Rejected.

    The certificate must be one for the listener's host; an empty `ca_pem` means the system's
    authorities.
    """

    def __init__(
        self, listener: Listener, *, addresses: Sequence[str], ca_pem: str, timeout: float
    ) -> None:
        self._listener = listener
        self._left = bytearray()
        try:
            self._socket = self._dial(addresses, timeout)
            if listener.transport == "tls":
                context = ssl.create_default_context(cadata=ca_pem or None)
                self._socket = context.wrap_socket(self._socket, server_hostname=listener.host)
        except ssl.SSLCertVerificationError as error:
            self._refuse(f"its certificate was refused: {why_refused(error, listener.host)}")
        except ssl.SSLError as error:
            self._refuse(f"TLS: {error.reason or error}")
        except OSError as error:
            self._fail(error)
        self.transport = listener.transport
        host, port, *_ = self._socket.getsockname()
        self.local_host: str = host
        self.local = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def send(self, packet: bytes) -> None:
        """Send one message."""
        try:
            self._socket.sendall(packet)
        except OSError as error:
            self._fail(error)

    def receive(self, until: float) -> bytes | None:
        """The next message, or None when `until` has come, on the monotonic clock."""
        try:
            if self.transport == "udp":
                return self._some(until)
            while True:
                if (message := self._cut()) is not None:
                    return message
                if (more := self._some(until)) is None:
                    return None
                if not more:
                    self._end("it closed the connection")
                self._left += more
        except OSError as error:
            self._fail(error)

    def close(self) -> None:
        """End the connection."""
        self._socket.close()

    def _dial(self, addresses: Sequence[str], timeout: float) -> socket.socket:
        failure: OSError = socket.gaierror("not resolved")
        for address in addresses:
            if self._listener.transport != "udp":
                try:
                    stream = socket.create_connection((address, self._listener.port), timeout)
                except OSError as error:
                    failure = error
                    continue
                # An ACK and the request after it are two messages: the second does not wait until
                # the server has confirmed the first.
                stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return stream
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            plain = socket.socket(family, socket.SOCK_DGRAM)
            # Answers of nobody else are taken.
            plain.connect((address, self._listener.port))
            return plain
        raise failure

    def _some(self, until: float) -> bytes | None:
        left = until - time.monotonic()
        if left <= 0:
            return None
        self._socket.settimeout(left)
        try:
            return self._socket.recv(LARGEST)
        except TimeoutError:
            return None

    def _cut(self) -> bytes | None:
        """The first whole message of what has come over the connection."""
        # Keep-alives between messages (RFC 5626, 3.5.1).
        while self._left[:2] == b"\r\n":
            del self._left[:2]
        head, end, _ = bytes(self._left).partition(_HEAD_END)
        if not end:
            if len(self._left) > LARGEST:
                self._refuse(f"its message is longer than {LARGEST} bytes")
            return None
        size = len(head) + len(end) + body_length(head)
        if len(self._left) < size:
            return None
        message = bytes(self._left[:size])
        del self._left[:size]
        return message

    def _refuse(self, why: str) -> NoReturn:
        raise Rejected(f"{self._listener.named} cannot be used: {why}.") from None

    def _end(self, why: str) -> NoReturn:
        raise Unreachable(f"{self._listener.named} cannot be reached: {why}.") from None

    def _fail(self, error: OSError) -> NoReturn:
        if isinstance(error, TimeoutError):
            self._end("no answer in time")
        self._end(os.strerror(error.errno) if error.errno else error.strerror or str(error))
