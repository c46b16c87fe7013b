"""The event socket of one FreeSWITCH (mod_event_socket, inbound): commands and their answers.

Plain TCP: lines of a header, an empty line, and where Content-Length says so a body. Commands are
sent one after the other; events are never asked for.
"""

from __future__ import annotations

import os
import re
import socket
import time
from contextlib import suppress
from typing import NoReturn
from urllib.parse import urlsplit

from provisioning.core.errors import AccessRefused, Rejected, Unreachable
from provisioning.core.records import ServerRecord

SCHEME = "esl"
PORT = 8021

_LARGEST_ANSWER = 1_000_000  # bytes; a registration takes 700
_LONGEST_HEAD = 10_000
_LONGEST_WORDS = 200
_PIECE = 65_536
_UNPRINTABLE = re.compile(r"[^\x20-\x7e\xa0-\uffff]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# How commands begin to answer that they did not do what was asked.
_REFUSALS = ("-ERR", "-USAGE", "Invalid ", "INVALID ")


class EventSocket:
    """Sends commands over one connection that is kept; for one thread at a time."""

    def __init__(self, server: ServerRecord) -> None:
        self._server = server
        self._socket: socket.socket | None = None
        self._received = bytearray()

    def deadline(self) -> float:
        """When a conversation that starts now must be over, on the monotonic clock."""
        return time.monotonic() + self._server.total_timeout

    def api(self, command: str, until: float) -> str:
        """What an API command answers; Rejected, or Unreachable once `until` has come."""
        if _CONTROL.search(command):
            raise Rejected(f"{command[:80]!r} holds a control character: it was not sent.")
        try:
            if self._socket is None:
                self._sign_in(until)
            said = self._ask(f"api {command}", "api/response", until)
        except (TimeoutError, OSError) as error:
            self.close()
            self._unreachable(error, command)
        except BaseException:
            self.close()
            raise
        if said.startswith(_REFUSALS):
            raise Rejected(f"{self.named} refused “{command[:80]}”: {self.words(said)}")
        return said

    def words(self, said: str) -> str:
        """One short printable line without the secret."""
        if self._server.rpc_secret:
            said = said.replace(self._server.rpc_secret, "…")
        return _UNPRINTABLE.sub(" ", said).strip()[:_LONGEST_WORDS]

    @property
    def named(self) -> str:
        """The server, as messages call it."""
        return f"SIP server “{self._server.name}”"

    def close(self) -> None:
        """Gives the connection back; the next command opens another."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None
        self._received.clear()

    def _sign_in(self, until: float) -> None:
        self._socket = self._connected(until)
        kind, _, body = self._read(until)
        if kind == "text/rude-rejection":
            raise AccessRefused(
                f"{self.named} answers and does not let this console in: {self.words(body)} Its "
                "event socket must allow the console's address (apply-inbound-acl): the setup "
                "guide has the lines."
            )
        if kind != "auth/request":
            self._reject("what answers there is no event socket")
        secret = self._server.rpc_secret
        if not secret or _CONTROL.search(secret):
            self._reject("its control secret is empty or holds a control character")
        if self._ask(f"auth {secret}", "command/reply", until) != "+OK accepted":
            raise AccessRefused(
                f"{self.named} answers and refuses the control secret. Nothing was changed there. "
                "Set the same password on both sides: in this server's form, and in "
                "event_socket.conf.xml. The setup guide has the lines."
            )

    def _connected(self, until: float) -> socket.socket:
        place = urlsplit(self._server.rpc_url)
        *others, last = self._server.addresses or (place.hostname or "",)
        for address in others:
            with suppress(OSError):
                return self._connect(address, place.port or PORT, until)
        return self._connect(last, place.port or PORT, until)

    def _connect(self, address: str, port: int, until: float) -> socket.socket:
        timeout = min(self._server.connect_timeout, _left(until))
        return socket.create_connection((address, port), timeout=timeout)

    def _ask(self, line: str, expected: str, until: float) -> str:
        """Sends a command and returns its reply or the body of its answer."""
        connection = self._open()
        connection.settimeout(_left(until))
        connection.sendall(f"{line}\n\n".encode())
        while True:
            kind, reply, body = self._read(until)
            if kind == expected:
                return body or reply
            if kind == "text/disconnect-notice":
                raise ConnectionResetError
            if kind == "command/reply":
                # A refusal of the command itself, such as for lack of rights.
                return reply

    def _read(self, until: float) -> tuple[str, str, str]:
        """Content-Type, Reply-Text and body of the next message."""
        while b"\n\n" not in self._received:
            if len(self._received) > _LONGEST_HEAD:
                self._reject("what answers there is no event socket")
            self._receive(until)
        head, _, rest = bytes(self._received).partition(b"\n\n")
        lines = (line.partition(":") for line in head.decode(errors="replace").split("\n"))
        fields = {name.strip().lower(): value.strip() for name, _, value in lines}
        length = fields.get("content-length", "0")
        size = int(length) if length.isdecimal() and len(length) < 10 else _LARGEST_ANSWER + 1
        if size > _LARGEST_ANSWER:
            self._reject(f"its answer is longer than {_LARGEST_ANSWER} bytes")
        self._received = bytearray(rest)
        while len(self._received) < size:
            self._receive(until)
        body = bytes(self._received[:size]).decode(errors="replace")
        del self._received[:size]
        return fields.get("content-type", ""), fields.get("reply-text", ""), body

    def _receive(self, until: float) -> None:
        connection = self._open()
        connection.settimeout(_left(until))
        piece = connection.recv(_PIECE)
        if not piece:
            raise ConnectionResetError
        self._received += piece

    def _open(self) -> socket.socket:
        if self._socket is None:
            raise ConnectionResetError
        return self._socket

    def _reject(self, why: str) -> NoReturn:
        raise Rejected(f"{self.named} cannot be used: {why}.")

    def _unreachable(self, error: OSError, command: str) -> NoReturn:
        if isinstance(error, TimeoutError):
            said = f"no answer to “{self.words(command)}” in time"
        elif isinstance(error, ConnectionResetError):
            said = "it ended the connection"
        else:
            said = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        raise Unreachable(f"{self.named} cannot be reached: {said}.") from None


def _left(until: float) -> float:
    """Seconds until then; TimeoutError where there are none."""
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
