"""A peer on loopback that answers requests as a test wants, over UDP or TCP."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

from lab.ports import HOST
from provisioning.core.records import Listener, Transport
from provisioning.drivers.sip.message import Request, read_message, write_message

Script = Callable[[Request], Iterable[str | bytes]]
_REPEATED = ("via", "from", "to", "call-id", "cseq", "record-route")


class Peer:
    """Answers each request with what `script` says of it: statuses with headers, or raw bytes.

    A status is such as "180 Ringing" with further headers behind line breaks.
    """

    def __init__(self, script: Script, transport: Transport = "udp") -> None:
        self.asked: list[Request] = []
        self._script = script
        kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
        self._socket = socket.socket(socket.AF_INET, kind)
        self._socket.bind((HOST, 0))
        if transport != "udp":
            self._socket.listen()
        self.listener = Listener(HOST, self._socket.getsockname()[1], transport)
        serve = self._serve_datagrams if transport == "udp" else self._serve_connection
        self._thread = threading.Thread(target=serve, daemon=True)

    def methods(self) -> list[str]:
        return [each.method for each in self.asked]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._socket.close()

    def _serve_datagrams(self) -> None:
        while True:
            try:
                packet, sender = self._socket.recvfrom(65_535)
            except OSError:
                return
            for each in self._answers(packet):
                self._socket.sendto(each, sender)

    def _serve_connection(self) -> None:
        connection, _ = self._socket.accept()
        with connection:
            while packet := connection.recv(65_535):
                for each in self._answers(packet):
                    connection.sendall(each)

    def _answers(self, packet: bytes) -> Iterable[bytes]:
        request = read_message(packet)
        if not isinstance(request, Request):
            return
        # Over UDP a request comes again where its answer takes long (RFC 3261, 17.2).
        if (request.method, request.branch) not in [(a.method, a.branch) for a in self.asked]:
            self.asked.append(request)
        for said in self._script(request):
            if isinstance(said, bytes):
                yield said
                continue
            status, *more = said.split("\n")
            kept = [
                (name, f"{value};tag=peer" if name == "to" and "tag=" not in value else value)
                for name, value in request.headers
                if name in _REPEATED
            ]
            headers = [(name, value) for name, _, value in (line.partition(": ") for line in more)]
            yield write_message(f"SIP/2.0 {status}", [*kept, *headers])
