"""A gateway as a SIP server sees it: it takes calls, answers OPTIONS, and lets itself be registered
at, all over UDP; and it remembers what it was asked."""

import re
import secrets
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from lab.ports import HOST
from lab.sip import DATAGRAM, Login, digest

_FIELD = re.compile(r'(\w+)=(?:"([^"]*)"|([^\s,]+))')
# What an answer repeats of its request (RFC 3261, 8.2.6.2).
_REPEATED = ("via", "from", "to", "call-id", "cseq", "record-route")


@dataclass(frozen=True)
class Asked:
    """A request as it came; header names in lower case, the first of several values.

    `lines` are all of its headers.
    """

    method: str
    uri: str
    headers: Mapping[str, str]
    lines: tuple[str, ...] = ()

    def all(self, name: str) -> list[str]:
        """Every value of a header, in their order."""
        split = (line.partition(":") for line in self.lines)
        return [value.strip() for found, _, value in split if found.strip().lower() == name]


class Gateway:
    """One UDP socket; `status` is what calls are answered with, None for silence.

    Before it `rings`. At a `port` where a phone has registered it is that phone. With a `login` a
    REGISTER must carry its digest; the realm is the login's domain.
    """

    def __init__(
        self,
        status: int | None = 200,
        *,
        login: Login | None = None,
        rings: bool = False,
        port: int = 0,
    ) -> None:
        self.status = status
        self.rings = rings
        self.login = login
        self.registered: list[str] = []
        self.asked: list[Asked] = []
        self._known: set[tuple[str, str]] = set()
        self._closing = False
        self._nonce = secrets.token_hex(8)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((HOST, port))
        self.port: int = self._socket.getsockname()[1]
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
        # Nobody else takes the port meanwhile; a packet to itself wakes the thread, which ends.
        self._closing = True
        self._socket.sendto(b"", (HOST, self.port))
        self._thread.join()
        self._socket.close()

    @property
    def calls(self) -> list[Asked]:
        """The calls that came, whatever became of them."""
        return [each for each in self.asked if each.method == "INVITE"]

    def _serve(self) -> None:
        while True:
            packet, sender = self._socket.recvfrom(DATAGRAM)
            if self._closing:
                return
            first, *lines = packet.partition(b"\r\n\r\n")[0].decode().split("\r\n")
            method, uri, _ = first.split(" ", 2)
            headers: dict[str, str] = {}
            for line in lines:
                name, _, value = line.partition(":")
                headers.setdefault(name.strip().lower(), value.strip())
            asked = Asked(method, uri, headers, tuple(lines))
            # Over UDP a request comes again where its answer takes long (RFC 3261, 17.2).
            if (transaction := (method, headers["via"])) not in self._known:
                self._known.add(transaction)
                self.asked.append(asked)
            repeated = [line for line in lines if line.split(":")[0].lower() in _REPEATED]
            answers = [self._answer(asked)]
            if self.rings and method == "INVITE":
                answers.insert(0, (180, []))
            for status, more in answers:
                if status is not None:
                    reply = [f"SIP/2.0 {status} Lab", *repeated, *more, "Content-Length: 0", "", ""]
                    self._socket.sendto("\r\n".join(reply).encode(), sender)

    def _answer(self, asked: Asked) -> tuple[int | None, list[str]]:
        if asked.method == "ACK" or self.status is None:
            return None, []
        if asked.method == "INVITE":
            return self.status, [f"Contact: <sip:{HOST}:{self.port}>"]
        if asked.method != "REGISTER" or self.login is None:
            return 200, []
        challenge = f'Digest realm="{self.login.domain}", nonce="{self._nonce}", algorithm=MD5'
        given = asked.headers.get("authorization", "")
        told = {name: quoted or plain for name, quoted, plain in _FIELD.findall(given)}
        wanted = digest(challenge, "REGISTER", told.get("uri", ""), self.login)
        expected = {name: quoted or plain for name, quoted, plain in _FIELD.findall(wanted)}
        if (told.get("username"), told.get("response")) != (self.login.user, expected["response"]):
            return 401, [f"WWW-Authenticate: {challenge}"]
        self.registered.append(asked.headers["contact"])
        return 200, [f"Contact: {asked.headers['contact']};expires=600"]
