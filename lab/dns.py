"""A DNS server for one zone, over UDP on loopback."""

import socket
import threading
from types import TracebackType
from typing import Self

import dns.flags
import dns.message
import dns.rcode
import dns.zone

from lab.ports import HOST

LARGEST = 4096


class DnsServer:
    """Answers from `zone`, the text of a zone file; `silent` makes it answer nothing."""

    def __init__(self, origin: str, zone: str, *, silent: bool = False) -> None:
        self.silent = silent
        self.zone = dns.zone.from_text(zone, origin, relativize=False, check_origin=False)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((HOST, 0))
        self.address = "{}:{}".format(*self._socket.getsockname())
        self._closing = False
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
        self._closing = True
        self._socket.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            packet, sender = self._socket.recvfrom(LARGEST)
            if self._closing:
                return
            if not self.silent:
                answer = self._answer(dns.message.from_wire(packet))
                self._socket.sendto(answer.to_wire(), sender)

    def _answer(self, query: dns.message.Message) -> dns.message.Message:
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.AA | dns.flags.RA
        question = query.question[0]
        if self.zone.get_node(question.name) is None:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        elif found := self.zone.get_rrset(question.name, question.rdtype):
            answer.answer.append(found)
        return answer
